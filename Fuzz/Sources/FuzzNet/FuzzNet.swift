// SPDX-License-Identifier: Apache-2.0
import Driver

/// Guests and hosts of libFuzzer's choice, on both sides of the network device.
///
///     FuzzNet -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzNet {
    static func main() {
        let memory = Fuzzer.memory()
        Fuzzer.search { try NetScript.run($0, memory: memory) }
    }
}
