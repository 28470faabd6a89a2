// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Control
@testable import Devices

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Guests of libFuzzer's choice at the link to their metadata: frames of any kind, and connections
/// that keep to the rules as long as it likes.
///
///     FuzzMMDS -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzMMDS {
    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            var guest = LinkGuest(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            guest.run()
            return 0
        }
        exit(result)
    }
}
