// SPDX-License-Identifier: Apache-2.0
import Driver

/// Instructions of libFuzzer's choice, decoded and executed by the software processor.
///
///     FuzzDecoder -max_total_time=600 -max_len=256 -timeout=10 CORPUS
@main enum FuzzDecoder {
    static func main() throws {
        let rig = try DecoderRig()
        // The first byte says in what mode the others are code.
        Fuzzer.run { bytes in
            guard let first = bytes.first else { return }
            rig.run(Array(bytes.dropFirst()), mode: first)
        }
    }
}
