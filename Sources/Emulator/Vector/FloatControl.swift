// SPDX-License-Identifier: Apache-2.0
import CLinux

/// MXCSR and the host's floating-point environment, which mirrors the guest's rounding direction and
/// gathers its sticky flags. Intel SDM 1, 10.2.3.
///
/// Handlers compute with the host's arithmetic as long as MXCSR asks for nothing else: all
/// exceptions masked, denormals kept. Else ``floatSlowly(_:_:)`` runs the same handler between
/// checks.
extension Processor {
    private static var sticky: UInt32 { 0x3f }
    private static var denormalsAreZero: UInt32 { 0x40 }
    private static var masks: UInt32 { 0x1f80 }
    private static var rounding: UInt32 { 0x6000 }
    private static var flushToZero: UInt32 { 0x8000 }

    /// All exceptions are masked and denormals are kept.
    @inline(__always) var floatsArePlain: Bool { state.mxcsr & 0x9fc0 == 0x1f80 }

    /// As ``floatsArePlain``, and no operand of `op` is a denormal that MXCSR.DE does not tell of yet:
    /// the host's environment knows no such exception on all machines.
    @inline(__always) func floatsArePlain(_ op: Op, _ shape: FloatShape) -> Bool {
        let control = state.mxcsr & 0x9fc2
        if control == 0x1f82 { return true }
        guard control == 0x1f80 else { return false }
        return !shape.contains(.signalsDenormal) || !shape.mayBeDenormal(self, op)
    }

    /// MXCSR.RC: nearest, down, up, zero.
    @inline(__always) var roundingMode: UInt32 { state.mxcsr >> 13 & 3 }

    /// Sets sticky flags: 1 invalid, 2 denormal, 4 divide, 8 overflow, 16 underflow, 32 inexact.
    @inline(__always) func noteFloatFlags(_ flags: UInt32) { state.mxcsr |= flags }

    /// MXCSR as the guest sees it.
    var controlStatus: UInt32 {
        @inline(never) get {
            state.mxcsr | UInt32(truncatingIfNeeded: clinux_float_exceptions()) & Self.sticky
        }
    }

    /// Loads MXCSR; bits 16 and up are zero (the caller has raised #GP otherwise).
    @inline(never) func setControlStatus(_ value: UInt32) {
        let changed = state.mxcsr ^ value
        state.mxcsr = value
        if changed & Self.rounding != 0 {
            clinux_set_rounding(Int32(truncatingIfNeeded: value >> 13))
        }
        if clinux_float_exceptions() != 0 { clinux_clear_float_exceptions() }
    }

    /// Makes the calling thread's environment the guest's: at the start of a processor's thread, and
    /// after its state was replaced.
    @inline(never) func enterFloatEnvironment() {
        clinux_clear_float_exceptions()
        clinux_set_rounding(Int32(truncatingIfNeeded: state.mxcsr >> 13))
    }

    /// Runs `body` without trace in the sticky flags.
    @inline(never) func withoutFloatFlags(_ body: () -> Void) {
        state.mxcsr = controlStatus
        body()
        clinux_clear_float_exceptions()
    }

    // MARK: Slow path

    /// Runs `op`'s handler under an MXCSR that unmasks exceptions, flushes results or ignores
    /// denormals: operands are flushed before, the host's flags looked at behind it. An unmasked
    /// exception leaves the destination as it was and is raised.
    @inline(never) func floatSlowly(_ op: Op, _ shape: FloatShape) -> UInt {
        let control = controlStatus
        let before = Destination(
            vector: vector(shape.contains(.toGeneral) ? 16 : op.reg), general: get64(op.reg & 0x78),
            flags: flags)
        let source = vector(shape.contains(.fromGeneral) ? 16 : op.rm)
        var raised = UInt32(0)
        // With DE set already, the handler does not come back here.
        state.mxcsr = Self.masks | control & Self.rounding | 2
        clinux_clear_float_exceptions()
        if !shape.contains(.fromGeneral) {
            let other = shape.contains(.readsDestination) ? before.vector : source
            if control & Self.denormalsAreZero != 0 {
                setVector(op.rm, shape.flushed(source))
                if shape.contains(.readsDestination), op.reg != op.rm {
                    setVector(op.reg, shape.flushed(before.vector))
                }
            } else if shape.contains(.signalsDenormal), shape.signals(other, source) {
                raised |= 2
            }
        }
        let next = op.handler(address, op.address)
        raised |= UInt32(truncatingIfNeeded: clinux_float_exceptions())
        raised |= state.mxcsr & Self.sticky & ~2
        clinux_clear_float_exceptions()
        if !shape.contains(.fromGeneral), op.rm != op.reg || shape.contains(.toGeneral) {
            setVector(op.rm, source)
        }
        if shape.contains(.converts) && !shape.contains(.packed) {
            // The operand may have been the destination, flushed: what is kept of it is not.
            setLane(op.reg, 1, UInt32(truncatingIfNeeded: before.vector[0] >> 32))
        }
        if shape.contains(.toFlags) { setVector(op.reg, before.vector) }
        if shape.contains(.canUnderflow) {
            raised |= flushTiny(op, shape, control, raised, before.vector, source)
        }
        state.mxcsr = control | raised
        let unmasked = raised & ~(control >> 7) & Self.sticky
        guard unmasked != 0 else { return next }
        // Invalid, denormal and divide are found before there is a result to round.
        if unmasked & 7 != 0 { state.mxcsr = control | raised & 7 }
        if shape.contains(.toGeneral) {
            set64(op.reg & 0x78, before.general)
        } else {
            setVector(op.reg, before.vector)
        }
        flags = before.flags
        return raise(op, state.cr4 & 0x400 != 0 ? .simd : .invalidOpcode)
    }

