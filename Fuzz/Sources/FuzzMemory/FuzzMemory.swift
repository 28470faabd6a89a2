// SPDX-License-Identifier: Apache-2.0
import Driver
import Memory

/// Drivers and hosts of libFuzzer's choice on both sides of the device for pluggable memory.
///
///     FuzzMemory -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzMemory {
    static func main() {
        let memory = Fuzzer.memory(
            pluggable: PluggableSize(byteCount: MemoryScript.blocks * PluggableSize.leastBlock))
        Fuzzer.search { try MemoryScript.run($0, memory: memory) }
    }
}
