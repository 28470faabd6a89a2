// SPDX-License-Identifier: Apache-2.0
import Driver
import Support

/// Drivers of libFuzzer's choice before the smallest device: registers, rings, chains.
///
///     FuzzVirtqueue -max_total_time=600 -max_len=1024 CORPUS
@main enum FuzzVirtqueue {
    static func main() throws {
        let guarded = try GuardedMemory.make()
        Fuzzer.search { bytes in
            var script = DeviceScript(bytes)
            let driver = try TestDriver(EchoDevice(), memory: guarded.memory)
            return guarded.verdict(script.run(driver))
        }
    }
}
