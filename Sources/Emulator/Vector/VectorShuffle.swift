// SPDX-License-Identifier: Apache-2.0

/// Shuffles, blends, widenings, horizontal sums.
extension Vectors {
    // MARK: By immediate

    /// PSHUFD, PSHUFHW, PSHUFLW: lanes are picked straight from the register in memory.
    static let shuffleLongs: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let order = Int(truncatingIfNeeded: op.immediate)
        let result = Longs(
            cpu.lane(op.rm, order & 3), cpu.lane(op.rm, order >> 2 & 3),
            cpu.lane(op.rm, order >> 4 & 3), cpu.lane(op.rm, order >> 6 & 3))
        cpu.setVector(op.reg, cast(result))
        return op.next
    }
    static let shuffleLowWords: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let source = cpu.vector(op.rm)
        cpu.setVector(op.reg, Vector(shuffledWords(cpu, op, 0), source[1]))
        return op.next
    }
    static let shuffleHighWords: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let source = cpu.vector(op.rm)
        cpu.setVector(op.reg, Vector(source[0], shuffledWords(cpu, op, 4)))
        return op.next
    }
    @inline(__always) private static func shuffledWords(
        _ cpu: Processor, _ op: Op, _ first: Int
    ) -> UInt64 {
        let order = Int(truncatingIfNeeded: op.immediate)
        var result: UInt64 = 0
        for index in 0..<4 {
            let word: UInt16 = cpu.lane(op.rm, first &+ (order &>> (2 &* index) & 3))
            result |= UInt64(word) &<< UInt64(16 &* index)
        }
        return result
    }

    /// SHUFPS, SHUFPD.
    static let shuffleSingles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let order = Int(truncatingIfNeeded: op.immediate)
        let result = Longs(
            cpu.lane(op.reg, order & 3), cpu.lane(op.reg, order >> 2 & 3),
            cpu.lane(op.rm, order >> 4 & 3), cpu.lane(op.rm, order >> 6 & 3))
        cpu.setVector(op.reg, cast(result))
        return op.next
    }
    static let shuffleDoubles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let order = Int(truncatingIfNeeded: op.immediate)
        let result = Vector(cpu.lane(op.reg, order & 1), cpu.lane(op.rm, order >> 1 & 1))
        cpu.setVector(op.reg, result)
        return op.next
    }
    /// UNPCKLPS, UNPCKHPS.
    static let interleaveLowSingles: Handler = {
        binary($0, $1) { (a: Longs, b: Longs) in interleaveLow(a, b) }
    }
    static let interleaveHighSingles: Handler = {
        binary($0, $1) { (a: Longs, b: Longs) in interleaveHigh(a, b) }
    }

    /// PALIGNR: of destination:source, 16 bytes from byte `immediate` on.
    static let align: Handler = {
        binary($0, $1) { (a: Vector, b: Vector, byte: UInt8) in
            let count = UInt64(byte)
            if count < 16 { return bytesRight(b, count) | bytesLeft(a, 16 &- count) }
            return bytesRight(a, count &- 16)
        }
    }
    /// Its MMX form.
    static let align64: Handler = {
        binary($0, $1) { (a: Vector, b: Vector, byte: UInt8) in
            bytesRight(Vector(b[0], a[0]), UInt64(byte))
        }
    }
    /// PSHUFB: byte i is the one that control byte i names, or zero where that is negative.
    static let shuffleBytes: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, shuffled(cpu, op, mask: 15))
        return op.next
    }
    static let shuffleBytes64: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, shuffled(cpu, op, mask: 7))
        return op.next
    }
    @inline(__always) private static func shuffled(
        _ cpu: Processor, _ op: Op, mask: UInt64
    ) -> Vector {
        let control = cpu.vector(op.rm)
        return Vector(
            picked(cpu, op.reg, control[0], mask: mask), picked(cpu, op.reg, control[1], mask: mask)
        )
    }
    @inline(__always) private static func picked(
        _ cpu: Processor, _ number: UInt8, _ control: UInt64, mask: UInt64
    ) -> UInt64 {
        var result: UInt64 = 0
        for index in 0..<8 {
            let choice = control &>> UInt64(8 &* index)
            let byte: UInt8 = cpu.lane(number, Int(truncatingIfNeeded: choice & mask))
            result |= UInt64(byte) &<< UInt64(8 &* index)
        }
        // Bytes of all ones where the control byte is negative.
        let negative = (control >> 7 & 0x0101_0101_0101_0101) &* 255
        return result & ~negative
    }

    // MARK: Blends

    /// BLENDPS, BLENDPD, PBLENDW by bits of the immediate.
    static let blendSingles: Handler = {
        binary($0, $1) { (a: Vector, b: Vector, byte: UInt8) in
            let bits = Longs(1, 2, 4, 8) & Longs(repeating: UInt32(byte))
            return select(ones(bits .!= .zero), b, a)
        }
    }
    static let blendDoubles: Handler = {
        binary($0, $1) { (a: Vector, b: Vector, byte: UInt8) in
            Vector(byte & 1 != 0 ? b[0] : a[0], byte & 2 != 0 ? b[1] : a[1])
        }
    }
    static let blendWords: Handler = {
        binary($0, $1) { (a: Vector, b: Vector, byte: UInt8) in
            let bits = Words(1, 2, 4, 8, 16, 32, 64, 128) & Words(repeating: UInt16(byte))
            return select(ones(bits .!= .zero), b, a)
        }
    }
    /// PBLENDVB, BLENDVPS, BLENDVPD by the signs in XMM0.
    static let blendBytesByMask: Handler = {
        blend($0, $1) { ones(cast($0, SignedBytes.self) .< .zero) }
    }
    static let blendSinglesByMask: Handler = {
        blend($0, $1) { ones(cast($0, SignedLongs.self) .< .zero) }
    }
    static let blendDoublesByMask: Handler = {
        blend($0, $1) { ones(cast($0, SignedQuads.self) .< .zero) }
    }
    @inline(__always) private static func blend(
        _ processor: UInt, _ operation: UInt, _ mask: (Vector) -> Vector
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let result = select(mask(cpu.vector(0)), cpu.vector(op.rm), cpu.vector(op.reg))
        cpu.setVector(op.reg, result)
        return op.next
    }
    @inline(__always) static func select(_ mask: Vector, _ a: Vector, _ b: Vector) -> Vector {
        a & mask | b & ~mask
    }

    /// INSERTPS: the immediate's bits 7–6 pick the source lane, 5–4 the destination's, 3–0 zero lanes.
    static let insertSingle: Handler = {
        binary($0, $1) { (a: Longs, b: Longs, byte: UInt8) in
            let lane = Longs(repeating: b[Int(byte >> 6)])
            let place = Longs(0, 1, 2, 3) .== Longs(repeating: UInt32(byte >> 4 & 3))
            let zeros = (Longs(1, 2, 4, 8) & Longs(repeating: UInt32(byte))) .!= .zero
            return a.replacing(with: lane, where: place).replacing(with: 0, where: zeros)
        }
    }

    // MARK: Horizontal

    /// PHADDW and kin: sums or differences of neighbours, destination's first.
    @inline(__always) static func pairs(
        _ a: SignedWords, _ b: SignedWords, _ body: (SignedWords, SignedWords) -> SignedWords
    ) -> SignedWords {
        let both = SIMD16<Int16>(lowHalf: a, highHalf: b)
        return body(both.evenHalf, both.oddHalf)
    }
    @inline(__always) static func pairs(
        _ a: Longs, _ b: Longs, _ body: (Longs, Longs) -> Longs
    ) -> Longs {
        body(Longs(a[0], a[2], b[0], b[2]), Longs(a[1], a[3], b[1], b[3]))
    }

    /// PHMINPOSUW: the smallest word and where it lies first.
    static let smallestWord: Handler = {
        unary($0, $1) { (a: Words) in
            var best = UInt32.max
            for index in 0..<8 { best = min(best, UInt32(a[index]) &<< 16 | UInt32(index)) }
            return Vector(UInt64(best >> 16 | (best & 7) << 16), 0)
        }
    }

    /// MPSADBW: eight sums of four absolute differences.
    static let slidingDifferences: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let select = Int(truncatingIfNeeded: op.immediate)
        var result = Words.zero
        for index in 0..<8 {
            var sum: UInt16 = 0
            for byte in 0..<4 {
                let a: UInt8 = cpu.lane(op.reg, (select & 4) &+ index &+ byte)
                let b: UInt8 = cpu.lane(op.rm, (select & 3) &* 4 &+ byte)
                sum &+= UInt16(a > b ? a &- b : b &- a)
            }
            result[index] = sum
        }
        cpu.setVector(op.reg, cast(result))
        return op.next
    }
}
