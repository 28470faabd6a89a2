// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR and the instructions that ask about descriptors.
/// Intel SDM 2.
extension Processor {
    // MARK: GDTR and IDTR

    /// LGDT and LIDT (`reg` not 0). `extra` is 1 where the base has 24 bits, 3 in 64-bit code.
    func loadTable(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let address = effectiveAddress(op)
        guard let limit = load(address, UInt16.self),
            let raw = programLoad(address &+ 2, size: op.extra == 3 ? 3 : 2)
        else { return fault(op) }
        let base = op.extra == 1 ? raw & 0xff_ffff : raw
        guard op.extra != 3 || isCanonical(base) else { return raise(op, .generalProtection) }
        let table = DescriptorTable(base: base, limit: limit)
        if op.reg == 0 { state.gdt = table } else { state.idt = table }
        return op.next
    }

    /// SGDT and SIDT (`reg` not 0). `extra` is 3 in 64-bit code.
    func storeTable(_ op: Op) -> UInt {
        let table = op.reg == 0 ? state.gdt : state.idt
        let address = effectiveAddress(op)
        let isLong = op.extra == 3
        guard probeWrite(address, byteCount: isLong ? 10 : 6), store(address, table.limit),
            programStore(address &+ 2, size: isLong ? 3 : 2, table.base)
        else { return fault(op) }
        return op.next
    }

    // MARK: LDTR and TR

    /// SLDT and STR (`reg` not 0): memory gets 16 bits, a register the operand size.
    func storeSystemSegment(_ op: Op) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return raise(op, .invalidOpcode) }
        let selector = op.reg == 0 ? state.ldt.selector : state.task.selector
        if op.extra & 0x8000 != 0 {
            return store(effectiveAddress(op), selector) ? op.next : fault(op)
        }
        setSized(op.rm, UInt64(selector), size: Int(op.extra & 3))
        return op.next
    }

    /// LLDT and LTR (`reg` not 0).
    func loadSystemSegment(_ op: Op) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return raise(op, .invalidOpcode) }
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        guard let selector = word(op) else { return fault(op) }
        let done = op.reg == 0 ? loadLocalTable(selector) : loadTask(selector)
        return done ? op.next : fault(op)
    }

    private func loadLocalTable(_ selector: UInt16) -> Bool {
        if selector & 0xfffc == 0 {
            state.ldt = Segment(selector: selector, base: 0, limit: 0, attributes: 0)
            return true
        }
        guard selector & 4 == 0 else { return refuse(.generalProtection, selector) }
        guard let descriptor = systemDescriptor(selector, else: .generalProtection) else {
            return false
        }
        guard descriptor.type == 2 else { return refuse(.generalProtection, selector) }
        guard descriptor.isPresent else { return refuse(.segmentNotPresent, selector) }
        guard isCanonical(descriptor.base) else { return refuse(.generalProtection, selector) }
        state.ldt = descriptor.segment(selector)
        return true
    }

    /// The descriptor becomes busy.
    private func loadTask(_ selector: UInt16) -> Bool {
        guard selector & 0xfffc != 0 else {
            pend(.generalProtection)
            return false
        }
        guard selector & 4 == 0 else { return refuse(.generalProtection, selector) }
        guard let descriptor = systemDescriptor(selector, else: .generalProtection),
            let address = descriptorAddress(selector)
        else { return false }
        let isLong = state.mode.has(CodeMode.longActive)
        guard descriptor.type == 9 || descriptor.type == 1 && !isLong,
            isCanonical(descriptor.base)
        else { return refuse(.generalProtection, selector) }
        guard descriptor.isPresent else { return refuse(.segmentNotPresent, selector) }
        let busy = UInt8(truncatingIfNeeded: descriptor.low >> 40) | 2
        guard systemStore(address &+ 5, busy) else { return false }
        state.task = descriptor.segment(selector)
        state.task.attributes |= 2
        return true
    }

    // MARK: Questions

    /// What LAR, LSL, VERR and VERW look at: a descriptor that the program can see. The outer nil:
    /// an exception is pending; the inner one: ZF will be clear.
    private func visibleDescriptor(_ selector: UInt16) -> Descriptor?? {
        guard selector & 0xfffc != 0, let address = descriptorAddress(selector) else {
            return .some(nil)
        }
        guard let low = systemLoad(address, UInt64.self) else { return nil }
        let descriptor = Descriptor(low: low)
        let least = max(state.privilege, UInt8(selector & 3))
        guard descriptor.isConforming || descriptor.dpl >= least else { return .some(nil) }
        return .some(descriptor)
    }

    /// LAR: `reg` gets the access rights; `extra` has the size in its low bits.
    func loadAccessRights(_ op: Op) -> UInt {
        query(op) { descriptor, isLong in
            guard descriptor.isSystem else { return true }
            switch descriptor.type {
            case 2, 9, 11, 12: return true
            case 1, 3, 4, 5: return !isLong
            default: return false
            }
        } answer: { descriptor in
            descriptor.low >> 32 & 0x00f0_ff00
        }
    }

    /// LSL: `reg` gets the limit in bytes.
    func loadSegmentLimit(_ op: Op) -> UInt {
        query(op) { descriptor, isLong in
            guard descriptor.isSystem else { return true }
            switch descriptor.type {
            case 2, 9, 11: return true
            case 1, 3: return !isLong
            default: return false
            }
        } answer: { descriptor in
            UInt64(descriptor.limit)
        }
    }

    @inline(__always) private func query(
        _ op: Op, _ isValid: (Descriptor, Bool) -> Bool, answer: (Descriptor) -> UInt64
    ) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return raise(op, .invalidOpcode) }
        guard let selector = word(op), let found = visibleDescriptor(selector) else {
            return fault(op)
        }
        guard let descriptor = found, isValid(descriptor, state.mode.has(CodeMode.longActive))
        else {
            setZero(false)
            return op.next
        }
        setSized(op.reg, answer(descriptor), size: Int(op.extra & 3))
        setZero(true)
        return op.next
    }

    /// VERR and VERW (`reg` not 0).
    func verify(_ op: Op) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return raise(op, .invalidOpcode) }
        guard let selector = word(op), let found = visibleDescriptor(selector) else {
            return fault(op)
        }
        let isWrite = op.reg != 0
        setZero(
            found.map { descriptor in
                isWrite
                    ? descriptor.isWritableData : descriptor.isData || descriptor.isReadableCode
            } ?? false)
        return op.next
    }

    /// ARPL: raises the RPL of a selector to that of the register `reg`.
    func adjustLevel(_ op: Op) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return raise(op, .invalidOpcode) }
        guard let selector = word(op) else { return fault(op) }
        let level = get(op.reg, UInt16.self) & 3
        let raised = selector & 3 < level
        let adjusted = raised ? selector & ~3 | level : selector
        if raised && op.extra & 0x8000 != 0 {
            // `extra` bit 0: through CS, which may be read only.
            if op.extra & 1 != 0 { return raise(op, .generalProtection) }
            guard store(effectiveAddress(op), adjusted) else { return fault(op) }
        } else if raised {
            set(op.rm, adjusted)
        }
        setZero(raised)
        return op.next
    }
}
