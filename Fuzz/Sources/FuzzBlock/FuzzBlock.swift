// SPDX-License-Identifier: Apache-2.0
import Devices
import Glibc
import Memory
import Support

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Guests of libFuzzer's choice before a disk whose host resizes, limits and pauses it.
///
///     FuzzBlock -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzBlock {
    static let memory: GuestMemory = {
        guard let memory = try? GuestMemory(byteCount: GuestMemory.minimum) else {
            fatalError("no memory for a guest")
        }
        return memory
    }()

    static let file: ScratchFile = {
        guard let file = try? ScratchFile(byteCount: 1 << 20) else { fatalError("no file") }
        return file
    }()

    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            FuzzBlock.run(unsafe [UInt8](UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(result)
    }

    /// The first byte chooses the engine.
    static func run(_ bytes: [UInt8]) {
        do {
            let engine: BlockConfiguration.Engine =
                (bytes.first ?? 0) & 1 == 0 ? .sync : .async
            let script = Array(bytes.dropFirst())
            if let wrong = try BlockScript.run(script, engine, file, memory: memory) {
                fatalError(wrong)
            }
        } catch {
            fatalError("\(error)")
        }
    }
}
