// SPDX-License-Identifier: Apache-2.0

/// Loads, stores, exchanges and constants. `extra` of a store is 1 if it pops. Intel SDM 1, 8.3.2.
extension X87Handlers {
    // MARK: Loads

    @inline(__always) private static func push(
        _ processor: UInt, _ operation: UInt,
        _ read: (Processor, UInt64, inout FloatContext) -> Extended?
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            var context = cpu.x87Context
            guard let value = read(cpu, cpu.effectiveAddress(op), &context) else {
                return cpu.fault(op)
            }
            cpu.pushX87(value, context)
            return op.next
        }
    }

    static let loadSingle: Handler = {
        push($0, $1) { cpu, address, context in
            cpu.load(address, UInt32.self).map { context.load(UInt64($0), .single) }
        }
    }
    static let loadDouble: Handler = {
        push($0, $1) { cpu, address, context in
            cpu.load(address, UInt64.self).map { context.load($0, .double) }
        }
    }
    static let loadExtended: Handler = {
        push($0, $1) { cpu, address, _ in
            guard let low = cpu.load(address, UInt64.self),
                let high = cpu.load(address &+ 8, UInt16.self)
            else { return nil }
            return Extended(significand: low, signAndExponent: high)
        }
    }
    static let loadInt16: Handler = {
        push($0, $1) { cpu, address, _ in
            cpu.load(address, UInt16.self).map { FloatContext.integer($0.extended) }
        }
    }
    static let loadInt32: Handler = {
        push($0, $1) { cpu, address, _ in
            cpu.load(address, UInt32.self).map { FloatContext.integer($0.extended) }
        }
    }
    static let loadInt64: Handler = {
        push($0, $1) { cpu, address, _ in
            cpu.load(address, UInt64.self).map { FloatContext.integer($0.extended) }
        }
    }
    static let loadDecimal: Handler = {
        push($0, $1) { cpu, address, _ in
            guard let low = cpu.load(address, UInt64.self),
                let high = cpu.load(address &+ 8, UInt16.self)
            else { return nil }
            return FloatContext.decimal(low: low, high: high)
        }
    }

    /// FLD ST(i).
    static let loadRegister: Handler = {
        waiting($0, $1) { cpu, op in
            let value = cpu.stack(op.rm)
            if cpu.isEmptyX87(op.rm) {
                guard cpu.stackFault(overflow: false) else { return op.next }
                // The underflow is what is told even if there is no room either.
                cpu.state.x87.top = (cpu.state.x87.top &- 1) & 7
                cpu.setStack(0, .indefinite)
                return op.next
            }
            cpu.pushX87(value, cpu.x87Context)
            return op.next
        }
    }

    /// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ; `extra` 0 to 6. Intel SDM 1, 8.3.2.
    static let loadConstant: Handler = {
        waiting($0, $1) { cpu, op in
            cpu.pushX87(constant(op.extra, cpu.x87Context.direction), cpu.x87Context)
            return op.next
        }
    }

    private static func constant(
        _ number: UInt16, _ direction: FloatContext.Direction
    ) -> Extended {
        // Significand rounded to nearest, exponent, and whether that is above the exact value.
        let entry: (significand: UInt64, exponent: UInt16, above: Bool)
        switch number {
        case 0: return .one
        case 1: entry = (0xd49a_784b_cd1b_8afe, 0x4000, false)
        case 2: entry = (0xb8aa_3b29_5c17_f0bc, 0x3fff, true)
        case 3: entry = (0xc90f_daa2_2168_c235, 0x4000, true)
        case 4: entry = (0x9a20_9a84_fbcf_f799, 0x3ffd, true)
        case 5: entry = (0xb172_17f7_d1cf_79ac, 0x3ffe, true)
        default: return .zero
        }
        var significand = entry.significand
        switch direction {
        case .nearest: break
        case .up: if !entry.above { significand &+= 1 }
        case .down, .zero: if entry.above { significand &-= 1 }
        }
        return Extended(significand: significand, signAndExponent: entry.exponent)
    }

    // MARK: Stores

    /// Stores what `convert` makes of ST(0), unless an unmasked exception forbids it.
    @inline(__always) private static func store<Value>(
        _ processor: UInt, _ operation: UInt, bytes: Int,
        _ convert: (inout FloatContext, Extended) -> Value,
        _ write: (Processor, UInt64, Value) -> Bool
    ) -> UInt {
        waiting(processor, operation) { cpu, op in
            let address = cpu.effectiveAddress(op)
            var context = cpu.x87Context
            let empty = cpu.isEmptyX87(0)
            let value = convert(&context, empty ? .indefinite : cpu.stack(0))
            let refused =
                empty
                ? !context.isMasked(X87Status.invalid)
                : context.unmasked & ~X87Status.precision != 0
            // What is not written must be writable all the same.
            let done =
                refused ? cpu.probeWrite(address, byteCount: bytes) : write(cpu, address, value)
            guard done else { return cpu.fault(op) }
            if empty {
                _ = cpu.stackFault(overflow: false)
            } else {
                _ = cpu.settle(context)
            }
            if !refused && op.extra != 0 { cpu.popX87() }
            return op.next
        }
    }

    static let storeSingle: Handler = {
        store($0, $1, bytes: 4) {
            $0.encode($1, .single)
        } _: { cpu, address, value in
            cpu.store(address, UInt32(truncatingIfNeeded: value))
        }
    }
    static let storeDouble: Handler = {
        store($0, $1, bytes: 8) {
            $0.encode($1, .double)
        } _: { cpu, address, value in
            cpu.store(address, value)
        }
    }
    static let storeExtended: Handler = {
        store($0, $1, bytes: 10) {
            $1
        } _: { cpu, address, value in
            cpu.storeTen(address, value.significand, value.signAndExponent)
        }
    }
    static let storeDecimal: Handler = {
        store($0, $1, bytes: 10) {
            $0.toDecimal($1)
        } _: { cpu, address, value in
            cpu.storeTen(address, value.low, value.high)
        }
    }
    static let storeInt16: Handler = { storeInteger($0, $1, UInt16.self, truncating: false) }
    static let storeInt32: Handler = { storeInteger($0, $1, UInt32.self, truncating: false) }
    static let storeInt64: Handler = { storeInteger($0, $1, UInt64.self, truncating: false) }
    /// FISTTP.
    static let truncateInt16: Handler = { storeInteger($0, $1, UInt16.self, truncating: true) }
    static let truncateInt32: Handler = { storeInteger($0, $1, UInt32.self, truncating: true) }
    static let truncateInt64: Handler = { storeInteger($0, $1, UInt64.self, truncating: true) }

    @inline(__always) private static func storeInteger<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type, truncating: Bool
    ) -> UInt {
        store(processor, operation, bytes: T.byteCount) {
            $0.toInteger($1, bits: UInt64(T.bitWidth), truncating: truncating)
        } _: { cpu, address, value in
            cpu.store(address, T(truncatingIfNeeded: value))
        }
    }

    // MARK: Registers

    /// FST, FSTP ST(i).
    static let storeRegister: Handler = {
        waiting($0, $1) { cpu, op in
            var value = cpu.stack(0)
            if cpu.isEmptyX87(0) {
                guard cpu.stackFault(overflow: false) else { return op.next }
                value = .indefinite
            } else {
                cpu.state.x87.status &= ~X87Status.c1
            }
            cpu.setStack(op.rm, value)
            if op.extra != 0 { cpu.popX87() }
            return op.next
        }
    }

    /// FSTPNCE: as FSTP ST(i), but an empty ST(0) is popped only, without a stack fault.
    static let storeUnchecked: Handler = {
        waiting($0, $1) { cpu, op in
            cpu.state.x87.status &= ~X87Status.c1
            if !cpu.isEmptyX87(0) { cpu.setStack(op.rm, cpu.stack(0)) }
            cpu.popX87()
            return op.next
        }
    }

    /// FXCH.
    static let exchange: Handler = {
        waiting($0, $1) { cpu, op in
            var top = cpu.stack(0)
            var other = cpu.stack(op.rm)
            if cpu.isEmptyX87(0) || cpu.isEmptyX87(op.rm) {
                guard cpu.stackFault(overflow: false) else { return op.next }
                if cpu.isEmptyX87(0) { top = .indefinite }
                if cpu.isEmptyX87(op.rm) { other = .indefinite }
            } else {
                cpu.state.x87.status &= ~X87Status.c1
            }
            cpu.setStack(0, other)
            cpu.setStack(op.rm, top)
            return op.next
        }
    }

    /// FFREE, FFREEP (`extra` 1).
    static let free: Handler = {
        waiting($0, $1) { cpu, op in
            cpu.state.x87.empty |= 1 &<< ((cpu.state.x87.top &+ op.rm) & 7)
            cpu.state.x87.status &= ~X87Status.c1
            if op.extra != 0 { cpu.popX87() }
            return op.next
        }
    }

    /// FINCSTP, FDECSTP: the top moves by `extra`.
    static let moveTop: Handler = {
        waiting($0, $1) { cpu, op in
            cpu.state.x87.top = (cpu.state.x87.top &+ UInt8(truncatingIfNeeded: op.extra)) & 7
            cpu.state.x87.status &= ~X87Status.c1
            return op.next
        }
    }

    /// What once switched interrupts or modes of a coprocessor.
    static let ignored: Handler = { Op($1).next }
    /// FNOP.
    static let nothing: Handler = { waiting($0, $1) { $1.next } }
}

extension Processor {
    /// Writes ten bytes, all or nothing.
    func storeTen(_ address: UInt64, _ low: UInt64, _ high: UInt16) -> Bool {
        probeWrite(address, byteCount: 10) && store(address, low) && store(address &+ 8, high)
    }
}
