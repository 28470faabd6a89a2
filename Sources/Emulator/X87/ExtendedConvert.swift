// SPDX-License-Identifier: Apache-2.0

/// A memory format of floating point: IEEE single or double.
struct FloatFormat {
    /// Bits of the fraction, without the integer bit: 23 or 52.
    let fractionBits: UInt64
    /// Largest exponent, that of infinities: 255 or 2047.
    let top: Int32

    static var single: FloatFormat { FloatFormat(fractionBits: 23, top: 0xff) }
    static var double: FloatFormat { FloatFormat(fractionBits: 52, top: 0x7ff) }

    @inline(__always) var bias: Int32 { top >> 1 }
    @inline(__always) var signShift: UInt64 { fractionBits == 23 ? 31 : 63 }
    /// The lowest bit of a 64-bit significand that is kept.
    @inline(__always) var unit: UInt64 { 1 &<< (63 &- fractionBits) }
    @inline(__always) var fractionMask: UInt64 { (1 &<< fractionBits) &- 1 }
    /// Bits above the fraction, without the sign.
    @inline(__always) var infinity: UInt64 { UInt64(truncatingIfNeeded: top) &<< fractionBits }
}

/// Numbers from and to memory: singles, doubles, integers, decimals. Intel SDM 1, 4.2, 4.7, 4.8.
extension FloatContext {
    /// Widens a single or double to be loaded: a NaN that signals is invalid and made quiet.
    mutating func load(_ bits: UInt64, _ format: FloatFormat) -> Extended {
        let value = decode(bits, format)
        return screen(value) ?? value
    }

    /// Widens a single or double, exactly; a denormal is noted.
    @inline(__always) mutating func decode(_ bits: UInt64, _ format: FloatFormat) -> Extended {
        let negative = bits &>> format.signShift & 1 != 0
        let exponent =
            Int32(truncatingIfNeeded: bits &>> format.fractionBits) & format.top
        let fraction = (bits & format.fractionMask) &<< (63 &- format.fractionBits)
        if exponent != 0 && exponent != format.top {
            return Extended(
                negative: negative, exponent: exponent &- format.bias &+ Extended.bias,
                significand: fraction | Extended.integerBit)
        }
        if exponent == 0 {
            if fraction == 0 { return .zero(negative: negative) }
            note(X87Status.denormal)
            let shift = fraction.leadingZeroBitCount
            return Extended(
                negative: negative,
                exponent: 1 &- format.bias &+ Extended.bias
                    &- Int32(truncatingIfNeeded: shift),
                significand: fraction &<< UInt64(truncatingIfNeeded: shift))
        }
        return Extended(
            negative: negative, exponent: 0x7fff, significand: fraction | Extended.integerBit)
    }

    /// Rounds to a single or double. After an unmasked overflow or underflow the answer is not to
    /// be stored.
    mutating func encode(_ value: Extended, _ format: FloatFormat) -> UInt64 {
        let sign: UInt64 = value.isNegative ? 1 &<< format.signShift : 0
        switch value.kind {
        case .zero: return sign
        case .infinity: return sign | format.infinity
        case .quiet, .signaling, .unsupported:
            let nan = screen(value) ?? .indefinite
            let fraction = nan.significand &>> (63 &- format.fractionBits) & format.fractionMask
            return (nan.isNegative ? 1 &<< format.signShift : 0) | format.infinity | fraction
        default: return sign | encodeFinite(value.unpacked, format)
        }
    }

    private mutating func encodeFinite(_ value: Unpacked, _ format: FloatFormat) -> UInt64 {
        let exponent = value.exponent &- Extended.bias &+ format.bias
        let result = rounded(
            value.significand, 0, unit: format.unit, negative: value.negative)
        let final = result.carried ? exponent &+ 1 : exponent
        if final >= format.top {
            note(X87Status.overflow)
            if isMasked(X87Status.overflow) {
                note(X87Status.precision)
                roundedUp = reachesInfinity(negative: value.negative)
                return roundedUp ? format.infinity : format.infinity &- 1
            }
            return 0
        }
        if final > 0 {
            if result.inexact { note(X87Status.precision) }
            roundedUp = result.up
            let fraction = result.significand &>> (63 &- format.fractionBits)
            return UInt64(truncatingIfNeeded: final) &<< format.fractionBits
                | fraction & format.fractionMask
        }
        guard isMasked(X87Status.underflow) else {
            note(X87Status.underflow)
            return 0
        }
        let shifted = Self.shiftRight(value.significand, 0, by: 1 &- exponent)
        let tiny = rounded(
            shifted.high, shifted.rest, unit: format.unit, negative: value.negative)
        if tiny.inexact { note(X87Status.underflow | X87Status.precision) }
        roundedUp = tiny.up
        // A carry into the integer bit is the smallest normal number.
        return tiny.significand &>> (63 &- format.fractionBits)
    }

