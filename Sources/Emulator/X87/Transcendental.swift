// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Trigonometric functions, logarithms and 2^x − 1, within a few units in the last place of the C
/// library's widest format. Special values are dealt with here. Intel SDM 1, 8.3.7 to 8.3.10.
extension FloatContext {
    /// A result from the C library: not exact, rounded to nearest, times 2^`power`.
    private mutating func evaluate(
        _ function: clinux_function, _ x: Unpacked, _ y: Unpacked, power: Int32 = 0
    ) -> Extended {
        let value = clinux_function_of(function, clinux_real(x), clinux_real(y))
        note(X87Status.precision)
        let negative = value.negative != 0
        if value.significand == 0 {
            note(X87Status.underflow)
            return .zero(negative: negative)
        }
        var nearest = FloatContext(control: control & 0xff | 0x300)
        let result = nearest.pack(
            negative: negative, exponent: value.exponent &+ 63 &+ Extended.bias &+ power,
            value.significand, 1, unit: 1)
        note(nearest.flags)
        return result
    }

    /// As ``evaluate(_:_:_:power:)`` for functions that are linear near zero: tiny arguments go
    /// through the C library as less tiny ones, lest it lose bits of denormals.
    private mutating func evaluateLinear(
        _ function: clinux_function, _ x: Unpacked, _ y: Unpacked, power: Int32 = 0
    ) -> Extended {
        let tiny = min(x.exponent &- Extended.bias &+ 100, 0)
        var argument = x
        argument.exponent &-= tiny
        return evaluate(function, argument, y, power: power &+ tiny)
    }

    /// A multiple of π/4: 1 to 4.
    private mutating func piFourths(_ count: Int32, negative: Bool) -> Extended {
        note(X87Status.precision)
        return switch count {
        case 3:
            Extended(
                negative: negative, exponent: Extended.bias &+ 1,
                significand: 0x96cb_e3f9_990e_91a8)
        default:
            Extended(
                negative: negative, exponent: Extended.bias &- 1 &+ count >> 1,
                significand: 0xc90f_daa2_2168_c235)
        }
    }

    /// What FSIN, FCOS, FPTAN refuse to reduce: magnitudes of 2^63 and more (C2).
    static func isBeyondReduction(_ value: Extended) -> Bool {
        value.kind == .normal && value.exponent >= Extended.bias &+ 63
    }

    enum Angle { case sine, cosine, tangent }

    mutating func trigonometric(_ value: Extended, _ angle: Angle) -> Extended {
        if let result = screen(value) { return result }
        if value.kind == .infinity { return invalid() }
        if value.kind == .zero { return angle == .cosine ? .one : value }
        noteDenormals(value)
        let function =
            switch angle {
            case .sine: CLINUX_SIN
            case .cosine: CLINUX_COS
            case .tangent: CLINUX_TAN
            }
        if angle == .cosine { return evaluate(function, value.unpacked, value.unpacked) }
        return evaluateLinear(function, value.unpacked, value.unpacked)
    }

    /// FPATAN: the angle of the point (x, y).
    mutating func arcTangent(y: Extended, x: Extended) -> Extended {
        if let result = screen(y, x) { return result }
        noteDenormals(y, x)
        let negative = y.isNegative
        if y.kind == .infinity {
            if x.kind != .infinity { return piFourths(2, negative: negative) }
            return piFourths(x.isNegative ? 3 : 1, negative: negative)
        }
        if y.kind == .zero || x.kind == .infinity {
            return x.isNegative
                ? piFourths(4, negative: negative) : .zero(negative: negative)
        }
        if x.kind == .zero { return piFourths(2, negative: negative) }
        // Only the ratio counts: x becomes 1 to 2. A tiny angle is the ratio.
        var first = x.unpacked
        var second = y.unpacked
        let ratio = second.exponent &- first.exponent
        first.exponent = Extended.bias
        second.exponent = Extended.bias &+ max(min(ratio, 200), -100)
        let tiny = x.isNegative ? 0 : min(ratio &+ 100, 0)
        return evaluate(CLINUX_ATAN2, first, second, power: tiny)
    }

    /// F2XM1, for −1 to 1; beyond, where nothing is promised, the operand.
    mutating func exponential(_ x: Extended) -> Extended {
        if let result = screen(x) { return result }
        if x.kind == .zero { return x }
        if x.kind == .infinity { return x.isNegative ? Extended.one.negated : x }
        noteDenormals(x)
        if x.magnitude == .one {
            // AMD's processors call these inexact, too.
            note(X87Status.precision)
            roundedUp = !x.isNegative
            return x.isNegative
                ? Extended(
                    negative: true, exponent: Extended.bias &- 1,
                    significand: Extended.integerBit)
                : x
        }
        if x.exponent >= Extended.bias {
            note(X87Status.precision)
            return x
        }
        return evaluateLinear(CLINUX_EXP2M1, x.unpacked, x.unpacked)
    }

    /// FYL2X: y · log2(x).
    mutating func logarithm(y: Extended, x: Extended) -> Extended {
        if let result = screen(y, x) { return result }
        if x.kind == .zero {
            if y.kind == .zero { return invalid() }
            if y.kind != .infinity { note(X87Status.zeroDivide) }
            return .infinity(negative: !y.isNegative)
        }
        if x.isNegative { return invalid() }
        if x.kind == .infinity {
            if y.kind == .zero { return invalid() }
            noteDenormals(y)
            return .infinity(negative: y.isNegative)
        }
        let isOne = x == .one
        if y.kind == .infinity && isOne { return invalid() }
        noteDenormals(y, x)
        let negative = y.isNegative != (x.exponent < Extended.bias)
        if y.kind == .infinity { return .infinity(negative: negative) }
        if y.kind == .zero || isOne { return .zero(negative: negative) }
        return product(CLINUX_LOG2, x, y)
    }