    private struct Destination {
        var vector: Vector
        var general: UInt64
        var flags: Flags
    }

    /// Tiny results: flushed if MXCSR says so and underflow is masked, signalled if it is not.
    private func flushTiny(
        _ op: Op, _ shape: FloatShape, _ control: UInt32, _ raised: UInt32, _ a: Vector, _ b: Vector
    ) -> UInt32 {
        let result = vector(op.reg)
        let form = shape.ofResult
        let hasDenormal = form.hasDenormal(result)
        if control & 0x800 == 0 { return hasDenormal ? 0x10 : 0 }
        guard control & Self.flushToZero != 0, hasDenormal || raised & 0x10 != 0 else { return 0 }
        let ignores = control & Self.denormalsAreZero != 0
        let first = ignores ? shape.flushed(a) : a
        let second = ignores ? shape.flushed(b) : b
        var flushed = form.flushed(result)
        for lane in form.leastNormals(result) where underflows(op, shape, lane, first, second) {
            flushed = form.cleared(flushed, lane)
        }
        setVector(op.reg, flushed)
        return 0x30
    }

    /// Whether lane `lane` of `op` on `a` and `b` is tiny, as the host finds when it is alone: a result
    /// may be so before it is rounded, and the least normal number afterwards. Intel SDM 1, 4.9.1.5.
    private func underflows(
        _ op: Op, _ shape: FloatShape, _ lane: Int, _ a: Vector, _ b: Vector
    ) -> Bool {
        let source = vector(op.rm)
        setVector(op.rm, shape.isolated(b, lane))
        if shape.contains(.readsDestination), op.reg != op.rm {
            setVector(op.reg, shape.isolated(a, lane))
        }
        clinux_clear_float_exceptions()
        _ = op.handler(address, op.address)
        let raised = UInt32(truncatingIfNeeded: clinux_float_exceptions())
        clinux_clear_float_exceptions()
        setVector(op.rm, source)
        return raised & 0x10 != 0
    }
}

/// What the slow path must know of a floating-point instruction.
struct FloatShape: OptionSet {
    let rawValue: UInt16

    /// Operands are doubles, else singles.
    static let doubles = FloatShape(rawValue: 1)
    /// All lanes, else the lowest.
    static let packed = FloatShape(rawValue: 2)
    static let readsDestination = FloatShape(rawValue: 4)
    /// A denormal operand is an exception.
    static let signalsDenormal = FloatShape(rawValue: 8)
    static let canUnderflow = FloatShape(rawValue: 16)
    /// The destination is a general register.
    static let toGeneral = FloatShape(rawValue: 32)
    /// The source is no vector, or not of floating point.
    static let fromGeneral = FloatShape(rawValue: 64)
    /// Results are of the other format than operands.
    static let converts = FloatShape(rawValue: 128)
    /// Of the singles only two are operands.
    static let widens = FloatShape(rawValue: 256)
    /// The operands of each lane are neighbours in one register.
    static let neighbours = FloatShape(rawValue: 512)
    /// A negative operand is invalid, denormal or not.
    static let root = FloatShape(rawValue: 1024)
    /// A zero divisor is worse than a denormal dividend.
    static let quotient = FloatShape(rawValue: 4096)
    /// The destination is the flags; both registers are sources.
    static let toFlags = FloatShape(rawValue: 2048)

    static var division: FloatShape { [.arithmetic, .quotient] }
    static var squareRoot: FloatShape { [.root, .signalsDenormal, .canUnderflow] }
    static var arithmetic: FloatShape { [.readsDestination, .signalsDenormal, .canUnderflow] }