    /// An integer, exactly.
    @inline(__always) static func integer(_ value: Int64) -> Extended {
        if value == 0 { return .zero }
        let magnitude = value.magnitude
        let shift = magnitude.leadingZeroBitCount
        return Extended(
            negative: value < 0,
            exponent: Extended.bias &+ 63 &- Int32(truncatingIfNeeded: shift),
            significand: magnitude &<< UInt64(truncatingIfNeeded: shift))
    }

    /// The magnitude of a finite number rounded to an integer, or nil if it is 2^64 or more.
    private mutating func roundedMagnitude(_ value: Extended, truncating: Bool) -> UInt64? {
        if value.kind == .zero { return 0 }
        let number = value.unpacked
        let power = number.exponent &- Extended.bias
        guard power <= 63 else { return nil }
        let shifted = Self.shiftRight(number.significand, 0, by: 63 &- power)
        var context = FloatContext(control: truncating ? control | 0xc00 : control)
        // The integer bit is no concern of this rounding: one unit is 1.
        context.flags = 0
        let result = context.rounded(
            shifted.high, shifted.rest, unit: 1, negative: number.negative)
        if result.carried { return nil }
        if result.inexact { note(X87Status.precision) }
        roundedUp = result.up
        return result.significand
    }

    /// Rounds to a signed integer of `bits` 16, 32 or 64; what does not fit is invalid and gives
    /// the smallest.
    mutating func toInteger(_ value: Extended, bits: UInt64, truncating: Bool) -> Int64 {
        let smallest = Int64.min &>> Int64(truncatingIfNeeded: 64 &- bits)
        let before = (flags, roundedUp)
        switch value.kind {
        case .zero: return 0
        case .normal, .denormal:
            if let magnitude = roundedMagnitude(value, truncating: truncating) {
                let limit = UInt64(1) &<< (bits &- 1)
                if value.isNegative ? magnitude <= limit : magnitude < limit {
                    let result = Int64(bitPattern: magnitude)
                    return value.isNegative ? 0 &- result : result
                }
            }
        default: break
        }
        (flags, roundedUp) = before
        note(X87Status.invalid)
        return smallest
    }

    /// FRNDINT.
    mutating func roundToInteger(_ value: Extended) -> Extended {
        if let result = screen(value) { return result }
        if value.kind == .infinity || value.kind == .zero { return value }
        noteDenormals(value)
        let number = value.unpacked
        if number.exponent >= Extended.bias &+ 63 { return value }
        let magnitude = roundedMagnitude(value, truncating: false) ?? 0
        if magnitude == 0 { return .zero(negative: value.isNegative) }
        let shift = magnitude.leadingZeroBitCount
        return Extended(
            negative: value.isNegative,
            exponent: Extended.bias &+ 63 &- Int32(truncatingIfNeeded: shift),
            significand: magnitude &<< UInt64(truncatingIfNeeded: shift))
    }

    // MARK: Decimals

    /// FBLD: 18 digits in `low` and the low byte of `high`, the sign in bit 15 of `high`.
    static func decimal(low: UInt64, high: UInt16) -> Extended {
        var magnitude: UInt64 = 0
        var digits = low
        let first = UInt64(high & 0xff)
        magnitude = (first >> 4) &* 10 &+ (first & 15)
        for _ in 0..<16 {
            magnitude = magnitude &* 10 &+ digits >> 60
            digits &<<= 4
        }
        let value = integer(Int64(bitPattern: magnitude))
        return high & 0x8000 != 0 ? value.negated : value
    }

    /// FBSTP: rounds to 18 digits; what does not fit is invalid and gives the decimal indefinite.
    mutating func toDecimal(_ value: Extended) -> (low: UInt64, high: UInt16) {
        let before = (flags, roundedUp)
        var magnitude: UInt64?
        switch value.kind {
        case .zero: magnitude = 0
        case .normal, .denormal: magnitude = roundedMagnitude(value, truncating: false)
        default: break
        }
        guard var rest = magnitude, rest < 1_000_000_000_000_000_000 else {
            (flags, roundedUp) = before
            note(X87Status.invalid)
            return (0xc000_0000_0000_0000, 0xffff)
        }
        var low: UInt64 = 0
        for index in 0..<16 {
            low |= (rest % 10) &<< UInt64(truncatingIfNeeded: index &* 4)
            rest /= 10
        }
        let high = UInt16(truncatingIfNeeded: rest / 10 &* 16 &+ rest % 10)
        return (low, high | (value.isNegative ? 0x8000 : 0))
    }
}
