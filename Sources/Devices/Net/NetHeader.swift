// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// What comes before each frame, as it lies in memory. VIRTIO 1.2, 5.1.6.
package struct NetHeader: Hashable, Sendable, BitwiseCopyable {
    package var flags: UInt8 = 0
    /// What the frame is to be cut into; see ``Segments``.
    package var segments: UInt8 = 0
    /// Bytes of all protocol headers; a hint.
    package var headerLength: UInt16 = 0
    /// Payload of each segment in bytes.
    package var segmentSize: UInt16 = 0
    /// Where in the frame the checksummed part begins, and from there where the sum goes.
    package var checksumStart: UInt16 = 0
    package var checksumOffset: UInt16 = 0
    /// Buffers that the frame fills; from the device only.
    package var bufferCount: UInt16 = 0

    package init() {}

    /// In bytes.
    package static var byteCount: Int { 12 }

    /// Where fields lie.
    enum Offset {
        static var flags: Int { 0 }
        static var headerLength: Int { 2 }
        static var segmentSize: Int { 4 }
        static var checksumStart: Int { 6 }
        static var checksumOffset: Int { 8 }
        static var bufferCount: Int { 10 }
    }

    /// Reads what was copied out of guest memory.
    init(_ bytes: borrowing HostBytes) {
        let first = bytes.half(at: Offset.flags)
        flags = UInt8(truncatingIfNeeded: first)
        segments = UInt8(truncatingIfNeeded: first >> 8)
        headerLength = bytes.half(at: Offset.headerLength)
        segmentSize = bytes.half(at: Offset.segmentSize)
        checksumStart = bytes.half(at: Offset.checksumStart)
        checksumOffset = bytes.half(at: Offset.checksumOffset)
    }

    /// Writes it where it goes to the kernel from.
    func store(in bytes: borrowing HostBytes) {
        bytes.setHalf(UInt16(flags) | UInt16(segments) << 8, at: Offset.flags)
        bytes.setHalf(headerLength, at: Offset.headerLength)
        bytes.setHalf(segmentSize, at: Offset.segmentSize)
        bytes.setHalf(checksumStart, at: Offset.checksumStart)
        bytes.setHalf(checksumOffset, at: Offset.checksumOffset)
        bytes.setHalf(bufferCount, at: Offset.bufferCount)
    }
    /// The checksum is still to be made.
    package static var needsChecksum: UInt8 { 1 }
    /// The checksum was found to be right.
    package static var hasGoodChecksum: UInt8 { 2 }

    /// Values of ``segments``.
    package enum Segments {
        package static var none: UInt8 { 0 }
        package static var tcp4: UInt8 { 1 }
        package static var udpFragments: UInt8 { 3 }
        package static var tcp6: UInt8 { 4 }
        package static var udp: UInt8 { 5 }
        /// With one of TCP: segments carry congestion marks.
        package static var ecn: UInt8 { 0x80 }
    }

    /// The header that the host's kernel is given for a frame of `frameSize` bytes from a driver
    /// that accepted `features`; nil if no driver may send such a frame. 5.1.6.2.1, 5.1.6.2.2.
    ///
    /// The kernel has checks of its own. These keep what is plainly wrong from ever reaching it.
    func checked(frameSize: Int, _ features: FeatureSet) -> NetHeader? {
        var header = NetHeader()
        if flags & Self.needsChecksum != 0 {
            guard features.contains(.netChecksum),
                Int(checksumStart) + Int(checksumOffset) + 2 <= frameSize
            else { return nil }
            header.flags = Self.needsChecksum
            header.checksumStart = checksumStart
            header.checksumOffset = checksumOffset
        }
        guard segments != Segments.none else { return header }
        // Segments need sums of their own, and something to be cut.
        guard header.flags != 0, segmentSize > 0, isAllowed(features),
            Int(headerLength) <= frameSize,
            frameSize > Int(checksumStart) + Int(checksumOffset) + 2
        else { return nil }
        header.segments = segments
        header.segmentSize = segmentSize
        header.headerLength = headerLength
        return header
    }

    private func isAllowed(_ features: FeatureSet) -> Bool {
        let kind = segments & ~Segments.ecn
        if segments & Segments.ecn != 0 {
            guard features.contains(.netHostECN), kind == Segments.tcp4 || kind == Segments.tcp6
            else { return false }
        }
        return switch kind {
        case Segments.tcp4: features.contains(.netHostTSO4)
        case Segments.tcp6: features.contains(.netHostTSO6)
        case Segments.udpFragments: features.contains(.netHostUFO)
        case Segments.udp: features.contains(.netHostUSO)
        default: false
        }
    }
}
