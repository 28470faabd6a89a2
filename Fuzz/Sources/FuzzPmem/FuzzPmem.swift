// SPDX-License-Identifier: Apache-2.0
import Driver

/// Drivers and hosts of libFuzzer's choice on both sides of persistent memory.
///
///     FuzzPmem -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzPmem {
    static func main() throws {
        let (memory, files) = try PmemScript.makeMemory()
        Fuzzer.search { try PmemScript.run($0, memory: memory, files) }
    }
}
