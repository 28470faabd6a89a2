// SPDX-License-Identifier: Apache-2.0

/// Numbers in network order, read from bytes that may be too few.
extension ArraySlice<UInt8> {
    /// The byte at `offset` from the slice's start.
    func byte(_ offset: Int) -> UInt8? {
        offset >= 0 && offset < count ? self[startIndex + offset] : nil
    }

    /// The 16 bits at `offset`.
    func half(_ offset: Int) -> UInt16? {
        guard let high = byte(offset), let low = byte(offset + 1) else { return nil }
        return UInt16(high) << 8 | UInt16(low)
    }

    /// The 32 bits at `offset`.
    func word(_ offset: Int) -> UInt32? {
        guard let high = half(offset), let low = half(offset + 2) else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }

    /// `count` bytes from `offset` on.
    func bytes(_ offset: Int, _ count: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, count >= 0, offset <= self.count, count <= self.count - offset else {
            return nil
        }
        return self[startIndex + offset..<startIndex + offset + count]
    }
}

extension [UInt8] {
    mutating func append(half value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    mutating func append(word value: UInt32) {
        append(half: UInt16(truncatingIfNeeded: value >> 16))
        append(half: UInt16(truncatingIfNeeded: value))
    }
}

/// The checksum of the Internet's headers. RFC 1071.
struct InternetChecksum {
    private var sum: UInt64 = 0

    /// Adds bytes; all pieces but the last have an even count.
    mutating func add(_ bytes: some Collection<UInt8>) {
        var isHigh = true
        for byte in bytes {
            sum &+= isHigh ? UInt64(byte) << 8 : UInt64(byte)
            isHigh.toggle()
        }
    }

    var value: UInt16 {
        var folded = sum
        while folded > 0xffff { folded = (folded & 0xffff) + folded >> 16 }
        return ~UInt16(truncatingIfNeeded: folded)
    }
}
