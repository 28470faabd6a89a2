// SPDX-License-Identifier: Apache-2.0

/// Random numbers that are the same for the same seed everywhere: xorshift with a multiplication.
struct JudgeRandom {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x9e37_79b9_7f4a_7c15 ^ 0x2545_f491_4f6c_dd1d
        if state == 0 { state = 1 }
        for _ in 0..<4 { _ = next() }
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }

    /// 0 to `bound` − 1.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }

    /// True `percent` times of 100.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 56) }

    mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }

    // MARK: Values

    /// An integer of a kind that instructions are sensitive to.
    mutating func integer() -> UInt64 {
        let bits = next()
        switch below(12) {
        case 0: return bits >> 56
        case 1: return ~(bits >> 60)
        case 2: return 0
        case 3: return UInt64(1) << (bits & 63)
        case 4: return (UInt64(1) << (bits & 63)) &- 1
        case 5: return bits >> 32
        case 6: return UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: bits)))
        case 7: return [0x80, 0x8000, 0x8000_0000, 0x8000_0000_0000_0000][Int(bits & 3)]
        case 8: return [0x7f, 0x7fff, 0x7fff_ffff, 0x7fff_ffff_ffff_ffff][Int(bits & 3)]
        case 9: return bits >> 48
        default: return bits
        }
    }

    /// The bits of a single.
    mutating func single() -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: next() >> 32)
        let sign = bits & 0x8000_0000
        switch below(14) {
        case 0: return sign
        case 1: return sign | 0x7f80_0000
        case 2: return sign | 0x7fc0_0000 | bits & 0x3f_ffff
        case 3: return sign | 0x7f80_0001 | bits & 0x3f_ffff
        case 4: return sign | bits & 0x7f_ffff
        case 5: return sign | 0x0080_0000 | bits & 0x3
        case 6: return sign | 0x7f7f_ffff
        case 7: return sign | 0x3f80_0000
        case 8: return Float(Int8(truncatingIfNeeded: bits)).bitPattern
        case 9, 10: return sign | 0x3f00_0000 &+ bits & 0x00ff_ffff
        case 11: return Float(Int32(truncatingIfNeeded: bits)).bitPattern
        case 12: return (sign | 0x4f00_0000 | bits & 0xff) &- (bits >> 8 & 3)
        default: return bits
        }
    }

    /// The bits of a double.
    mutating func double() -> UInt64 {
        let bits = next()
        let sign = bits & 0x8000_0000_0000_0000
        switch below(15) {
        case 0: return sign
        case 1: return sign | 0x7ff0_0000_0000_0000
        case 2: return sign | 0x7ff8_0000_0000_0000 | bits & 0xffff_ffff
        case 3: return sign | 0x7ff0_0000_0000_0001 | bits & 0x7_ffff_ffff_ffff
        case 4: return sign | bits & 0xf_ffff_ffff_ffff
        case 5: return sign | 0x0010_0000_0000_0000 | bits & 3
        case 6: return sign | 0x7fef_ffff_ffff_ffff
        case 7: return sign | 0x3ff0_0000_0000_0000
        case 8: return Double(Int8(truncatingIfNeeded: bits)).bitPattern
        case 9, 10: return sign | 0x3fe0_0000_0000_0000 &+ bits & 0x001f_ffff_ffff_ffff
        case 11: return Double(Int64(bitPattern: bits)).bitPattern
        case 12: return (sign | 0x41e0_0000_0000_0000) &- (bits & 1) << 21 &- (bits >> 8 & 3)
        case 13: return Double(Float(bitPattern: single())).bitPattern
        default: return bits
        }
    }

    /// 16 bytes of one kind.
    mutating func vector() -> SIMD2<UInt64> {
        switch below(4) {
        case 0: return SIMD2(double(), double())
        case 1, 2:
            let low = UInt64(single()) | UInt64(single()) << 32
            return SIMD2(low, UInt64(single()) | UInt64(single()) << 32)
        default: return SIMD2(integer(), integer())
        }
    }

    /// An 80-bit number, of all kinds that there are and are not.
    mutating func extended() -> (significand: UInt64, signAndExponent: UInt16) {
        let bits = next()
        let sign = UInt16(truncatingIfNeeded: bits) & 0x8000
        let normal = next() | 0x8000_0000_0000_0000
        switch below(18) {
        case 0: return (0, sign)
        case 1: return (0x8000_0000_0000_0000, sign | 0x7fff)
        case 2: return (0xc000_0000_0000_0000 | bits >> 8, sign | 0x7fff)
        case 3: return (0x8000_0000_0000_0001 | bits >> 4 & 0x3fff_ffff_ffff_ffff, sign | 0x7fff)
        case 4: return (bits >> (1 + (bits & 31)), sign)
        case 5: return (normal, sign)
        case 6: return (bits >> 1, sign | UInt16(below(0x8000)))
        case 7: return (normal, sign | UInt16(0x7ffe - below(3)))
        case 8: return (normal, sign | UInt16(1 + below(3)))
        case 9, 10, 11:
            return (normal & ~0 << UInt64(below(64)), sign | UInt16(0x3fff - 3 + below(70)))
        case 12: return (0x8000_0000_0000_0000, sign | 0x3fff)
        case 13: return (normal, sign | UInt16(0x3fff - 1023 + below(4) - 2))
        case 14: return (normal, sign | UInt16(0x3fff - 127 + below(4) - 2))
        case 15: return (normal, sign | UInt16(0x3fff - 80 + below(160)))
        default: return (normal, sign | UInt16(below(0x7fff)))
        }
    }
}
