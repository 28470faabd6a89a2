// SPDX-License-Identifier: Apache-2.0
import Glibc

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
private func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// What all fuzz targets have in common.
///
///     FuzzNet -max_total_time=600 -max_len=2048 CORPUS
package enum Fuzzer {
    // SAFETY: set once, before the one thread that reads it begins to.
    nonisolated(unsafe) private static var check: ([UInt8]) -> Void = { _ in }

    /// Calls `check` with each input of libFuzzer's, for as long as its options say.
    package static func run(_ check: @escaping ([UInt8]) -> Void) -> Never {
        unsafe Self.check = check
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        exit(unsafe runFuzzer(&count, &arguments, callBack))
    }

    /// As ``run(_:)``; what `body` answers or throws is a finding.
    package static func search(_ body: @escaping ([UInt8]) throws -> String?) -> Never {
        run { bytes in
            do {
                if let wrong = try body(bytes) { fatalError(wrong) }
            } catch {
                fatalError("\(error)")
            }
        }
    }

    private static let callBack: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt = {
        start, count in
        // SAFETY: libFuzzer lends `count` bytes for the time of the call.
        unsafe check([UInt8](UnsafeBufferPointer(start: start, count: count)))
        return 0
    }
}
