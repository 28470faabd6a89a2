// SPDX-License-Identifier: Apache-2.0

/// Little-endian fields of a file whose every byte may be hostile: nil where the file has ended.
extension Span where Element == UInt8 {
    /// True if `byteCount` bytes lie at `offset`.
    func holds(_ byteCount: Int, at offset: Int) -> Bool {
        offset >= 0 && byteCount >= 0 && offset <= count && byteCount <= count - offset
    }

    func byte(at offset: Int) -> UInt8? {
        holds(1, at: offset) ? self[offset] : nil
    }

    func little16(at offset: Int) -> UInt16? {
        guard holds(2, at: offset) else { return nil }
        return UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
    }

    func little32(at offset: Int) -> UInt32? {
        guard holds(4, at: offset) else { return nil }
        var value: UInt32 = 0
        for index in 0..<4 { value |= UInt32(self[offset + index]) << (8 * UInt32(index)) }
        return value
    }

    func little64(at offset: Int) -> UInt64? {
        guard let low = little32(at: offset), let high = little32(at: offset &+ 4) else {
            return nil
        }
        return UInt64(low) | UInt64(high) << 32
    }

    /// True if the file has exactly `text` at `offset`.
    func has(_ text: [UInt8], at offset: Int) -> Bool {
        guard holds(text.count, at: offset) else { return false }
        for index in text.indices where self[offset + index] != text[index] { return false }
        return true
    }
}
