// SPDX-License-Identifier: Apache-2.0
import Glibc

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Instructions of libFuzzer's choice, decoded and executed by the software processor.
///
///     FuzzDecoder -max_total_time=600 -max_len=256 -timeout=10 CORPUS
@main enum FuzzDecoder {
    // libFuzzer calls on one thread.
    nonisolated(unsafe) static let rig: DecoderRig = {
        guard let rig = try? DecoderRig() else { fatalError("no memory for a guest") }
        return rig
    }()

    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            FuzzDecoder.run(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(result)
    }

    /// The first byte says in what mode the others are code.
    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        rig.run(Array(bytes.dropFirst()), mode: first)
    }
}
