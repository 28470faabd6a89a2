// SPDX-License-Identifier: Apache-2.0

/// An operand of 1, 2, 4 or 8 bytes.
protocol Word: FixedWidthInteger, UnsignedInteger, BitwiseCopyable {
    associatedtype Signed: FixedWidthInteger, SignedInteger, BitwiseCopyable
    init(bitPattern: Signed)
}

extension UInt8: Word { typealias Signed = Int8 }
extension UInt16: Word { typealias Signed = Int16 }
extension UInt32: Word { typealias Signed = Int32 }
extension UInt64: Word { typealias Signed = Int64 }

extension Word {
    @inline(__always) var signed: Signed { Signed(truncatingIfNeeded: self) }
    /// Sign-extended to 64 bits.
    @inline(__always) var extended: Int64 { Int64(truncatingIfNeeded: signed) }
    @inline(__always) var isNegative: Bool { signed < 0 }
    @inline(__always) static var byteCount: Int { bitWidth / 8 }
}
