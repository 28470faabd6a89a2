// SPDX-License-Identifier: Apache-2.0
import Linux
import Support

/// A Multiboot 1 kernel of a few bytes, as a file that goes with this value.
///
/// It is entered in 32-bit protected mode, with flat segments and interrupts off.
struct TinyKernel: ~Copyable {
    let path: String

    /// - Parameter code: Machine code, to be entered at its first byte, at 1 MiB and 32 bytes.
    init(_ code: [UInt8]) throws {
        // The header with its address fields (bit 16): the file is no ELF. Multiboot 0.6.96, 3.1.
        let base: UInt32 = 0x10_0000
        let magic: UInt32 = 0x1bad_b002
        let flags: UInt32 = 0x1_0000
        let end = base + 32 + UInt32(code.count)
        let words = [magic, flags, 0 &- magic &- flags, base, base, end, end, base + 32]
        let header = words.flatMap { word in (0..<4).map { UInt8(word >> ($0 * 8) & 0xff) } }
        path = ScratchPath.unique("kernel")
        // O_WRONLY, O_CREAT and O_EXCL.
        let file = try FileDescriptor.open(path, flags: 0o301)
        _ = try file.write((header + code)[...])
    }

    deinit { UnixSocket.remove(path) }

    /// Writes `value` to the debug-exit port, then halts.
    static func exiting(with value: UInt32) -> [UInt8] {
        let bytes = (0..<4).map { UInt8(value >> ($0 * 8) & 0xff) }
        return [0xb8] + bytes + [0xba, 0xf4, 0, 0, 0, 0xef, 0xf4]
    }
}
