// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Control

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Configuration files and reports of libFuzzer's choice.
///
///     FuzzJSON -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzJSON {
    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            check(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(result)
    }

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
