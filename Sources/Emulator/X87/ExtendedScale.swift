// SPDX-License-Identifier: Apache-2.0

/// Remainders, scaling, taking numbers apart, comparing. Intel SDM 1, 8.3.3 to 8.3.6.
extension FloatContext {
    struct Remainder {
        var value: Extended
        /// Low three bits of the quotient.
        var quotient: UInt64 = 0
        /// The reduction is not complete (C2).
        var partial = false
    }

    /// FPREM, or FPREM1 if `nearest`: the exact remainder, or a step towards it if the exponents
    /// are 64 or more apart.
    mutating func remainder(_ a: Extended, _ b: Extended, nearest: Bool) -> Remainder {
        if let result = screen(a, b) { return Remainder(value: result) }
        if a.kind == .infinity || b.kind == .zero { return Remainder(value: invalid()) }
        noteDenormals(a, b)
        if a.kind == .zero { return Remainder(value: a) }
        if b.kind == .infinity {
            if a.kind != .denormal { return Remainder(value: a) }
            let number = a.unpacked
            var exact = full
            let value = exact.pack(
                negative: number.negative, exponent: number.exponent, number.significand)
            note(exact.flags)
            return Remainder(value: value)
        }
        let first = a.unpacked
        let second = b.unpacked
        let distance = first.exponent &- second.exponent
        if distance >= 64 { return reduce(first, second, distance) }
        var result = Remainder(value: a)
        // The remainder is rest · 2^(exponent − 63); quotients are found bit by bit.
        var rest = UInt128(first.significand)
        var exponent = first.exponent
        if distance >= 0 {
            exponent = second.exponent
            for step in 0...distance {
                if step != 0 { rest &<<= 1 }
                result.quotient &<<= 1
                if rest >= UInt128(second.significand) {
                    rest &-= UInt128(second.significand)
                    result.quotient |= 1
                }
            }
        }
        var negative = first.negative
        if nearest && distance >= -1 {
            let divisor = UInt128(second.significand) &<< (distance < 0 ? 1 : 0)
            let twice = rest &<< 1
            if twice > divisor || twice == divisor && result.quotient & 1 != 0 {
                rest = divisor &- rest
                negative.toggle()
                result.quotient &+= 1
            }
        }
        result.quotient &= 7
        if rest == 0 {
            result.value = .zero(negative: first.negative)
            return result
        }
        result.value = packExact(negative, exponent, rest)
        return result
    }

    /// One step of a long reduction: subtracts a multiple of the divisor such that the exponents
    /// come 32 to 63 nearer.
    private mutating func reduce(
        _ a: Unpacked, _ b: Unpacked, _ distance: Int32
    ) -> Remainder {
        let steps = 32 &+ distance & 31
        var rest = UInt128(a.significand)
        let divisor = UInt128(b.significand)
        for step in 0...steps {
            if step != 0 { rest &<<= 1 }
            if rest >= divisor { rest &-= divisor }
        }
        if rest == 0 {
            return Remainder(value: .zero(negative: a.negative), partial: true)
        }
        return Remainder(
            value: packExact(a.negative, a.exponent &- steps, rest), partial: true)
    }

    private mutating func packExact(
        _ negative: Bool, _ exponent: Int32, _ value: UInt128
    ) -> Extended {
        var exact = full
        // 128 bits, of which the upper half counts: the value is at most 65 bits.
        let shift = Int32(truncatingIfNeeded: value.leadingZeroBitCount)
        let normalized = value &<< UInt128(shift)
        let result = exact.pack(
            negative: negative, exponent: exponent &+ 64 &- shift,
            UInt64(truncatingIfNeeded: normalized &>> 64),
            UInt64(truncatingIfNeeded: normalized))
        note(exact.flags)
        return result
    }

    /// FSCALE: a · 2^b, b cut to an integer. Intel SDM 2, table 3-28.
    mutating func scale(_ a: Extended, by b: Extended) -> Extended {
        if let result = screen(a, b) { return result }
        if b.kind == .infinity {
            if b.isNegative ? a.kind == .infinity : a.kind == .zero { return invalid() }
            noteDenormals(a)
            return b.isNegative
                ? .zero(negative: a.isNegative)
                : .infinity(negative: a.isNegative)
        }
        noteDenormals(a, b)
        if a.kind == .zero || a.kind == .infinity { return a }
        let number = a.unpacked
        var steps: Int32 = 0
        if b.kind != .zero {
            let power = b.unpacked.exponent &- Extended.bias
            if power >= 0 {
                steps =
                    power > 16
                    ? 0x1_0000
                    : Int32(truncatingIfNeeded: b.unpacked.significand &>> UInt64(63 &- power))
            }
            if b.isNegative { steps = 0 &- steps }
        }
        var exact = full
        let result = exact.pack(
            negative: number.negative, exponent: number.exponent &+ steps, number.significand)
        note(exact.flags)
        roundedUp = exact.roundedUp
        return result
    }

    /// FXTRACT: exponent and significand as numbers.
    mutating func extract(_ a: Extended) -> (exponent: Extended, significand: Extended) {
        if let result = screen(a) { return (result, result) }
        if a.kind == .zero {
            note(X87Status.zeroDivide)
            return (.infinity(negative: true), a)
        }
        if a.kind == .infinity { return (.infinity(negative: false), a) }
        noteDenormals(a)
        let number = a.unpacked
        return (
            Self.integer(Int64(number.exponent &- Extended.bias)),
            Extended(
                negative: number.negative, exponent: Extended.bias,
                significand: number.significand)
        )
    }

    /// What a comparison finds, as C3 C2 C0.
    enum Order: UInt16 {
        case greater = 0
        case less = 0x100
        case equal = 0x4000
        case unordered = 0x4500
    }

    /// FCOM, or FUCOM if QNaNs are `quiet`.
    mutating func compare(_ a: Extended, _ b: Extended, quiet: Bool) -> Order {
        let first = a.kind
        let second = b.kind
        if max(first.rawValue, second.rawValue) >= Extended.Class.quiet.rawValue {
            if !quiet || first.signals || second.signals { note(X87Status.invalid) }
            return .unordered
        }
        noteDenormals(a, b)
        if first == .zero && second == .zero { return .equal }
        if a.isNegative != b.isNegative { return a.isNegative ? .less : .greater }
        let order = Self.compareMagnitudes(a, b)
        if order == .equal { return .equal }
        return (order == .less) != a.isNegative ? .less : .greater
    }

    private static func compareMagnitudes(_ a: Extended, _ b: Extended) -> Order {
        // A pseudo-denormal has the value of the normal number one exponent up.
        let first = max(a.exponent, a.significand >> 63 != 0 ? 1 : 0)
        let second = max(b.exponent, b.significand >> 63 != 0 ? 1 : 0)
        if first != second { return first < second ? .less : .greater }
        if a.significand == b.significand { return .equal }
        return a.significand < b.significand ? .less : .greater
    }
}

extension Extended.Class {
    /// Even a comparison that lets QNaNs pass finds this invalid.
    fileprivate var signals: Bool { self == .signaling || self == .unsupported }
}
