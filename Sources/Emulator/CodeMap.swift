// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux
import Memory

/// Which pieces of RAM hold code that some processor has decoded: one bit for each 64 bytes.
///
/// Shared by all processors of a machine. A processor sets the bits before it reads the bytes that
/// it decodes; a writer looks at them after it has written. One of the two so sees the other.
final class CodeMap: @unchecked Sendable {
    private let masks: Mapping
    private let ram: UInt
    private let byteCount: UInt

    init(_ memory: GuestMemory) throws(Errno) {
        ram = memory.regions[0].hostAddress
        byteCount = UInt(memory.mappedByteCount)
        masks = try Mapping.anonymous(byteCount: Int(memory.mappedByteCount >> 12) * 8)
    }

    /// Number of the page at a host address of RAM.
    @inline(__always) func frame(_ host: UInt) -> Int { Int((host &- ram) >> 12) }
    /// Host address of a page.
    @inline(__always) func host(frame: Int) -> UInt { ram &+ UInt(frame) << 12 }
    var frameCount: Int { Int(byteCount >> 12) }

    @inline(__always) private func mask(_ frame: Int) -> UnsafeMutablePointer<UInt64> {
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: masks.address &+ UInt(frame) &* 8)
            .unsafelyUnwrapped
    }

    /// The 64-byte pieces that `count` bytes at `offset` of a page touch.
    @inline(__always) static func pieces(offset: Int, count: Int) -> UInt64 {
        let first = UInt64(offset >> 6)
        let last = UInt64(min(offset &+ count &- 1, 4095) >> 6)
        return (UInt64.max &>> (63 &- (last &- first))) &<< first
    }

    @inline(__always) func holdsCode(_ host: UInt) -> Bool {
        unsafe clinux_load64(mask(frame(host))) != 0
    }

    /// Notes code in a page; true if the page had none before.
    func mark(frame: Int, pieces: UInt64) -> Bool {
        let old = unsafe clinux_load64(mask(frame))
        if old & pieces == pieces { return false }
        return unsafe clinux_or64(mask(frame), pieces) == 0
    }

    /// Which of the pieces, which have been written, held code; they no longer do.
    @inline(__always) func take(frame: Int, pieces: UInt64) -> UInt64 {
        orderWrites()
        return takeOrdered(frame: frame, pieces: pieces)
    }

    /// Orders all that has been written before what ``takeOrdered(frame:pieces:)`` looks at.
    @inline(__always) func orderWrites() { clinux_fence() }

    /// As ``take(frame:pieces:)``, after ``orderWrites()``: once is enough for many pages.
    @inline(__always) func takeOrdered(frame: Int, pieces: UInt64) -> UInt64 {
        guard unsafe clinux_load64(mask(frame)) & pieces != 0 else { return 0 }
        return unsafe clinux_and64(mask(frame), ~pieces) & pieces
    }
}
