// SPDX-License-Identifier: Apache-2.0

/// Addition, subtraction, multiplication, division, square root. Intel SDM 1, 8.3.3.
extension FloatContext {
    /// a + b, or a − b if `subtracting`.
    @inline(__always) mutating func add(
        _ a: Extended, _ b: Extended, subtracting: Bool = false
    ) -> Extended {
        guard a.isNormal && b.isNormal else { return addRare(a, b, subtracting) }
        var second = b.unpacked
        second.negative = second.negative != subtracting
        return add(a.unpacked, second)
    }

    @inline(never) private mutating func addRare(
        _ a: Extended, _ b: Extended, _ subtracting: Bool
    ) -> Extended {
        if let result = screen(a, b) { return result }
        let negative = b.isNegative != subtracting
        if a.kind == .infinity {
            if b.kind == .infinity && a.isNegative != negative { return invalid() }
            noteDenormals(a, b)
            return a
        }
        noteDenormals(a, b)
        if b.kind == .infinity { return .infinity(negative: negative) }
        if a.kind == .zero && b.kind == .zero {
            return .zero(
                negative: a.isNegative == negative ? negative : direction == .down)
        }
        var second = b.unpacked
        second.negative = negative
        if a.kind == .zero {
            return pack(negative: negative, exponent: second.exponent, second.significand)
        }
        let first = a.unpacked
        if b.kind == .zero {
            return pack(
                negative: first.negative, exponent: first.exponent, first.significand)
        }
        return add(first, second)
    }

    @inline(__always) private mutating func add(_ a: Unpacked, _ b: Unpacked) -> Extended {
        var large = a
        var small = b
        if a.exponent < b.exponent || a.exponent == b.exponent && a.significand < b.significand {
            large = b
            small = a
        }
        let aligned = Self.shiftRight(
            small.significand, 0, by: large.exponent &- small.exponent)
        if large.negative == small.negative {
            let (sum, carry) = large.significand.addingReportingOverflow(aligned.high)
            if !carry {
                return pack(
                    negative: large.negative, exponent: large.exponent, sum, aligned.rest)
            }
            return pack(
                negative: large.negative, exponent: large.exponent &+ 1,
                sum >> 1 | Extended.integerBit,
                sum << 63 | aligned.rest >> 1 | aligned.rest & 1)
        }
        let (rest, borrow) = UInt64(0).subtractingReportingOverflow(aligned.rest)
        let high = large.significand &- aligned.high &- (borrow ? 1 : 0)
        if high | rest == 0 { return .zero(negative: direction == .down) }
        return packNormalized(large.negative, large.exponent, high, rest)
    }

    /// As ``pack(negative:exponent:_:_:)`` for any 128 bits other than 0.
    @inline(__always) mutating func packNormalized(
        _ negative: Bool, _ exponent: Int32, _ high: UInt64, _ rest: UInt64
    ) -> Extended {
        if high == 0 {
            let shift = rest.leadingZeroBitCount
            return pack(
                negative: negative, exponent: exponent &- 64 &- Int32(truncatingIfNeeded: shift),
                rest &<< UInt64(truncatingIfNeeded: shift))
        }
        let shift = high.leadingZeroBitCount
        if shift == 0 { return pack(negative: negative, exponent: exponent, high, rest) }
        let count = UInt64(truncatingIfNeeded: shift)
        return pack(
            negative: negative, exponent: exponent &- Int32(truncatingIfNeeded: shift),
            high &<< count | rest &>> (64 &- count), rest &<< count)
    }

    @inline(__always) mutating func multiply(_ a: Extended, _ b: Extended) -> Extended {
        guard a.isNormal && b.isNormal else { return multiplyRare(a, b) }
        return multiply(a.unpacked, b.unpacked)
    }

    @inline(never) private mutating func multiplyRare(_ a: Extended, _ b: Extended) -> Extended {
        if let result = screen(a, b) { return result }
        let negative = a.isNegative != b.isNegative
        let infinite = a.kind == .infinity || b.kind == .infinity
        let zero = a.kind == .zero || b.kind == .zero
        if infinite && zero { return invalid() }
        noteDenormals(a, b)
        if infinite { return .infinity(negative: negative) }
        if zero { return .zero(negative: negative) }
        return multiply(a.unpacked, b.unpacked)
    }

    @inline(__always) private mutating func multiply(_ a: Unpacked, _ b: Unpacked) -> Extended {
        let product = a.significand.multipliedFullWidth(by: b.significand)
        let exponent = a.exponent &+ b.exponent &- Extended.bias
        let negative = a.negative != b.negative
        if product.high >> 63 != 0 {
            return pack(
                negative: negative, exponent: exponent &+ 1, product.high, product.low)
        }
        return pack(
            negative: negative, exponent: exponent,
            product.high << 1 | product.low >> 63, product.low << 1)
    }

