// SPDX-License-Identifier: Apache-2.0

/// FCOM, FUCOM, FICOM, FCOMI, FTST, FXAM, FCMOV. Intel SDM 1, 8.3.6.
extension X87Handlers {
    /// Compares ST(0) with `other` (nil: an empty register) and pops `pops` registers.
    @inline(never) private static func compare(
        _ cpu: Processor, _ other: Extended?, _ context: FloatContext, quiet: Bool, pops: UInt16
    ) {
        var order = FloatContext.Order.unordered
        let completes: Bool
        if let other, !cpu.isEmptyX87(0) {
            var context = context
            let top = cpu.stack(0)
            if !top.isNumber { context.flags = 0 }
            order = context.compare(top, other, quiet: quiet)
            completes = cpu.settle(context)
        } else {
            completes = cpu.stackFault(overflow: false)
        }
        cpu.state.x87.status =
            cpu.state.x87.status & ~(X87Status.conditions & ~X87Status.c1) | order.rawValue
        guard completes else { return }
        for _ in 0..<pops { cpu.popX87() }
    }

    /// FCOM, FUCOM with ST(i); `extra`: registers to pop, 0 to 2.
    static let compareRegister: Handler = {
        waiting($0, $1) { cpu, op in
            let other = cpu.isEmptyX87(op.rm) ? nil : cpu.stack(op.rm)
            compare(cpu, other, cpu.x87Context, quiet: false, pops: op.extra)
            return op.next
        }
    }
    static let compareQuietly: Handler = {
        waiting($0, $1) { cpu, op in
            let other = cpu.isEmptyX87(op.rm) ? nil : cpu.stack(op.rm)
            compare(cpu, other, cpu.x87Context, quiet: true, pops: op.extra)
            return op.next
        }
    }
    /// FTST: with zero.
    static let test: Handler = {
        waiting($0, $1) { cpu, op in
            compare(cpu, .zero, cpu.x87Context, quiet: false, pops: 0)
            return op.next
        }
    }

    /// FCOM, FICOM with memory; `extra`: registers to pop, 0 or 1.
    @inline(__always) private static func withMemory(
        _ processor: UInt, _ operation: UInt,
        _ read: (Processor, UInt64, inout FloatContext) -> Extended?
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            var context = cpu.x87Context
            guard let other = read(cpu, cpu.effectiveAddress(op), &context) else {
                return cpu.fault(op)
            }
            compare(cpu, other, context, quiet: false, pops: op.extra)
            return op.next
        }
    }
    static let compareSingle: Handler = {
        withMemory($0, $1) { cpu, address, context in
            cpu.load(address, UInt32.self).map { context.decode(UInt64($0), .single) }
        }
    }
    static let compareDouble: Handler = {
        withMemory($0, $1) { cpu, address, context in
            cpu.load(address, UInt64.self).map { context.decode($0, .double) }
        }
    }
    static let compareInt32: Handler = {
        withMemory($0, $1) { cpu, address, _ in
            cpu.load(address, UInt32.self).map { FloatContext.integer($0.extended) }
        }
    }
    static let compareInt16: Handler = {
        withMemory($0, $1) { cpu, address, _ in
            cpu.load(address, UInt16.self).map { FloatContext.integer($0.extended) }
        }
    }

    // MARK: To RFLAGS

    /// FCOMI, FUCOMI; `extra`: registers to pop, 0 or 1.
    static let compareToFlags: Handler = { toFlags($0, $1, quiet: false) }
    static let compareQuietlyToFlags: Handler = { toFlags($0, $1, quiet: true) }

    @inline(__always) private static func toFlags(
        _ processor: UInt, _ operation: UInt, quiet: Bool
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            var order = FloatContext.Order.unordered
            let completes: Bool
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(op.rm) {
                completes = cpu.stackFault(overflow: false)
            } else {
                var context = cpu.x87Context
                order = context.compare(cpu.stack(0), cpu.stack(op.rm), quiet: quiet)
                // C1 stays as it is.
                let kept = cpu.state.x87.status & X87Status.c1
                completes = cpu.settle(context)
                cpu.state.x87.status |= kept
            }
            switch order {
            case .greater: cpu.flags = Flags(bits: 0)
            case .less: cpu.flags = Flags(bits: 1)
            case .equal: cpu.flags = Flags(bits: 0x40)
            case .unordered: cpu.flags = Flags(bits: 0x45)
            }
            if completes && op.extra != 0 { cpu.popX87() }
            return op.next
        }
    }

    // MARK: Classes and conditions

    /// FXAM: sign in C1, class in C3 C2 C0.
    static let examine: Handler = {
        waiting($0, $1) { cpu, op in
            let value = cpu.stack(0)
            var conditions: UInt16 = value.isNegative ? X87Status.c1 : 0
            if cpu.isEmptyX87(0) {
                conditions |= X87Status.c3 | X87Status.c0
            } else {
                switch value.kind {
                case .unsupported: break
                case .quiet, .signaling: conditions |= X87Status.c0
                case .normal: conditions |= X87Status.c2
                case .infinity: conditions |= X87Status.c2 | X87Status.c0
                case .zero: conditions |= X87Status.c3
                case .denormal: conditions |= X87Status.c3 | X87Status.c2
                }
            }
            cpu.state.x87.status = cpu.state.x87.status & ~X87Status.conditions | conditions
            return op.next
        }
    }

    /// FCMOVcc; `extra` is the condition code.
    static let conditionalMove: Handler = {
        waiting($0, $1) { cpu, op in
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(op.rm) {
                if cpu.stackFault(overflow: false) { cpu.setStack(0, .indefinite) }
                return op.next
            }
            if cpu.flags.holds(op.extra) { cpu.setStack(0, cpu.stack(op.rm)) }
            return op.next
        }
    }
}
