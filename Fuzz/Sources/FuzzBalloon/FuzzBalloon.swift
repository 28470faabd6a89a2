// SPDX-License-Identifier: Apache-2.0
import Glibc
import Memory

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Drivers and hosts of libFuzzer's choice on both sides of the balloon.
///
///     FuzzBalloon -max_total_time=600 -max_len=2048 CORPUS
@main enum FuzzBalloon {
    static let memory: GuestMemory = {
        guard
            let memory = try? GuestMemory(byteCount: GuestMemory.minimum)
        else { fatalError("no memory for a guest") }
        return memory
    }()

    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            FuzzBalloon.run(unsafe [UInt8](UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(result)
    }

    static func run(_ bytes: [UInt8]) {
        do {
            if let wrong = try BalloonScript.run(bytes, memory: memory) { fatalError(wrong) }
        } catch {
            fatalError("\(error)")
        }
    }
}
