// SPDX-License-Identifier: Apache-2.0
import Driver
import Support

/// Guests and programs of the host of libFuzzer's choice, on both sides of the socket device.
///
///     FuzzVsock -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzVsock {
    static func main() throws {
        let guarded = try GuardedMemory.make()
        Fuzzer.search {
            let path = VsockGuest.freshPath()
            return try guarded.verdict(VsockScript.run($0, path: path, memory: guarded.memory))
        }
    }
}