    /// FYL2XP1: y · log2(x + 1), for x near zero; −1 and less give the operand.
    mutating func logarithmPlusOne(y: Extended, x: Extended) -> Extended {
        if let result = screen(y, x) { return result }
        let negative = y.isNegative != x.isNegative
        if x.kind == .infinity {
            if x.isNegative || y.kind == .zero { return invalid() }
            noteDenormals(y)
            return .infinity(negative: negative)
        }
        if y.kind == .infinity {
            if x.kind == .zero { return invalid() }
            noteDenormals(x)
            return .infinity(negative: negative)
        }
        noteDenormals(y, x)
        if x.kind == .zero || y.kind == .zero { return .zero(negative: negative) }
        if x.isNegative && x.exponent >= Extended.bias {
            // No logarithm is promised here.
            note(X87Status.precision)
            return x
        }
        return product(CLINUX_LOG2P1, x, y)
    }

    /// The factor y goes through the C library as 1 to 2, lest the product leave its range.
    private mutating func product(
        _ function: clinux_function, _ x: Extended, _ y: Extended
    ) -> Extended {
        var factor = y.unpacked
        let power = factor.exponent &- Extended.bias
        factor.exponent = Extended.bias
        return function == CLINUX_LOG2
            ? evaluate(function, x.unpacked, factor, power: power)
            : evaluateLinear(function, x.unpacked, factor, power: power)
    }
}

extension clinux_real {
    fileprivate init(_ value: Unpacked) {
        self.init(
            significand: value.significand, exponent: value.exponent &- Extended.bias &- 63,
            negative: value.negative ? 1 : 0)
    }
}

/// FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1.
extension X87Handlers {
    static let sine: Handler = {
        angle($0, $1) {
            $0.trigonometric($1, .sine)
        } second: { _ in
            nil
        }
    }
    static let cosine: Handler = {
        angle($0, $1) {
            $0.trigonometric($1, .cosine)
        } second: { _ in
            nil
        }
    }
    static let sineAndCosine: Handler = {
        angle($0, $1) {
            $0.trigonometric($1, .sine)
        } second: { value in
            var context = FloatContext(control: 0x37f)
            return context.trigonometric(value, .cosine)
        }
    }
    /// FPTAN pushes 1 behind the tangent, or the NaN again.
    static let tangent: Handler = {
        angle($0, $1) {
            $0.trigonometric($1, .tangent)
        } second: { value in
            var context = FloatContext(control: 0x37f)
            if value.kind == .infinity { return .indefinite }
            return context.screen(value) ?? .one
        }
    }

    /// ST(0) := the first function; what the second gives, if anything, is pushed.
    @inline(__always) private static func angle(
        _ processor: UInt, _ operation: UInt,
        _ first: (inout FloatContext, Extended) -> Extended,
        second: (Extended) -> Extended?
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            cpu.state.x87.status &= ~X87Status.c2
            let value = cpu.stack(0)
            let pushed = second(value)
            if cpu.isEmptyX87(0) || pushed != nil && !cpu.isEmptyX87(7) {
                guard cpu.stackFault(overflow: !cpu.isEmptyX87(0)) else { return op.next }
                replaceTop(cpu, .indefinite, pushed == nil ? nil : .indefinite)
                return op.next
            }
            if FloatContext.isBeyondReduction(value) {
                cpu.state.x87.status = cpu.state.x87.status & ~X87Status.c1 | X87Status.c2
                return op.next
            }
            var context = cpu.x87Context
            let result = first(&context, value)
            if cpu.settle(context) { replaceTop(cpu, result, pushed) }
            return op.next
        }
    }

    private static func replaceTop(_ cpu: Processor, _ value: Extended, _ pushed: Extended?) {
        cpu.setStack(0, value)
        guard let pushed else { return }
        cpu.state.x87.top = (cpu.state.x87.top &- 1) & 7
        cpu.setStack(0, pushed)
    }

    static let exponential: Handler = { onTop($0, $1) { $0.exponential($1) } }
    static let arcTangent: Handler = { intoSecond($0, $1) { $0.arcTangent(y: $2, x: $1) } }
    static let logarithm: Handler = { intoSecond($0, $1) { $0.logarithm(y: $2, x: $1) } }
    static let logarithmPlusOne: Handler = {
        intoSecond($0, $1) { $0.logarithmPlusOne(y: $2, x: $1) }
    }

    /// ST(1) := a function of ST(0) and ST(1); the stack is popped.
    @inline(__always) private static func intoSecond(
        _ processor: UInt, _ operation: UInt,
        _ body: (inout FloatContext, Extended, Extended) -> Extended
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(1) {
                guard cpu.stackFault(overflow: false) else { return op.next }
                cpu.setStack(1, .indefinite)
            } else {
                var context = cpu.x87Context
                let result = body(&context, cpu.stack(0), cpu.stack(1))
                guard cpu.settle(context) else { return op.next }
                cpu.setStack(1, result)
            }
            cpu.popX87()
            return op.next
        }
    }
}
