// SPDX-License-Identifier: Apache-2.0

/// Conversions between integers, singles and doubles. Intel SDM 2, CVTDQ2PD to CVTTSS2SI.
extension Vectors {
    // MARK: Integers to floating point

    /// CVTSI2SS, CVTSI2SD from a general register or, `memory`, from the scratch vector.
    static func fromInteger(doubles: Bool, wide: Bool, memory: Bool) -> Handler {
        switch (doubles, wide, memory) {
        case (false, false, false):
            { Vectors.toSingle($0, $1) { Float($0.get($1.rm, UInt32.self).signed) } }
        case (false, true, false):
            { Vectors.toSingle($0, $1) { Float($0.get($1.rm, UInt64.self).signed) } }
        case (false, false, true):
            { Vectors.toSingle($0, $1) { Float($0.lane($1.rm, 0, Int32.self)) } }
        case (false, true, true):
            { Vectors.toSingle($0, $1) { Float($0.lane($1.rm, 0, Int64.self)) } }
        case (true, false, false):
            { Vectors.toDouble($0, $1) { Double($0.get($1.rm, UInt32.self).signed) } }
        case (true, true, false):
            { Vectors.toDouble($0, $1) { Double($0.get($1.rm, UInt64.self).signed) } }
        case (true, false, true):
            { Vectors.toDouble($0, $1) { Double($0.lane($1.rm, 0, Int32.self)) } }
        case (true, true, true):
            { Vectors.toDouble($0, $1) { Double($0.lane($1.rm, 0, Int64.self)) } }
        }
    }
    @inline(__always) private static func toSingle(
        _ processor: UInt, _ operation: UInt, _ body: (Processor, Op) -> Float
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        guard cpu.floatsArePlain else { return cpu.floatSlowly(op, .fromGeneral) }
        var a: Singles = cast(cpu.vector(op.reg))
        a[0] = body(cpu, op)
        cpu.setVector(op.reg, cast(a))
        return op.next
    }
    @inline(__always) private static func toDouble(
        _ processor: UInt, _ operation: UInt, _ body: (Processor, Op) -> Double
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        guard cpu.floatsArePlain else { return cpu.floatSlowly(op, .fromGeneral) }
        var a: Doubles = cast(cpu.vector(op.reg))
        a[0] = body(cpu, op)
        cpu.setVector(op.reg, cast(a))
        return op.next
    }

    /// CVTDQ2PS, CVTPI2PS (the upper half is kept), CVTDQ2PD and CVTPI2PD.
    static let longsToSingles: Handler = {
        convert($0, $1, .fromGeneral) { _, _, source in
            let b: SignedLongs = cast(source)
            return cast(Singles(Float(b[0]), Float(b[1]), Float(b[2]), Float(b[3])))
        }
    }
    static let twoLongsToSingles: Handler = {
        convert($0, $1, .fromGeneral) { _, kept, source in
            let b: SignedLongs = cast(source)
            let pair: Vector = cast(Singles(Float(b[0]), Float(b[1]), 0, 0))
            return Vector(pair[0], kept[1])
        }
    }
    static let longsToDoubles: Handler = {
        unary($0, $1) { (b: SignedLongs) in Doubles(Double(b[0]), Double(b[1])) }
    }

    // MARK: Between singles and doubles

    static let singlesToDoubles: Handler = {
        convert($0, $1, [.signalsDenormal, .packed, .widens]) { _, _, source in
            let b: Singles = cast(source)
            return cast(Doubles(Double(b[0]), Double(b[1])))
        }
    }
    static let doublesToSingles: Handler = {
        convert($0, $1, [.signalsDenormal, .packed, .doubles, .canUnderflow, .converts]) {
            _, _, source in
            let b: Doubles = cast(source)
            return cast(Singles(Float(b[0]), Float(b[1]), 0, 0))
        }
    }
    static let singleToDouble: Handler = {
        convert($0, $1, .signalsDenormal) { _, kept, source in
            let b: Singles = cast(source)
            return Vector(Double(b[0]).bitPattern, kept[1])
        }
    }
    static let doubleToSingle: Handler = {
        convert($0, $1, [.signalsDenormal, .doubles, .canUnderflow, .converts]) { _, kept, source in
            let b: Doubles = cast(source)
            var a: Longs = cast(kept)
            a[0] = Float(b[0]).bitPattern
            return cast(a)
        }
    }

