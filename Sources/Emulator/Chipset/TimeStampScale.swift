// SPDX-License-Identifier: Apache-2.0

/// How fast the time stamp counters run beside guest time, which is in nanoseconds.
package struct TimeStampScale: Hashable, Sendable {
    /// One tick a nanosecond: what a machine has that nobody has asked for another rate.
    package static var natural: TimeStampScale { TimeStampScale(kilohertz: 1_000_000) }
    private static var naturalKilohertz: UInt32 { 1_000_000 }

    /// Thousands of ticks a second, at least 1.
    package let kilohertz: UInt32

    package init(kilohertz: UInt32) { self.kilohertz = max(kilohertz, 1) }

    @inline(__always) private var isNatural: Bool { kilohertz == Self.naturalKilohertz }

    /// Whole ticks in `nanoseconds`; wraps.
    @inline(__always)
    package func ticks(in nanoseconds: UInt64) -> UInt64 {
        isNatural ? nanoseconds : scaled(nanoseconds, UInt64(kilohertz), 1_000_000)
    }

    /// The first nanosecond that has seen `ticks`; `.max` past the end of time.
    @inline(__always)
    package func nanoseconds(for ticks: UInt64) -> UInt64 {
        guard !isNatural else { return ticks }
        let product = ticks.multipliedFullWidth(by: 1_000_000)
        let divisor = UInt64(kilohertz)
        guard product.high < divisor else { return .max }
        let (quotient, remainder) = divisor.dividingFullWidth(product)
        return quotient == .max || remainder == 0 ? quotient : quotient &+ 1
    }

    private func scaled(_ value: UInt64, _ factor: UInt64, _ divisor: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: factor)
        return divisor.dividingFullWidth((product.high % divisor, product.low)).quotient
    }

    /// What KVM's clock structure says: nanoseconds are ticks, shifted left by `shift`, times
    /// `multiplier`, over 2^32.
    package var clockFactors: (multiplier: UInt32, shift: Int8) {
        // The quotient 10^6 / kilohertz, as a multiplier with its top bit set.
        var shift = 0
        var numerator: UInt64 = 1_000_000
        var denominator = UInt64(kilohertz)
        while numerator >= denominator {
            denominator <<= 1
            shift += 1
        }
        while numerator << 1 < denominator {
            numerator <<= 1
            shift -= 1
        }
        let multiplier = (numerator << 32) / denominator
        return (UInt32(truncatingIfNeeded: multiplier), Int8(truncatingIfNeeded: shift))
    }
}
