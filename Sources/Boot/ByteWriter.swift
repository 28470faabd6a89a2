// SPDX-License-Identifier: Apache-2.0

/// Tables are built as bytes, little-endian, and written to guest memory in one piece.
extension Array where Element == UInt8 {
    /// Appends `value`, lowest byte first.
    mutating func append<Value: FixedWidthInteger>(little value: Value) {
        for index in 0..<(Value.bitWidth / 8) {
            append(UInt8(truncatingIfNeeded: value >> Value(index * 8)))
        }
    }

    /// Puts `value` at `offset`, lowest byte first. The room must be there.
    mutating func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        for index in 0..<(Value.bitWidth / 8) {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> Value(index * 8))
        }
    }

    /// Appends ASCII text, cut or padded with `padding` to `width` bytes.
    mutating func append(_ text: String, width: Int, padding: UInt8 = 0x20) {
        let bytes = [UInt8](text.utf8.prefix(width))
        append(contentsOf: bytes)
        append(contentsOf: repeatElement(padding, count: width - bytes.count))
    }

    /// What makes the bytes of `range` add up to 0 modulo 256, if it replaces a 0 among them.
    func checksum(of range: Range<Int>) -> UInt8 {
        var sum: UInt8 = 0
        for index in range { sum &+= self[index] }
        return 0 &- sum
    }
}