    /// destination := body(processor, destination, source).
    @inline(__always) static func convert(
        _ processor: UInt, _ operation: UInt, _ shape: FloatShape,
        _ body: (Processor, Vector, Vector) -> Vector
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = shape
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        cpu.setVector(op.reg, body(cpu, cpu.vector(op.reg), cpu.vector(op.rm)))
        return op.next
    }

    // MARK: Floating point to integers

    /// CVTSS2SI, CVTSD2SI, CVTTSS2SI, CVTTSD2SI into general register `reg`.
    static func toInteger(doubles: Bool, wide: Bool, truncating: Bool) -> Handler {
        switch (doubles, wide, truncating) {
        case (false, false, false):
            { Vectors.general($0, $1, []) { UInt64(Vectors.rounded($0, Vectors.single($1))) } }
        case (false, true, false):
            { Vectors.general($0, $1, []) { Vectors.rounded64($0, Vectors.single($1)) } }
        case (false, false, true):
            { Vectors.general($0, $1, []) { UInt64(Vectors.truncated($0, Vectors.single($1))) } }
        case (false, true, true):
            { Vectors.general($0, $1, []) { Vectors.truncated64($0, Vectors.single($1)) } }
        case (true, false, false):
            {
                Vectors.general($0, $1, .doubles) {
                    UInt64(Vectors.rounded($0, Vectors.double($1)))
                }
            }
        case (true, true, false):
            { Vectors.general($0, $1, .doubles) { Vectors.rounded64($0, Vectors.double($1)) } }
        case (true, false, true):
            {
                Vectors.general($0, $1, .doubles) {
                    UInt64(Vectors.truncated($0, Vectors.double($1)))
                }
            }
        case (true, true, true):
            { Vectors.general($0, $1, .doubles) { Vectors.truncated64($0, Vectors.double($1)) } }
        }
    }
    @inline(__always) private static func general(
        _ processor: UInt, _ operation: UInt, _ shape: FloatShape,
        _ body: (Processor, Vector) -> UInt64
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.toGeneral, shape]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        cpu.set64(op.reg, body(cpu, cpu.vector(op.rm)))
        return op.next
    }
    @inline(__always) private static func single(_ value: Vector) -> Double {
        Double(cast(value, Singles.self)[0])
    }
    @inline(__always) private static func double(_ value: Vector) -> Double {
        cast(value, Doubles.self)[0]
    }

    /// CVTPS2DQ and CVTTPS2DQ; of two lanes CVTPS2PI and CVTTPS2PI.
    static let singlesToLongs: Handler = {
        convert($0, $1, .packed) { cpu, _, b in longs(cast(b), lanes: 4) { rounded(cpu, $0) } }
    }
    static let singlesToLongsTruncating: Handler = {
        convert($0, $1, .packed) { cpu, _, b in longs(cast(b), lanes: 4) { truncated(cpu, $0) } }
    }
    static let twoSinglesToLongs: Handler = {
        convert($0, $1, .packed) { cpu, _, b in longs(cast(b), lanes: 2) { rounded(cpu, $0) } }
    }
    static let twoSinglesToLongsTruncating: Handler = {
        convert($0, $1, .packed) { cpu, _, b in longs(cast(b), lanes: 2) { truncated(cpu, $0) } }
    }
    /// CVTPD2DQ and CVTTPD2DQ (and CVTPD2PI, CVTTPD2PI): into the low half, the upper one zero.
    static let doublesToLongs: Handler = {
        convert($0, $1, [.packed, .doubles]) { cpu, _, b in longs(cast(b)) { rounded(cpu, $0) } }
    }
    static let doublesToLongsTruncating: Handler = {
        convert($0, $1, [.packed, .doubles]) { cpu, _, b in longs(cast(b)) { truncated(cpu, $0) } }
    }

    @inline(__always) private static func longs(
        _ b: Singles, lanes: Int, _ body: (Double) -> UInt32
    ) -> Vector {
        var result = Longs.zero
        for index in 0..<lanes { result[index] = body(Double(b[index])) }
        return cast(result)
    }
    @inline(__always) private static func longs(_ b: Doubles, _ body: (Double) -> UInt32) -> Vector
    {
        cast(Longs(body(b[0]), body(b[1]), 0, 0))
    }

    // MARK: One number

    /// Towards zero; the host notes inexact results. Out of range: invalid, and the least integer.
    @inline(__always) private static func truncated(_ cpu: Processor, _ x: Double) -> UInt32 {
        guard x > -2_147_483_649 && x < 2_147_483_648 else {
            cpu.noteFloatFlags(1)
            return 0x8000_0000
        }
        return UInt32(bitPattern: Int32(x))
    }
    @inline(__always) private static func truncated64(_ cpu: Processor, _ x: Double) -> UInt64 {
        guard x >= -0x1p63 && x < 0x1p63 else {
            cpu.noteFloatFlags(1)
            return 0x8000_0000_0000_0000
        }
        return UInt64(bitPattern: Int64(x))
    }
    /// By MXCSR.RC.
    @inline(__always) private static func rounded(_ cpu: Processor, _ x: Double) -> UInt32 {
        let whole = integral(x, cpu.roundingMode)
        guard whole >= -0x1p31 && whole < 0x1p31 else {
            cpu.noteFloatFlags(1)
            return 0x8000_0000
        }
        if whole != x { cpu.noteFloatFlags(0x20) }
        return UInt32(bitPattern: Int32(whole))
    }
    @inline(__always) private static func rounded64(_ cpu: Processor, _ x: Double) -> UInt64 {
        let whole = integral(x, cpu.roundingMode)
        guard whole >= -0x1p63 && whole < 0x1p63 else {
            cpu.noteFloatFlags(1)
            return 0x8000_0000_0000_0000
        }
        if whole != x { cpu.noteFloatFlags(0x20) }
        return UInt64(bitPattern: Int64(whole))
    }

    /// `x` rounded to an integer: mode 0 nearest, 1 down, 2 up, 3 to zero. Raises nothing, whatever
    /// the host's rounding direction; NaN and infinity stay.
    @inline(__always) static func integral(_ x: Double, _ mode: UInt32) -> Double {
        let bits = x.bitPattern
        let exponent = Int64(bits >> 52 & 0x7ff) &- 1023
        if exponent >= 52 { return x }
        let negative = bits >> 63 != 0
        let sign = bits & 0x8000_0000_0000_0000
        if exponent < 0 {
            if bits << 1 == 0 { return x }
            let away: Bool
            switch mode {
            case 0: away = bits & 0x7fff_ffff_ffff_ffff > 0x3fe0_0000_0000_0000
            case 1: away = negative
            case 2: away = !negative
            default: away = false
            }
            return Double(bitPattern: away ? sign | 0x3ff0_0000_0000_0000 : sign)
        }
        let unit = UInt64(1) &<< UInt64(52 &- exponent)
        let fraction = bits & (unit &- 1)
        if fraction == 0 { return x }
        let away: Bool
        switch mode {
        case 0: away = fraction > unit >> 1 || fraction == unit >> 1 && bits & unit != 0
        case 1: away = negative
        case 2: away = !negative
        default: away = false
        }
        // A carry out of the fraction goes into the exponent, as it should.
        return Double(bitPattern: (bits &- fraction) &+ (away ? unit : 0))
    }
}