    @inline(__always) mutating func divide(_ a: Extended, by b: Extended) -> Extended {
        guard a.isNormal && b.isNormal else { return divideRare(a, b) }
        return divide(a.unpacked, b.unpacked)
    }

    @inline(never) private mutating func divideRare(_ a: Extended, _ b: Extended) -> Extended {
        if let result = screen(a, b) { return result }
        let negative = a.isNegative != b.isNegative
        if a.kind == .infinity {
            if b.kind == .infinity { return invalid() }
            noteDenormals(a, b)
            return .infinity(negative: negative)
        }
        if b.kind == .zero {
            if a.kind == .zero { return invalid() }
            note(X87Status.zeroDivide)
            return .infinity(negative: negative)
        }
        noteDenormals(a, b)
        if a.kind == .zero || b.kind == .infinity { return .zero(negative: negative) }
        return divide(a.unpacked, b.unpacked)
    }

    @inline(__always) private mutating func divide(_ a: Unpacked, _ b: Unpacked) -> Extended {
        let divisor = b.significand
        var exponent = a.exponent &- b.exponent &+ Extended.bias
        var dividend = (high: a.significand, low: UInt64(0))
        if a.significand >= divisor {
            dividend = (a.significand >> 1, a.significand << 63)
        } else {
            exponent &-= 1
        }
        // The high half is less than the divisor: the quotient fits, with its top bit set.
        let (quotient, remainder) = divisor.dividingFullWidth(dividend)
        var rest: UInt64 = 0
        if remainder != 0 {
            let other = divisor &- remainder
            rest = remainder == other ? 1 << 63 : remainder > other ? 1 << 63 | 1 : 1
        }
        return pack(negative: a.negative != b.negative, exponent: exponent, quotient, rest)
    }

    mutating func squareRoot(_ a: Extended) -> Extended {
        if let result = screen(a) { return result }
        if a.kind == .zero { return a }
        if a.isNegative { return invalid() }
        noteDenormals(a)
        if a.kind == .infinity { return a }
        let number = a.unpacked
        let power = number.exponent &- Extended.bias
        // The significand over 2^63 is 1 to 2, or 2 to 4 if the power is odd: with 127 or 126 bits
        // below it is the square of a number of 64 bits.
        let square = UInt128(number.significand) &<< (power & 1 != 0 ? 64 : 63)
        var root: UInt64 = 0
        var remainder: UInt128 = 0
        for index in 0..<64 {
            remainder = remainder &<< 2 | (square &>> UInt128(126 &- 2 &* index)) & 3
            let trial = UInt128(root) &<< 2 | 1
            root &<<= 1
            if remainder >= trial {
                remainder &-= trial
                root |= 1
            }
        }
        // The root lies above its lower half of a unit if the remainder exceeds the root.
        let rest: UInt64 =
            remainder == 0 ? 0 : remainder > UInt128(root) ? 1 << 63 | 1 : 1
        return pack(
            negative: false, exponent: power &>> 1 &+ Extended.bias, root, rest)
    }

    // MARK: Operands

    /// Deals with operands that are no numbers: their result, or nil if there are none.
    mutating func screen(_ a: Extended) -> Extended? {
        switch a.kind {
        case .unsupported: return invalid()
        case .signaling:
            note(X87Status.invalid)
            return a.quieted
        case .quiet: return a
        default: return nil
        }
    }

    /// As ``screen(_:)`` for two: a QNaN goes before an SNaN, then the larger significand, then the
    /// positive one. Intel SDM 1, table 4-7.
    mutating func screen(_ a: Extended, _ b: Extended) -> Extended? {
        if a.kind == .unsupported || b.kind == .unsupported { return invalid() }
        guard a.isNaN || b.isNaN else { return nil }
        let signaling = a.kind == .signaling || b.kind == .signaling
        if signaling { note(X87Status.invalid) }
        if !b.isNaN { return a.quieted }
        if !a.isNaN { return b.quieted }
        if a.kind != b.kind { return a.kind == .quiet ? a : b }
        if a.significand == b.significand { return (a.isNegative ? b : a).quieted }
        return (a.significand > b.significand ? a : b).quieted
    }

    @inline(__always) mutating func noteDenormals(_ a: Extended) {
        if a.kind == .denormal { note(X87Status.denormal) }
    }
    @inline(__always) mutating func noteDenormals(_ a: Extended, _ b: Extended) {
        if a.kind == .denormal || b.kind == .denormal { note(X87Status.denormal) }
    }
}
