// SPDX-License-Identifier: Apache-2.0
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

/// Drivers of libFuzzer's choice before the smallest device: registers, rings, chains.
///
///     FuzzVirtqueue -max_total_time=600 -max_len=1024 CORPUS
@main enum FuzzVirtqueue {
    static let memory: GuestMemory = {
        guard let memory = try? GuestMemory(byteCount: GuestMemory.minimum) else {
            fatalError("no memory for a guest")
        }
        return memory
    }()

    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
            FuzzVirtqueue.run(bytes)
            return 0
        }
        exit(result)
    }

    static func run(_ bytes: [UInt8]) {
        var script = DeviceScript(bytes)
        guard let driver = try? TestDriver(EchoDevice(), memory: memory) else { return }
        if let wrong = script.run(driver) { fatalError(wrong) }
    }
}
