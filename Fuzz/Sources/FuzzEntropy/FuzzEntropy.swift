// SPDX-License-Identifier: Apache-2.0
import Driver
import Support

/// Drivers and hosts of libFuzzer's choice on both sides of the entropy device.
///
///     FuzzEntropy -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzEntropy {
    static func main() throws {
        let guarded = try GuardedMemory.make()
        Fuzzer.search {
            try guarded.verdict(EntropyScript.run($0, memory: guarded.memory))
        }
    }
}
