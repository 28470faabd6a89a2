// SPDX-License-Identifier: Apache-2.0
import Driver

/// Guests and programs of the host of libFuzzer's choice, on both sides of the socket device.
///
///     FuzzVsock -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzVsock {
    static func main() {
        let memory = Fuzzer.memory()
        Fuzzer.search { try VsockScript.run($0, path: VsockGuest.freshPath(), memory: memory) }
    }
}
