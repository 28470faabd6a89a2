// SPDX-License-Identifier: Apache-2.0

/// What Swift's lane-wise operators lack.
extension Vectors {
    // MARK: Minimum and maximum

    // One of each type: generic code would use the lane-by-lane operators.

    @inline(__always) static func smaller(_ a: Bytes, _ b: Bytes) -> Bytes {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: Bytes, _ b: Bytes) -> Bytes {
        a.replacing(with: b, where: a .< b)
    }
    @inline(__always) static func smaller(_ a: SignedBytes, _ b: SignedBytes) -> SignedBytes {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: SignedBytes, _ b: SignedBytes) -> SignedBytes {
        a.replacing(with: b, where: a .< b)
    }
    @inline(__always) static func smaller(_ a: Words, _ b: Words) -> Words {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: Words, _ b: Words) -> Words {
        a.replacing(with: b, where: a .< b)
    }
    @inline(__always) static func smaller(_ a: SignedWords, _ b: SignedWords) -> SignedWords {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: SignedWords, _ b: SignedWords) -> SignedWords {
        a.replacing(with: b, where: a .< b)
    }
    @inline(__always) static func smaller(_ a: Longs, _ b: Longs) -> Longs {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: Longs, _ b: Longs) -> Longs {
        a.replacing(with: b, where: a .< b)
    }
    @inline(__always) static func smaller(_ a: SignedLongs, _ b: SignedLongs) -> SignedLongs {
        a.replacing(with: b, where: b .< a)
    }
    @inline(__always) static func larger(_ a: SignedLongs, _ b: SignedLongs) -> SignedLongs {
        a.replacing(with: b, where: a .< b)
    }

    // MARK: Saturation

    @inline(__always) static func addSaturating(_ a: Bytes, _ b: Bytes) -> Vector {
        let sum = a &+ b
        return cast(sum, Vector.self) | ones(sum .< a)
    }
    @inline(__always) static func addSaturating(_ a: Words, _ b: Words) -> Vector {
        let sum = a &+ b
        return cast(sum, Vector.self) | ones(sum .< a)
    }
    @inline(__always) static func subtractSaturating(_ a: Bytes, _ b: Bytes) -> Bytes {
        larger(a, b) &- b
    }
    @inline(__always) static func subtractSaturating(_ a: Words, _ b: Words) -> Words {
        larger(a, b) &- b
    }
    /// The sum overflows where its sign differs from both operands'; the limit has the sign of `a`.
    @inline(__always) static func addSaturating(_ a: SignedBytes, _ b: SignedBytes) -> SignedBytes {
        let sum = a &+ b
        let limit = (a &>> SignedBytes(repeating: 7)) ^ SignedBytes(repeating: 0x7f)
        return sum.replacing(with: limit, where: ((a ^ sum) & (b ^ sum)) .< SignedBytes.zero)
    }
    @inline(__always) static func addSaturating(_ a: SignedWords, _ b: SignedWords) -> SignedWords {
        let sum = a &+ b
        let limit = (a &>> SignedWords(repeating: 15)) ^ SignedWords(repeating: 0x7fff)
        return sum.replacing(with: limit, where: ((a ^ sum) & (b ^ sum)) .< SignedWords.zero)
    }
    @inline(__always) static func subtractSaturating(
        _ a: SignedBytes, _ b: SignedBytes
    ) -> SignedBytes {
        let difference = a &- b
        let limit = (a &>> SignedBytes(repeating: 7)) ^ SignedBytes(repeating: 0x7f)
        return difference.replacing(
            with: limit, where: ((a ^ b) & (a ^ difference)) .< SignedBytes.zero)
    }
    @inline(__always) static func subtractSaturating(
        _ a: SignedWords, _ b: SignedWords
    ) -> SignedWords {
        let difference = a &- b
        let limit = (a &>> SignedWords(repeating: 15)) ^ SignedWords(repeating: 0x7fff)
        return difference.replacing(
            with: limit, where: ((a ^ b) & (a ^ difference)) .< SignedWords.zero)
    }

    // MARK: Products

