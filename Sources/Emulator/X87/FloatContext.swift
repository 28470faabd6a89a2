// SPDX-License-Identifier: Apache-2.0

/// One operation's surroundings: the control word, and the exceptions found.
/// Intel SDM 1, 8.1.5, 8.5.
struct FloatContext {
    /// The control word: exception masks 0–5, precision 8–9, rounding 10–11.
    let control: UInt16
    /// Exceptions found, as in the status word.
    var flags: UInt16 = 0
    /// The result's magnitude was rounded up (C1).
    var roundedUp = false

    @inline(__always) init(control: UInt16) { self.control = control }

    /// Results of 64 bits whatever the control word says of precision.
    var full: FloatContext { FloatContext(control: control | 0x300) }

    enum Direction { case nearest, down, up, zero }

    @inline(__always) var direction: Direction {
        switch control >> 10 & 3 {
        case 0: .nearest
        case 1: .down
        case 2: .up
        default: .zero
        }
    }

    /// The lowest bit of a significand that precision control keeps.
    @inline(__always) var unit: UInt64 {
        switch control >> 8 & 3 {
        case 0: 1 << 40
        case 2: 1 << 11
        default: 1
        }
    }

    @inline(__always) mutating func note(_ flags: UInt16) { self.flags |= flags }
    @inline(__always) func isMasked(_ flag: UInt16) -> Bool { control & flag != 0 }
    /// Exceptions found and not masked.
    @inline(__always) var unmasked: UInt16 { flags & ~control & X87Status.exceptions }

    /// An invalid operation: the indefinite.
    mutating func invalid() -> Extended {
        note(X87Status.invalid)
        return .indefinite
    }

    /// A significand of 64 bits cut at `unit`, with `rest` below it, rounded.
    struct Rounded {
        var significand: UInt64
        /// The significand became 2^64, and 0 is written.
        var carried: Bool
        var inexact: Bool
        var up: Bool
    }

    @inline(__always) func rounded(
        _ high: UInt64, _ rest: UInt64, unit: UInt64, negative: Bool
    ) -> Rounded {
        let mask = unit &- 1
        let half: Bool
        let above: Bool
        if unit == 1 {
            half = rest == 1 << 63
            above = rest > 1 << 63
        } else {
            let dropped = high & mask
            let middle = unit >> 1
            half = dropped == middle && rest == 0
            above = dropped > middle || dropped == middle && rest != 0
        }
        let inexact = high & mask | rest != 0
        let up: Bool
        switch direction {
        case .nearest: up = above || half && high & unit != 0
        case .down: up = inexact && negative
        case .up: up = inexact && !negative
        case .zero: up = false
        }
        let kept = high & ~mask
        let result = up ? kept &+ unit : kept
        return Rounded(
            significand: result, carried: up && result == 0, inexact: inexact, up: up)
    }

    /// Rounds and packs a result: `high` has bit 63 set, `rest` are 64 bits below it, of which the
    /// lowest stands for all further ones. Tiny is what is tiny after rounding. Intel SDM 1, 4.9.1.
    @inline(__always) mutating func pack(
        negative: Bool, exponent: Int32, _ high: UInt64, _ rest: UInt64 = 0
    ) -> Extended {
        pack(negative: negative, exponent: exponent, high, rest, unit: unit)
    }

    @inline(__always) mutating func pack(
        negative: Bool, exponent: Int32, _ high: UInt64, _ rest: UInt64, unit: UInt64
    ) -> Extended {
        let result = rounded(high, rest, unit: unit, negative: negative)
        let exact = result.carried ? exponent &+ 1 : exponent
        guard exact > 0 && exact < 0x7fff else {
            return packExtreme(negative, exponent, high, rest, unit, result)
        }
        if result.inexact {
            note(X87Status.precision)
            roundedUp = result.up
        }
        return Extended(
            negative: negative, exponent: exact,
            significand: result.carried ? Extended.integerBit : result.significand)
    }

    /// Overflow and underflow. Unmasked, the exponent is wrapped by 24576.
    /// Intel SDM 1, 8.5.4, 8.5.5.
    @inline(never) private mutating func packExtreme(
        _ negative: Bool, _ exponent: Int32, _ high: UInt64, _ rest: UInt64, _ unit: UInt64,
        _ result: Rounded
    ) -> Extended {
        let large = exponent > 0
        let flag = large ? X87Status.overflow : X87Status.underflow
        guard isMasked(flag) else {
            note(flag | (result.inexact ? X87Status.precision : 0))
            roundedUp = result.up
            let wrapped =
                exponent &+ (result.carried ? 1 : 0) &+ (large ? -24576 : 24576)
            if wrapped >= 0x7fff {
                // Only scaling comes here.
                note(X87Status.precision)
                roundedUp = true
                return .infinity(negative: negative)
            }
            if wrapped <= 0 {
                note(X87Status.precision)
                roundedUp = false
                return .zero(negative: negative)
            }
            return Extended(
                negative: negative, exponent: wrapped,
                significand: result.carried ? Extended.integerBit : result.significand)
        }
        if large {
            note(X87Status.overflow | X87Status.precision)
            let infinite = reachesInfinity(negative: negative)
            roundedUp = infinite
            return infinite
                ? .infinity(negative: negative)
                : Extended(negative: negative, exponent: 0x7ffe, significand: ~(unit &- 1))
        }
        let shifted = Self.shiftRight(high, rest, by: 1 &- exponent)
        let tiny = rounded(shifted.high, shifted.rest, unit: unit, negative: negative)
        if tiny.inexact {
            note(X87Status.underflow | X87Status.precision)
            roundedUp = tiny.up
        }
        return Extended(
            negative: negative, exponent: tiny.significand >> 63 != 0 ? 1 : 0,
            significand: tiny.significand)
    }

    /// Whether what is too large becomes infinite, else the largest finite number.
    func reachesInfinity(negative: Bool) -> Bool {
        switch direction {
        case .nearest: true
        case .down: negative
        case .up: !negative
        case .zero: false
        }
    }

    /// Shifts 128 bits right by `distance` ≥ 0; what falls out stays as the lowest bit.
    @inline(__always) static func shiftRight(
        _ high: UInt64, _ rest: UInt64, by distance: Int32
    ) -> (high: UInt64, rest: UInt64) {
        if distance == 0 { return (high, rest) }
        let count = UInt64(truncatingIfNeeded: distance)
        if distance < 64 {
            let lost: UInt64 = rest &<< (64 &- count) != 0 ? 1 : 0
            return (high &>> count, high &<< (64 &- count) | rest &>> count | lost)
        }
        if distance == 64 { return (0, high | (rest != 0 ? 1 : 0)) }
        if distance < 128 {
            let lost: UInt64 = high &<< (128 &- count) | rest != 0 ? 1 : 0
            return (0, high &>> (count &- 64) | lost)
        }
        return (0, high | rest != 0 ? 1 : 0)
    }
}
