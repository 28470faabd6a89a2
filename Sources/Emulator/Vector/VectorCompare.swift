// SPDX-License-Identifier: Apache-2.0

/// Floating-point comparisons. Intel SDM 2, CMPPD, COMISD, UCOMISD.
extension Vectors {
    /// CMPccxx: the immediate's low bits 0 to 3 ask for equal, less, less or equal, unordered; bit 2
    /// turns the answer round. Less and its kin signal quiet NaNs as well.
    static func compare(_ prefix: MandatoryPrefix) -> Handler {
        switch prefix {
        case .none: compareSingles
        case .x66: compareDoubles
        case .xF3: compareSingle
        case .xF2: compareDouble
        }
    }

    private static let compareSingles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.packed, .readsDestination, .signalsDenormal]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let a: Singles = cast(cpu.vector(op.reg))
        let b: Singles = cast(cpu.vector(op.rm))
        cpu.setVector(op.reg, compared(cpu, op, a, b))
        return op.next
    }
    @inline(__always) private static func compared(
        _ cpu: Processor, _ op: Op, _ a: Singles, _ b: Singles
    ) -> Vector {
        let invert = Vector(repeating: op.immediate & 4 != 0 ? .max : 0)
        switch op.immediate & 3 {
        case 0: return ones(a .== b) ^ invert
        case 1:
            noteUnordered(cpu, unordered(a, b))
            return ones(a .< b) ^ invert
        case 2:
            noteUnordered(cpu, unordered(a, b))
            return ones(a .<= b) ^ invert
        default: return unordered(a, b) ^ invert
        }
    }
    @inline(__always) private static func unordered(_ a: Singles, _ b: Singles) -> Vector {
        ones(a .!= a) | ones(b .!= b)
    }

    private static let compareDoubles: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.packed, .readsDestination, .signalsDenormal, .doubles]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let a: Doubles = cast(cpu.vector(op.reg))
        let b: Doubles = cast(cpu.vector(op.rm))
        cpu.setVector(op.reg, compared(cpu, op, a, b))
        return op.next
    }
    @inline(__always) private static func compared(
        _ cpu: Processor, _ op: Op, _ a: Doubles, _ b: Doubles
    ) -> Vector {
        let invert = Vector(repeating: op.immediate & 4 != 0 ? .max : 0)
        switch op.immediate & 3 {
        case 0: return ones(a .== b) ^ invert
        case 1:
            noteUnordered(cpu, unordered(a, b))
            return ones(a .< b) ^ invert
        case 2:
            noteUnordered(cpu, unordered(a, b))
            return ones(a .<= b) ^ invert
        default: return unordered(a, b) ^ invert
        }
    }
    @inline(__always) private static func unordered(_ a: Doubles, _ b: Doubles) -> Vector {
        ones(a .!= a) | ones(b .!= b)
    }
    @inline(__always) private static func noteUnordered(_ cpu: Processor, _ lanes: Vector) {
        if lanes[0] | lanes[1] != 0 { cpu.noteFloatFlags(1) }
    }

    private static let compareSingle: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a: Singles = cast(cpu.vector(op.reg))
        let b: Singles = cast(cpu.vector(op.rm))
        let holds = comparedOne(cpu, op, a[0], b[0])
        a[0] = Float(bitPattern: holds ? .max : 0)
        cpu.setVector(op.reg, cast(a))
        return op.next
    }
    private static let compareDouble: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal, .doubles]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        var a = cpu.vector(op.reg)
        let left: Doubles = cast(a)
        let right: Doubles = cast(cpu.vector(op.rm))
        a[0] = comparedOne(cpu, op, left[0], right[0]) ? .max : 0
        cpu.setVector(op.reg, a)
        return op.next
    }
    @inline(__always) private static func comparedOne<T: BinaryFloatingPoint>(
        _ cpu: Processor, _ op: Op, _ a: T, _ b: T
    ) -> Bool {
        let invert = op.immediate & 4 != 0
        let unordered = a != a || b != b
        if unordered { noteSignalling(cpu, a, b) }
        switch op.immediate & 3 {
        case 0: return (a == b) != invert
        case 1:
            if unordered { cpu.noteFloatFlags(1) }
            return (a < b) != invert
        case 2:
            if unordered { cpu.noteFloatFlags(1) }
            return (a <= b) != invert
        default: return unordered != invert
        }
    }

    // MARK: Into flags

    /// COMISS, COMISD signal all NaNs, UCOMISS, UCOMISD only signalling ones.
    static func compareIntoFlags(doubles: Bool, signalling: Bool) -> Handler {
        switch (doubles, signalling) {
        case (false, false): { Vectors.orderSingle($0, $1, signalling: false) }
        case (false, true): { Vectors.orderSingle($0, $1, signalling: true) }
        case (true, false): { Vectors.orderDouble($0, $1, signalling: false) }
        case (true, true): { Vectors.orderDouble($0, $1, signalling: true) }
        }
    }

    @inline(__always) private static func orderSingle(
        _ processor: UInt, _ operation: UInt, signalling: Bool
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal, .toFlags]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let a: Singles = cast(cpu.vector(op.reg))
        let b: Singles = cast(cpu.vector(op.rm))
        order(cpu, a[0], b[0], signalling: signalling)
        return op.next
    }
    @inline(__always) private static func orderDouble(
        _ processor: UInt, _ operation: UInt, signalling: Bool
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let form: FloatShape = [.readsDestination, .signalsDenormal, .toFlags, .doubles]
        guard cpu.floatsArePlain(op, form) else { return cpu.floatSlowly(op, form) }
        let a: Doubles = cast(cpu.vector(op.reg))
        let b: Doubles = cast(cpu.vector(op.rm))
        order(cpu, a[0], b[0], signalling: signalling)
        return op.next
    }
    /// ZF, PF, CF: unordered 111, greater 000, less 001, equal 100.
    @inline(__always) private static func order<T: BinaryFloatingPoint>(
        _ cpu: Processor, _ a: T, _ b: T, signalling: Bool
    ) {
        let unordered = a != a || b != b
        if unordered { signalling ? cpu.noteFloatFlags(1) : noteSignalling(cpu, a, b) }
        cpu.flags = Flags(
            carry: unordered || a < b, zero: unordered || a == b, parity: unordered)
    }
    /// The compiler may compare without the host's noting a signalling NaN.
    @inline(never) private static func noteSignalling<T: BinaryFloatingPoint>(
        _ cpu: Processor, _ a: T, _ b: T
    ) {
        if a.isSignalingNaN || b.isSignalingNaN { cpu.noteFloatFlags(1) }
    }
}
