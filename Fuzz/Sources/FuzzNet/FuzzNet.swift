// SPDX-License-Identifier: Apache-2.0
import Driver
import Support

/// Guests and hosts of libFuzzer's choice, on both sides of the network device.
///
///     FuzzNet -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzNet {
    static func main() throws {
        let guarded = try GuardedMemory.make()
        Fuzzer.search {
            try guarded.verdict(NetScript.run($0, memory: guarded.memory))
        }
    }
}
