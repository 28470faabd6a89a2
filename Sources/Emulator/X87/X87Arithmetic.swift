// SPDX-License-Identifier: Apache-2.0

/// FADD to FDIVR in all forms. `extra` is the operation as in ModRM.reg: 0 add, 1 multiply,
/// 4 subtract, 5 reversed, 6 divide, 7 reversed. Intel SDM 1, 8.3.3.
extension X87Handlers {
    @inline(__always) private static func compute(
        _ context: inout FloatContext, _ kind: UInt16, _ top: Extended, _ other: Extended
    ) -> Extended {
        switch kind {
        case 0: context.add(top, other)
        case 1: context.multiply(top, other)
        case 4: context.add(top, other, subtracting: true)
        case 5: context.add(other, top, subtracting: true)
        case 6: context.divide(top, by: other)
        default: context.divide(other, by: top)
        }
    }

    /// ST(0) with an operand from memory.
    @inline(__always) private static func withMemory(
        _ processor: UInt, _ operation: UInt,
        _ read: (Processor, UInt64, inout FloatContext) -> Extended?
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            var context = cpu.x87Context
            guard let other = read(cpu, cpu.effectiveAddress(op), &context) else {
                return cpu.fault(op)
            }
            if cpu.isEmptyX87(0) {
                if cpu.stackFault(overflow: false) { cpu.setStack(0, .indefinite) }
                return op.next
            }
            let result = memoryResult(&context, op.extra, cpu.stack(0), other)
            if cpu.settle(context) { cpu.setStack(0, result) }
            return op.next
        }
    }

    /// A denormal in memory counts only beside a number other than a divisor of zero.
    @inline(__always) private static func memoryResult(
        _ context: inout FloatContext, _ kind: UInt16, _ top: Extended, _ other: Extended
    ) -> Extended {
        let found = context.flags
        context.flags = 0
        let result = compute(&context, kind, top, other)
        let prior = X87Status.invalid | X87Status.zeroDivide
        if top.isNumber && context.flags & prior == 0 { context.note(found) }
        return result
    }

    static let arithmeticSingle: Handler = {
        withMemory($0, $1) { cpu, address, context in
            cpu.load(address, UInt32.self).map { context.decode(UInt64($0), .single) }
        }
    }
    static let arithmeticDouble: Handler = {
        withMemory($0, $1) { cpu, address, context in
            cpu.load(address, UInt64.self).map { context.decode($0, .double) }
        }
    }
    static let arithmeticInt32: Handler = {
        withMemory($0, $1) { cpu, address, _ in
            cpu.load(address, UInt32.self).map { FloatContext.integer($0.extended) }
        }
    }
    static let arithmeticInt16: Handler = {
        withMemory($0, $1) { cpu, address, _ in
            cpu.load(address, UInt16.self).map { FloatContext.integer($0.extended) }
        }
    }

    @inline(__always) private static func withRegister(
        _ processor: UInt, _ operation: UInt, toTop: Bool, pops: Bool
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            let target = toTop ? 0 : op.rm
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(op.rm) {
                guard cpu.stackFault(overflow: false) else { return op.next }
                cpu.setStack(target, .indefinite)
            } else {
                var context = cpu.x87Context
                let result = compute(&context, op.extra, cpu.stack(0), cpu.stack(op.rm))
                guard cpu.settle(context) else { return op.next }
                cpu.setStack(target, result)
            }
            if pops { cpu.popX87() }
            return op.next
        }
    }

    /// ST(0) := ST(0) with ST(i); ST(i) := the same; and with the stack popped.
    static let arithmeticToTop: Handler = { withRegister($0, $1, toTop: true, pops: false) }
    static let arithmeticToRegister: Handler = { withRegister($0, $1, toTop: false, pops: false) }
    static let arithmeticAndPop: Handler = { withRegister($0, $1, toTop: false, pops: true) }

    // MARK: One operand

    /// ST(0) := a function of itself, the indefinite if it is empty.
    @inline(__always) static func onTop(
        _ processor: UInt, _ operation: UInt,
        _ body: (inout FloatContext, Extended) -> Extended
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            if cpu.isEmptyX87(0) {
                if cpu.stackFault(overflow: false) { cpu.setStack(0, .indefinite) }
                return op.next
            }
            var context = cpu.x87Context
            let result = body(&context, cpu.stack(0))
            if cpu.settle(context) { cpu.setStack(0, result) }
            return op.next
        }
    }

    static let changeSign: Handler = { onTop($0, $1) { $1.negated } }
    static let absolute: Handler = { onTop($0, $1) { $1.magnitude } }
    static let squareRoot: Handler = { onTop($0, $1) { $0.squareRoot($1) } }
    static let roundToInteger: Handler = { onTop($0, $1) { $0.roundToInteger($1) } }

    // MARK: Scaling and remainders

    /// FSCALE: ST(0) by ST(1).
    static let scale: Handler = {
        waiting($0, $1) { cpu, op in
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(1) {
                if cpu.stackFault(overflow: false) { cpu.setStack(0, .indefinite) }
                return op.next
            }
            var context = cpu.x87Context
            let result = context.scale(cpu.stack(0), by: cpu.stack(1))
            if cpu.settle(context) { cpu.setStack(0, result) }
            return op.next
        }
    }

    static let remainder: Handler = { reduce($0, $1, nearest: false) }
    static let nearestRemainder: Handler = { reduce($0, $1, nearest: true) }

    /// FPREM, FPREM1: the quotient's bits 2, 1, 0 go to C0, C3, C1.
    @inline(__always) private static func reduce(
        _ processor: UInt, _ operation: UInt, nearest: Bool
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(1) {
                cpu.state.x87.status &= ~X87Status.c2
                if cpu.stackFault(overflow: false) { cpu.setStack(0, .indefinite) }
                return op.next
            }
            var context = cpu.x87Context
            let result = context.remainder(cpu.stack(0), cpu.stack(1), nearest: nearest)
            let completes = cpu.settle(context)
            if context.flags & X87Status.invalid != 0 || !result.value.isNumber {
                // There is no quotient: C0 and C3 stay.
                cpu.state.x87.status &= ~X87Status.c2
                if completes { cpu.setStack(0, result.value) }
                return op.next
            }
            guard completes else {
                cpu.state.x87.status &= ~X87Status.c2
                return op.next
            }
            cpu.setStack(0, result.value)
            var conditions: UInt16 = result.partial ? X87Status.c2 : 0
            if result.quotient & 4 != 0 { conditions |= X87Status.c0 }
            if result.quotient & 2 != 0 { conditions |= X87Status.c3 }
            if result.quotient & 1 != 0 { conditions |= X87Status.c1 }
            cpu.state.x87.status = cpu.state.x87.status & ~X87Status.conditions | conditions
            return op.next
        }
    }

    /// FXTRACT: the exponent replaces ST(0), the significand is pushed.
    static let extract: Handler = {
        waiting($0, $1) { cpu, op in
            if cpu.isEmptyX87(0) || !cpu.isEmptyX87(7) {
                guard cpu.stackFault(overflow: !cpu.isEmptyX87(0)) else { return op.next }
                cpu.setStack(0, .indefinite)
                cpu.state.x87.top = (cpu.state.x87.top &- 1) & 7
                cpu.setStack(0, .indefinite)
                return op.next
            }
            var context = cpu.x87Context
            let parts = context.extract(cpu.stack(0))
            guard cpu.settle(context) else { return op.next }
            cpu.setStack(0, parts.exponent)
            cpu.state.x87.top = (cpu.state.x87.top &- 1) & 7
            cpu.setStack(0, parts.significand)
            return op.next
        }
    }
}
