// SPDX-License-Identifier: Apache-2.0

/// Reads little-endian fields from a payload, and never past its end.
struct ByteReader {
    /// Bytes not yet read.
    private(set) var rest: ArraySlice<UInt8>
    private let kind: UInt16
    private let length: Int

    init(_ payload: ArraySlice<UInt8>, kind: UInt16) {
        self.rest = payload
        self.kind = kind
        self.length = payload.count
    }

    /// The next `Value.bitWidth / 8` bytes, lowest first.
    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) throws(FrameError) -> Value {
        let size = Value.bitWidth / 8
        guard rest.count >= size else { throw lengthError }
        var value: Value = 0
        var shift = 0
        for byte in rest.prefix(size) {
            value |= Value(truncatingIfNeeded: byte) << Value(truncatingIfNeeded: shift)
            shift &+= 8
        }
        rest = rest.dropFirst(size)
        return value
    }

    /// The next `count` bytes.
    mutating func bytes(_ count: UInt32) throws(FrameError) -> [UInt8] {
        guard let count = Int(exactly: count), rest.count >= count else { throw lengthError }
        let bytes = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
        return bytes
    }

    /// Ends the payload: nothing may be left.
    func end() throws(FrameError) {
        guard rest.isEmpty else { throw lengthError }
    }

    private var lengthError: FrameError { .length(kind: kind, length: length) }
}

extension [UInt8] {
    /// Appends `value` in little-endian order.
    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(integer value: Value) {
        var rest = value
        for _ in 0..<Value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest = rest >> 8
        }
    }
}
