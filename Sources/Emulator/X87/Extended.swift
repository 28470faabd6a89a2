// SPDX-License-Identifier: Apache-2.0

/// A number of the x87 unit: 64 bits of significand with its integer bit, 15 of exponent, a sign.
///
/// All 2^80 patterns are kept as they are, the ones that are no numbers too. Arithmetic is done
/// with integers, so that it is the same on every host and leaves the host's floating-point flags
/// alone.
/// Intel SDM 1, 4.2.2 and 8.2.
struct Extended: BitwiseCopyable, Equatable {
    var significand: UInt64
    /// Bit 15: sign; bits 0–14: exponent, biased by 16383.
    var signAndExponent: UInt16

    @inline(__always) init(significand: UInt64, signAndExponent: UInt16) {
        self.significand = significand
        self.signAndExponent = signAndExponent
    }

    @inline(__always) init(negative: Bool, exponent: Int32, significand: UInt64) {
        self.significand = significand
        signAndExponent =
            UInt16(truncatingIfNeeded: exponent) & 0x7fff | (negative ? 0x8000 : 0)
    }

    static var bias: Int32 { 16383 }
    static var integerBit: UInt64 { 1 << 63 }
    static var quietBit: UInt64 { 1 << 62 }

    static var zero: Extended { Extended(significand: 0, signAndExponent: 0) }
    static var one: Extended { Extended(significand: integerBit, signAndExponent: 0x3fff) }
    /// The QNaN that stands for the result of an invalid operation.
    static var indefinite: Extended {
        Extended(significand: integerBit | quietBit, signAndExponent: 0xffff)
    }
    static func zero(negative: Bool) -> Extended {
        Extended(significand: 0, signAndExponent: negative ? 0x8000 : 0)
    }
    static func infinity(negative: Bool) -> Extended {
        Extended(significand: integerBit, signAndExponent: negative ? 0xffff : 0x7fff)
    }

    // MARK: Classes

    /// What a pattern stands for. Intel SDM 1, table 4-3 and 8.2.2.
    enum Class: UInt8 {
        case zero
        /// Also pseudo-denormals, whose integer bit is set.
        case denormal
        case normal
        case infinity
        case quiet
        case signaling
        /// Unnormals, pseudo-infinities, pseudo-NaNs.
        case unsupported
    }

    @inline(__always) var isNegative: Bool { signAndExponent & 0x8000 != 0 }
    /// Biased, 0 to 0x7fff.
    @inline(__always) var exponent: Int32 { Int32(signAndExponent & 0x7fff) }
    @inline(__always) var isNormal: Bool {
        significand >> 63 != 0 && (signAndExponent &+ 1) & 0x7fff > 1
    }

    var kind: Class {
        @inline(__always) get { isNormal ? .normal : rareKind }
    }

    private var rareKind: Class {
        switch exponent {
        case 0: return significand == 0 ? .zero : .denormal
        case 0x7fff:
            if significand >> 63 == 0 { return .unsupported }
            if significand << 1 == 0 { return .infinity }
            return significand & Self.quietBit != 0 ? .quiet : .signaling
        default: return .unsupported
        }
    }

    var isNaN: Bool { kind == .quiet || kind == .signaling }

    /// Zero, finite or infinite.
    var isNumber: Bool { kind.rawValue < Class.quiet.rawValue }

    @inline(__always) var negated: Extended {
        Extended(significand: significand, signAndExponent: signAndExponent ^ 0x8000)
    }
    @inline(__always) var magnitude: Extended {
        Extended(significand: significand, signAndExponent: signAndExponent & 0x7fff)
    }
    /// A NaN made quiet.
    var quieted: Extended {
        Extended(significand: significand | Self.quietBit, signAndExponent: signAndExponent)
    }

    /// A finite number other than zero with its integer bit set, whatever the exponent.
    var unpacked: Unpacked {
        @inline(__always) get {
            if isNormal {
                return Unpacked(negative: isNegative, exponent: exponent, significand: significand)
            }
            let shift = significand.leadingZeroBitCount
            return Unpacked(
                negative: isNegative,
                exponent: max(exponent, 1) &- Int32(truncatingIfNeeded: shift),
                significand: significand &<< UInt64(truncatingIfNeeded: shift))
        }
    }
}

/// A finite number other than zero: significand · 2^(exponent − 16383 − 63), bit 63 of the
/// significand set.
struct Unpacked: BitwiseCopyable {
    var negative: Bool
    /// Biased by 16383; may lie outside what a register can hold.
    var exponent: Int32
    var significand: UInt64
}
