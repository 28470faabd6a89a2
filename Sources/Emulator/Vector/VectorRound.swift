// SPDX-License-Identifier: Apache-2.0

/// ROUNDxx, dot products and approximations.
extension Vectors {
    // MARK: ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD

    static let roundSingles: Handler = {
        convert(
            $0, $1, .packed,
            immediate: { cpu, byte, _, source in
                var b: Singles = cast(source)
                for index in 0..<4 { b[index] = rounded(cpu, b[index], byte) }
                return cast(b)
            })
    }
    static let roundDoubles: Handler = {
        convert(
            $0, $1, [.packed, .doubles],
            immediate: { cpu, byte, _, source in
                let b: Doubles = cast(source)
                return cast(Doubles(rounded(cpu, b[0], byte), rounded(cpu, b[1], byte)))
            })
    }
    static let roundSingle: Handler = {
        convert(
            $0, $1, [],
            immediate: { cpu, byte, kept, source in
                var a: Singles = cast(kept)
                a[0] = rounded(cpu, cast(source, Singles.self)[0], byte)
                return cast(a)
            })
    }
    static let roundDouble: Handler = {
        convert(
            $0, $1, .doubles,
            immediate: { cpu, byte, kept, source in
                Vector(rounded(cpu, cast(source, Doubles.self)[0], byte).bitPattern, kept[1])
            })
    }

    @inline(__always) private static func convert(
        _ processor: UInt, _ operation: UInt, _ shape: FloatShape,
        immediate body: (Processor, UInt32, Vector, Vector) -> Vector
    ) -> UInt {
        let byte = UInt32(truncatingIfNeeded: Op(operation).immediate)
        return convert(processor, operation, shape) { body($0, byte, $1, $2) }
    }

    /// The immediate: bits 1–0 the direction, bit 2 MXCSR's instead, bit 3 not to note inexactness.
    @inline(__always) private static func rounded(
        _ cpu: Processor, _ x: Double, _ byte: UInt32
    ) -> Double {
        let bits = x.bitPattern
        if bits & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000 {
            if bits & 0x0008_0000_0000_0000 == 0 { cpu.noteFloatFlags(1) }
            return Double(bitPattern: bits | 0x0008_0000_0000_0000)
        }
        let result = integral(x, byte & 4 != 0 ? cpu.roundingMode : byte & 3)
        if result != x && byte & 8 == 0 { cpu.noteFloatFlags(0x20) }
        return result
    }
    @inline(__always) private static func rounded(
        _ cpu: Processor, _ x: Float, _ byte: UInt32
    ) -> Float {
        let bits = x.bitPattern
        if bits & 0x7fff_ffff > 0x7f80_0000 {
            if bits & 0x0040_0000 == 0 { cpu.noteFloatFlags(1) }
            return Float(bitPattern: bits | 0x0040_0000)
        }
        return Float(rounded(cpu, Double(x), byte))
    }

    // MARK: DPPS, DPPD. Steps before and behind a multiplication and horizontal sums

    /// Copies both operands to the scratch vectors: the lanes of immediate bits 7–4, zero elsewhere.
    static let selectSingles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let mask = singleMask(op.immediate >> 4)
        cpu.setVector(work, cpu.vector(op.reg) & mask)
        cpu.setVector(memory, cpu.vector(op.rm) & mask)
        return op.next
    }
    static let selectDoubles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let mask = doubleMask(op.immediate >> 4)
        cpu.setVector(work, cpu.vector(op.reg) & mask)
        cpu.setVector(memory, cpu.vector(op.rm) & mask)
        return op.next
    }
    /// The sum, which is in all lanes, to the lanes of immediate bits 3–0.
    static let spreadSingles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, cpu.vector(work) & singleMask(op.immediate))
        return op.next
    }
    static let spreadDoubles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, cpu.vector(work) & doubleMask(op.immediate))
        return op.next
    }

    private static func singleMask(_ bits: Int64) -> Vector {
        var lanes = Longs.zero
        for index in 0..<4 where bits >> Int64(index) & 1 != 0 { lanes[index] = .max }
        return cast(lanes)
    }
    private static func doubleMask(_ bits: Int64) -> Vector {
        Vector(bits & 1 != 0 ? .max : 0, bits & 2 != 0 ? .max : 0)
    }

    // MARK: RCPPS, RSQRTPS and their scalar forms

    static let reciprocals: Handler = { approximate($0, $1, lanes: 4) { reciprocal($0) } }
    static let reciprocal: Handler = { approximate($0, $1, lanes: 1) { reciprocal($0) } }
    static let reciprocalRoots: Handler = { approximate($0, $1, lanes: 4) { reciprocalRoot($0) } }
    static let reciprocalRoot: Handler = { approximate($0, $1, lanes: 1) { reciprocalRoot($0) } }

    /// They note no exceptions and need not be exact: 12 bits are kept, as the hardware's tables do.
    @inline(__always) private static func approximate(
        _ processor: UInt, _ operation: UInt, lanes: Int, _ body: (UInt32) -> UInt32
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.withoutFloatFlags {
            var a: Longs = cast(cpu.vector(op.reg))
            let b: Longs = cast(cpu.vector(op.rm))
            for index in 0..<lanes { a[index] = body(b[index]) }
            cpu.setVector(op.reg, cast(a))
        }
        return op.next
    }

    private static func reciprocal(_ bits: UInt32) -> UInt32 {
        let sign = bits & 0x8000_0000
        let magnitude = bits & 0x7fff_ffff
        if magnitude > 0x7f80_0000 { return bits | 0x0040_0000 }
        if magnitude < 0x0080_0000 { return sign | 0x7f80_0000 }
        let result = (1 / Float(bitPattern: bits)).bitPattern
        // Results that would be denormal are zero.
        return result & 0x7f80_0000 == 0 ? sign : shortened(result)
    }
    private static func reciprocalRoot(_ bits: UInt32) -> UInt32 {
        let sign = bits & 0x8000_0000
        let magnitude = bits & 0x7fff_ffff
        if magnitude > 0x7f80_0000 { return bits | 0x0040_0000 }
        if magnitude < 0x0080_0000 { return sign | 0x7f80_0000 }
        if sign != 0 { return 0xffc0_0000 }
        return shortened((1 / Float(bitPattern: bits).squareRoot()).bitPattern)
    }
    private static func shortened(_ bits: UInt32) -> UInt32 { (bits &+ 0x400) & 0xffff_f800 }
}
