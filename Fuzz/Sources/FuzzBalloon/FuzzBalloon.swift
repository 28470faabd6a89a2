// SPDX-License-Identifier: Apache-2.0
import Driver

/// Drivers and hosts of libFuzzer's choice on both sides of the balloon.
///
///     FuzzBalloon -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzBalloon {
    static func main() {
        let memory = Fuzzer.memory()
        Fuzzer.search { try BalloonScript.run($0, memory: memory) }
    }
}
