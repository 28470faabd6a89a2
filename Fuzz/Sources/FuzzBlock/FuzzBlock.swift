// SPDX-License-Identifier: Apache-2.0
import Devices
import Driver
import Support

/// Guests of libFuzzer's choice before a disk whose host resizes, limits and pauses it.
///
///     FuzzBlock -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzBlock {
    static func main() throws {
        let guarded = try GuardedMemory.make()
        let file = try ScratchFile(byteCount: 1 << 20)
        // The first byte chooses the engine.
        Fuzzer.search { bytes in
            let engine: BlockConfiguration.Engine =
                (bytes.first ?? 0) & 1 == 0 ? .serial : .concurrent
            return try guarded.verdict(
                BlockScript.run(
                    Array(bytes.dropFirst()), engine, file, memory: guarded.memory))
        }
    }
}