    /// The lanes of the result.
    var ofResult: FloatShape {
        contains(.converts) ? FloatShape(rawValue: rawValue ^ 1) : self
    }

    /// Lanes of the operands.
    private var lanes: Int {
        if !contains(.packed) { return 1 }
        return contains(.doubles) || contains(.widens) ? 2 : 4
    }

    /// Lane `index` without its sign, as a double's bits or a single's.
    private func magnitude(_ value: Vector, _ index: Int) -> UInt64 {
        if contains(.doubles) { return value[index] & 0x7fff_ffff_ffff_ffff }
        return UInt64(Vectors.cast(value, Longs.self)[index] & 0x7fff_ffff)
    }
    private var infinity: UInt64 { contains(.doubles) ? 0x7ff0_0000_0000_0000 : 0x7f80_0000 }
    private var leastNormal: UInt64 { contains(.doubles) ? 0x0010_0000_0000_0000 : 0x0080_0000 }

    private func isNegative(_ value: Vector, _ index: Int) -> Bool {
        if contains(.doubles) { return value[index] >> 63 != 0 }
        return Vectors.cast(value, Longs.self)[index] >> 31 != 0
    }

    private func isDenormal(_ value: Vector, _ index: Int) -> Bool {
        let bits = magnitude(value, index)
        return bits != 0 && bits < leastNormal
    }

    /// Whether an operation on `a` and `b` finds a denormal operand in a lane where nothing worse is.
    func signals(_ a: Vector, _ b: Vector) -> Bool {
        for index in 0..<lanes {
            if contains(.neighbours) {
                let pair = index ^ 1
                if signals(a, index, a, pair) || signals(b, index, b, pair) { return true }
            } else if signals(a, index, b, index) {
                return true
            }
        }
        return false
    }

    private func signals(_ a: Vector, _ first: Int, _ b: Vector, _ second: Int) -> Bool {
        guard isDenormal(a, first) || isDenormal(b, second) else { return false }
        if contains(.quotient) && magnitude(b, second) == 0 { return false }
        if contains(.root) && isNegative(b, second) { return false }
        return magnitude(a, first) <= infinity && magnitude(b, second) <= infinity
    }

    /// Whether an operand may be denormal: quick, and true now and then where none is.
    @inline(__always) func mayBeDenormal(_ cpu: Processor, _ op: Op) -> Bool {
        isSuspect(cpu.vector(op.rm))
            || contains(.readsDestination) && isSuspect(cpu.vector(op.reg))
    }

    /// Some lane has no exponent, but a fraction.
    @inline(__always) private func isSuspect(_ value: Vector) -> Bool {
        if contains(.doubles) {
            let low = (value[0] &<< 1) &- 1 < 0x001f_ffff_ffff_ffff
            return contains(.packed) ? low || (value[1] &<< 1) &- 1 < 0x001f_ffff_ffff_ffff : low
        }
        let lanes = Vectors.cast(value, Longs.self)
        guard contains(.packed) else { return (lanes[0] &<< 1) &- 1 < 0x00ff_ffff }
        let hits = ((lanes &<< 1) &- 1) .< Longs(repeating: 0x00ff_ffff)
        return any(hits)
    }

    func hasDenormal(_ value: Vector) -> Bool {
        for index in 0..<lanes where isDenormal(value, index) { return true }
        return false
    }

    /// The lanes that hold the least normal number.
    func leastNormals(_ value: Vector) -> some Sequence<Int> {
        (0..<lanes).lazy.filter { magnitude(value, $0) == leastNormal }
    }

    /// Lane `lane`, and 1.0 in all others.
    func isolated(_ value: Vector, _ lane: Int) -> Vector {
        if contains(.doubles) {
            var result = Vector(repeating: 0x3ff0_0000_0000_0000)
            result[lane] = value[lane]
            return result
        }
        var words = Longs(repeating: 0x3f80_0000)
        words[lane] = Vectors.cast(value, Longs.self)[lane]
        return Vectors.cast(words)
    }

    /// A zero of its sign in lane `lane`.
    func cleared(_ value: Vector, _ lane: Int) -> Vector {
        if contains(.doubles) {
            var result = value
            result[lane] &= 0x8000_0000_0000_0000
            return result
        }
        var words: Longs = Vectors.cast(value)
        words[lane] &= 0x8000_0000
        return Vectors.cast(words)
    }

    /// Denormals replaced by zeros of their signs.
    func flushed(_ value: Vector) -> Vector {
        var result = value
        for lane in 0..<lanes where isDenormal(value, lane) { result = cleared(result, lane) }
        return result
    }
}
