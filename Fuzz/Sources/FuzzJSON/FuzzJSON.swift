// SPDX-License-Identifier: Apache-2.0
import Driver

@testable import Control

/// Configuration files and reports of libFuzzer's choice.
///
///     FuzzJSON -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzJSON {
    static func main() { Fuzzer.run(check) }

    /// What reads is written as what reads the same; nothing traps.
    static func check(_ bytes: [UInt8]) {
        let value: JSON
        do throws(JSONError) {
            value = try JSONParser.parse(bytes)
        } catch {
            precondition(!error.description.isEmpty)
            return
        }
        guard let again = try? JSONParser.parse(value.bytes) else {
            preconditionFailure("what was written does not read")
        }
        precondition(again == value)
        if let config = try? VMConfig(json: value) {
            guard let same = try? VMConfig(config.json.bytes) else {
                preconditionFailure("a configuration does not read")
            }
            precondition(same == config)
        }
        _ = try? MachineReport(bytes)
    }
}
