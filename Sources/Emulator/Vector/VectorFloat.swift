// SPDX-License-Identifier: Apache-2.0

/// Floating-point arithmetic of SSE to SSE4.1.
///
/// The host computes; only where a result is no number are x86's rules applied: the first operand
/// that is NaN, made quiet, else the default NaN. Intel SDM 1, 4.8.3.5 and 11.5.2.1.
extension Vectors {
    /// 51, 58, 59, 5C…5F of 0F under the four prefixes.
    static func arithmetic(_ opcode: UInt8, _ prefix: MandatoryPrefix) -> Handler? {
        switch prefix {
        case .none: Vectors.singleArithmetic(opcode)
        case .x66: Vectors.doubleArithmetic(opcode)
        case .xF3: Vectors.oneSingleArithmetic(opcode)
        case .xF2: Vectors.oneDoubleArithmetic(opcode)
        }
    }

    private static func singleArithmetic(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x51:
            {
                Vectors.singles($0, $1, Vectors.own, shape: .squareRoot) { _, b in
                    Singles(
                        b[0].squareRoot(), b[1].squareRoot(), b[2].squareRoot(), b[3].squareRoot())
                }
            }
        case 0x58: { Vectors.singles($0, $1, Vectors.both) { $0 + $1 } }
        case 0x59: { Vectors.singles($0, $1, Vectors.both) { $0 * $1 } }
        case 0x5c: { Vectors.singles($0, $1, Vectors.both) { $0 - $1 } }
        case 0x5d: { Vectors.singles($0, $1) { $1.replacing(with: $0, where: $0 .< $1) } }
        case 0x5e: { Vectors.singles($0, $1, Vectors.both, shape: .division) { $0 / $1 } }
        case 0x5f: { Vectors.singles($0, $1) { $1.replacing(with: $0, where: $0 .> $1) } }
        case 0x7c:
            {
                Vectors.singles($0, $1, Vectors.neighbours, shape: [.arithmetic, .neighbours]) {
                    $0 + $1
                }
            }
        case 0x7d:
            {
                Vectors.singles($0, $1, Vectors.neighbours, shape: [.arithmetic, .neighbours]) {
                    $0 - $1
                }
            }
        case 0xd0:
            {
                Vectors.singles($0, $1, Vectors.both) { a, b in
                    a
                        + Vectors.cast(
                            Vectors.cast(b, Vector.self) ^ Vector(repeating: 0x8000_0000),
                            Singles.self)
                }
            }
        default: nil
        }
    }

    private static func doubleArithmetic(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x51:
            {
                Vectors.doubles($0, $1, Vectors.own, shape: .squareRoot) { _, b in
                    Doubles(b[0].squareRoot(), b[1].squareRoot())
                }
            }
        case 0x58: { Vectors.doubles($0, $1, Vectors.both) { $0 + $1 } }
        case 0x59: { Vectors.doubles($0, $1, Vectors.both) { $0 * $1 } }
        case 0x5c: { Vectors.doubles($0, $1, Vectors.both) { $0 - $1 } }
        case 0x5d: { Vectors.doubles($0, $1) { $1.replacing(with: $0, where: $0 .< $1) } }
        case 0x5e: { Vectors.doubles($0, $1, Vectors.both, shape: .division) { $0 / $1 } }
        case 0x5f: { Vectors.doubles($0, $1) { $1.replacing(with: $0, where: $0 .> $1) } }
        case 0x7c:
            {
                Vectors.doubles($0, $1, Vectors.neighbours, shape: [.arithmetic, .neighbours]) {
                    $0 + $1
                }
            }
        case 0x7d:
            {
                Vectors.doubles($0, $1, Vectors.neighbours, shape: [.arithmetic, .neighbours]) {
                    $0 - $1
                }
            }
        case 0xd0:
            {
                Vectors.doubles($0, $1, Vectors.both) { a, b in
                    a
                        + Vectors.cast(
                            Vectors.cast(b, Vector.self) ^ Vector(0x8000_0000_0000_0000, 0),
                            Doubles.self)
                }
            }
        default: nil
        }
    }

    private static func oneSingleArithmetic(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x51: { Vectors.single($0, $1, shape: .squareRoot) { _, b in b.squareRoot() } }
        case 0x58: { Vectors.single($0, $1) { $0 + $1 } }
        case 0x59: { Vectors.single($0, $1) { $0 * $1 } }
        case 0x5c: { Vectors.single($0, $1) { $0 - $1 } }
        case 0x5d: { Vectors.pickSingle($0, $1) { $0 < $1 } }
        case 0x5e: { Vectors.single($0, $1, shape: .division) { $0 / $1 } }
        case 0x5f: { Vectors.pickSingle($0, $1) { $0 > $1 } }
        default: nil
        }
    }

    private static func oneDoubleArithmetic(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x51: { Vectors.double($0, $1, shape: .squareRoot) { _, b in b.squareRoot() } }
        case 0x58: { Vectors.double($0, $1) { $0 + $1 } }
        case 0x59: { Vectors.double($0, $1) { $0 * $1 } }
        case 0x5c: { Vectors.double($0, $1) { $0 - $1 } }
        case 0x5d: { Vectors.pickDouble($0, $1) { $0 < $1 } }
        case 0x5e: { Vectors.double($0, $1, shape: .division) { $0 / $1 } }
        case 0x5f: { Vectors.pickDouble($0, $1) { $0 > $1 } }
        default: nil
        }
    }

    // MARK: Operands

    @inline(__always) static func both<T>(_ a: T, _ b: T) -> (T, T) { (a, b) }
    @inline(__always) static func own<T>(_ a: T, _ b: T) -> (T, T) { (b, b) }
    @inline(__always) static func neighbours(_ a: Singles, _ b: Singles) -> (Singles, Singles) {
        (Singles(a[0], a[2], b[0], b[2]), Singles(a[1], a[3], b[1], b[3]))
    }
    @inline(__always) static func neighbours(_ a: Doubles, _ b: Doubles) -> (Doubles, Doubles) {
        (Doubles(a[0], b[0]), Doubles(a[1], b[1]))
    }

    // MARK: Forms

    @inline(__always) private static func singles(
        _ processor: UInt, _ operation: UInt,
        _ operands: (Singles, Singles) -> (Singles, Singles), shape: FloatShape = .arithmetic,
        _ body: (Singles, Singles) -> Singles
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = shape.union(.packed)
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let (a, b) = operands(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)))
        let result = body(a, b)
        let odd = ones(result .!= result)
        if odd[0] | odd[1] != 0 {
            cpu.setVector(op.reg, settled(cast(a), cast(b), cast(result), Longs.self))
        } else {
            cpu.setVector(op.reg, cast(result))
        }
        return op.next
    }

    @inline(__always) private static func doubles(
        _ processor: UInt, _ operation: UInt,
        _ operands: (Doubles, Doubles) -> (Doubles, Doubles), shape: FloatShape = .arithmetic,
        _ body: (Doubles, Doubles) -> Doubles
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = shape.union([.packed, .doubles])
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let (a, b) = operands(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)))
        let result = body(a, b)
        let odd = ones(result .!= result)
        if odd[0] | odd[1] != 0 {
            cpu.setVector(op.reg, settled(cast(a), cast(b), cast(result), Vector.self))
        } else {
            cpu.setVector(op.reg, cast(result))
        }
        return op.next
    }

    @inline(__always) private static func single(
        _ processor: UInt, _ operation: UInt, shape: FloatShape = .arithmetic,
        _ body: (Float, Float) -> Float
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = shape
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a: Singles = cast(cpu.vector(op.reg))
        let b: Singles = cast(cpu.vector(op.rm))
        var result = body(a[0], b[0])
        if result != result { result = settled(shape.contains(.root) ? b[0] : a[0], b[0]) }
        a[0] = result
        cpu.setVector(op.reg, cast(a))
        return op.next
    }

    @inline(__always) private static func double(
        _ processor: UInt, _ operation: UInt, shape: FloatShape = .arithmetic,
        _ body: (Double, Double) -> Double
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = shape.union(.doubles)
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a: Doubles = cast(cpu.vector(op.reg))
        let b: Doubles = cast(cpu.vector(op.rm))
        var result = body(a[0], b[0])
        if result != result { result = settled(shape.contains(.root) ? b[0] : a[0], b[0]) }
        a[0] = result
        cpu.setVector(op.reg, cast(a))
        return op.next
    }

    // MARK: MIN and MAX: the second operand where nothing is smaller or larger

    @inline(__always) private static func singles(
        _ processor: UInt, _ operation: UInt, _ body: (Singles, Singles) -> Singles
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.packed, .readsDestination, .signalsDenormal]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let result = body(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)))
        cpu.setVector(op.reg, cast(result))
        return op.next
    }
    @inline(__always) private static func doubles(
        _ processor: UInt, _ operation: UInt, _ body: (Doubles, Doubles) -> Doubles
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.packed, .readsDestination, .signalsDenormal, .doubles]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let result = body(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)))
        cpu.setVector(op.reg, cast(result))
        return op.next
    }
    @inline(__always) private static func pickSingle(
        _ processor: UInt, _ operation: UInt, _ first: (Float, Float) -> Bool
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a: Singles = cast(cpu.vector(op.reg))
        let b: Singles = cast(cpu.vector(op.rm))
        // All NaNs are invalid here, whichever comparison the compiler takes.
        if a[0] != a[0] || b[0] != b[0] { cpu.noteFloatFlags(1) }
        a[0] = first(a[0], b[0]) ? a[0] : b[0]
        cpu.setVector(op.reg, cast(a))
        return op.next
    }
    @inline(__always) private static func pickDouble(
        _ processor: UInt, _ operation: UInt, _ first: (Double, Double) -> Bool
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal, .doubles]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a: Doubles = cast(cpu.vector(op.reg))
        let b: Doubles = cast(cpu.vector(op.rm))
        // All NaNs are invalid here, whichever comparison the compiler takes.
        if a[0] != a[0] || b[0] != b[0] { cpu.noteFloatFlags(1) }
        a[0] = first(a[0], b[0]) ? a[0] : b[0]
        cpu.setVector(op.reg, cast(a))
        return op.next
    }

    // MARK: NaN

    /// The NaN that an operation on `a` and `b` without a number for result gives.
    @inline(never) static func settled(_ a: Float, _ b: Float) -> Float {
        Float(bitPattern: settled(a.bitPattern, b.bitPattern))
    }
    @inline(never) static func settled(_ a: Double, _ b: Double) -> Double {
        Double(bitPattern: settled(a.bitPattern, b.bitPattern))
    }
    private static func settled(_ a: UInt32, _ b: UInt32) -> UInt32 {
        if a & 0x7fff_ffff > 0x7f80_0000 { return a | 0x0040_0000 }
        if b & 0x7fff_ffff > 0x7f80_0000 { return b | 0x0040_0000 }
        return 0xffc0_0000
    }
    private static func settled(_ a: UInt64, _ b: UInt64) -> UInt64 {
        if a & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000 { return a | 0x0008_0000_0000_0000 }
        if b & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000 { return b | 0x0008_0000_0000_0000 }
        return 0xfff8_0000_0000_0000
    }

    @inline(never) static func settled(
        _ a: Longs, _ b: Longs, _ result: Longs, _ type: Longs.Type
    ) -> Vector {
        var result = result
        for index in 0..<4 where result[index] & 0x7fff_ffff > 0x7f80_0000 {
            result[index] = settled(a[index], b[index])
        }
        return cast(result)
    }
    @inline(never) static func settled(
        _ a: Vector, _ b: Vector, _ result: Vector, _ type: Vector.Type
    ) -> Vector {
        var result = result
        for index in 0..<2 where result[index] & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000 {
            result[index] = settled(a[index], b[index])
        }
        return result
    }
}
