// SPDX-License-Identifier: Apache-2.0
import Driver
import Memory
import Support

/// Drivers and hosts of libFuzzer's choice on both sides of the device for pluggable memory.
///
///     FuzzMemory -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzMemory {
    static func main() throws {
        let guarded = try GuardedMemory.make(
            pluggable: PluggableSize(byteCount: MemoryScript.blocks * PluggableSize.leastBlock))
        Fuzzer.search {
            try guarded.verdict(MemoryScript.run($0, memory: guarded.memory))
        }
    }
}