    @inline(__always) static func wide(_ a: SignedWords) -> SIMD8<Int32> {
        SIMD8<Int32>(truncatingIfNeeded: a)
    }
    @inline(__always) static func wide(_ a: Words) -> SIMD8<UInt32> {
        SIMD8<UInt32>(truncatingIfNeeded: a)
    }
    /// PMULHW, PMULHUW.
    @inline(__always) static func highProduct(_ a: SignedWords, _ b: SignedWords) -> SignedWords {
        SignedWords(truncatingIfNeeded: (wide(a) &* wide(b)) &>> SIMD8<Int32>(repeating: 16))
    }
    @inline(__always) static func highProduct(_ a: Words, _ b: Words) -> Words {
        Words(truncatingIfNeeded: (wide(a) &* wide(b)) &>> SIMD8<UInt32>(repeating: 16))
    }
    /// PMULHRSW: bits 30 to 15 of the product, rounded.
    @inline(__always) static func roundedProduct(
        _ a: SignedWords, _ b: SignedWords
    ) -> SignedWords {
        let product = (wide(a) &* wide(b)) &>> SIMD8<Int32>(repeating: 14)
        return SignedWords(
            truncatingIfNeeded: (product &+ SIMD8<Int32>(repeating: 1))
                &>> SIMD8<Int32>(repeating: 1))
    }
    /// PMADDWD.
    @inline(__always) static func pairProducts(_ a: SignedWords, _ b: SignedWords) -> SignedLongs {
        let products = wide(a) &* wide(b)
        return products.evenHalf &+ products.oddHalf
    }
    /// PMADDUBSW: unsigned `a`, signed `b`; the sums saturate.
    @inline(__always) static func pairProducts(_ a: Bytes, _ b: Bytes) -> SignedWords {
        let left = SIMD16<Int16>(truncatingIfNeeded: a)
        let right = SIMD16<Int16>(truncatingIfNeeded: cast(b, SignedBytes.self))
        let products = left &* right
        return addSaturating(products.evenHalf, products.oddHalf)
    }
    /// PMULUDQ, PMULDQ: of the even lanes.
    @inline(__always) static func evenProducts(_ a: Vector, _ b: Vector) -> Vector {
        let low = Vector(repeating: 0xffff_ffff)
        return (a & low) &* (b & low)
    }
    @inline(__always) static func evenSignedProducts(_ a: SignedLongs, _ b: SignedLongs) -> Vector {
        Vector(
            UInt64(bitPattern: Int64(a[0]) &* Int64(b[0])),
            UInt64(bitPattern: Int64(a[2]) &* Int64(b[2])))
    }

    // MARK: Sums

    /// PAVGB, PAVGW: (a + b + 1) / 2.
    @inline(__always) static func average(_ a: Bytes, _ b: Bytes) -> Bytes {
        (a | b) &- ((a ^ b) &>> Bytes(repeating: 1))
    }
    @inline(__always) static func average(_ a: Words, _ b: Words) -> Words {
        (a | b) &- ((a ^ b) &>> Words(repeating: 1))
    }
    /// PSADBW: of each half, the sum of the differences.
    @inline(__always) static func differences(_ a: Bytes, _ b: Bytes) -> Vector {
        let apart = larger(a, b) &- smaller(a, b)
        return Vector(byteSum(apart.lowHalf), byteSum(apart.highHalf))
    }
    @inline(__always) private static func byteSum(_ bytes: SIMD8<UInt8>) -> UInt64 {
        UInt64(Words(truncatingIfNeeded: bytes).wrappedSum())
    }

    // MARK: Packing

    /// PACKSSWB, PACKUSWB, PACKSSDW, PACKUSDW.
    @inline(__always) static func packSigned(_ a: SignedWords, _ b: SignedWords) -> SignedBytes {
        SignedBytes(lowHalf: signed8(a), highHalf: signed8(b))
    }
    @inline(__always) static func packUnsigned(_ a: SignedWords, _ b: SignedWords) -> Bytes {
        Bytes(lowHalf: unsigned8(a), highHalf: unsigned8(b))
    }
    @inline(__always) static func packSigned(_ a: SignedLongs, _ b: SignedLongs) -> SignedWords {
        SignedWords(lowHalf: signed16(a), highHalf: signed16(b))
    }
    @inline(__always) static func packUnsigned(_ a: SignedLongs, _ b: SignedLongs) -> Words {
        Words(lowHalf: unsigned16(a), highHalf: unsigned16(b))
    }
    @inline(__always) private static func signed8(_ a: SignedWords) -> SIMD8<Int8> {
        let least = SignedWords(repeating: -128)
        let most = SignedWords(repeating: 127)
        return SIMD8<Int8>(truncatingIfNeeded: smaller(larger(a, least), most))
    }
    @inline(__always) private static func unsigned8(_ a: SignedWords) -> SIMD8<UInt8> {
        let most = SignedWords(repeating: 255)
        return SIMD8<UInt8>(truncatingIfNeeded: smaller(larger(a, .zero), most))
    }
    @inline(__always) private static func signed16(_ a: SignedLongs) -> SIMD4<Int16> {
        let least = SignedLongs(repeating: -0x8000)
        let most = SignedLongs(repeating: 0x7fff)
        return SIMD4<Int16>(truncatingIfNeeded: smaller(larger(a, least), most))
    }
    @inline(__always) private static func unsigned16(_ a: SignedLongs) -> SIMD4<UInt16> {
        let most = SignedLongs(repeating: 0xffff)
        return SIMD4<UInt16>(truncatingIfNeeded: smaller(larger(a, .zero), most))
    }
}
