// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Loading segment registers other than CS. Intel SDM 2, MOV; SDM 3, 5.5 to 5.7.
extension Processor {
    /// Loads segment register `number` (not 1, CS). False: an exception is pending.
    func loadSegment(_ number: Int, _ selector: UInt16) -> Bool {
        guard state.mode.has(CodeMode.protected) else {
            loadReal(number, selector)
            return true
        }
        if selector & 0xfffc == 0 { return loadNull(number, selector) }
        guard let descriptor = descriptor(selector, else: .generalProtection) else { return false }
        let usable =
            number == 2
            ? checkStack(selector, descriptor, privilege: state.privilege, .generalProtection)
            : checkData(selector, descriptor)
        guard usable, markAccessed(selector, descriptor) else { return false }
        setSegment(number, descriptor.segment(selector))
        updateMode()
        return true
    }

    /// Real mode: the base follows from the selector, the rest stays.
    func loadReal(_ number: Int, _ selector: UInt16) {
        var segment = state.segments[number]
        segment.selector = selector
        segment.base = UInt64(selector) << 4
        if number == 1 { segment.attributes = 0x9b }
        setSegment(number, segment)
        updateMode()
    }

    private func loadNull(_ number: Int, _ selector: UInt16) -> Bool {
        if number == 2 {
            let rpl = UInt8(selector & 3)
            guard state.mode.is64, state.privilege != 3, rpl == state.privilege else {
                pend(.generalProtection)
                return false
            }
        }
        setSegment(number, nullSegment(selector))
        updateMode()
        return true
    }

    /// An unusable segment; its DPL is the RPL, which is how SS tells CPL.
    func nullSegment(_ selector: UInt16) -> Segment {
        Segment(selector: selector, base: 0, limit: 0, attributes: (selector & 3) << 5)
    }

    /// What SS must be for code of level `privilege`: `exception` if it is something else, #SS if
    /// it is absent.
    func checkStack(
        _ selector: UInt16, _ descriptor: Descriptor, privilege: UInt8, _ exception: Exception,
        external: UInt32 = 0
    ) -> Bool {
        guard UInt8(selector & 3) == privilege, descriptor.isWritableData,
            descriptor.dpl == privilege
        else { return refuse(exception, selector, external: external) }
        guard descriptor.isPresent else { return refuse(.stack, selector, external: external) }
        return true
    }

    private func checkData(_ selector: UInt16, _ descriptor: Descriptor) -> Bool {
        guard descriptor.isData || descriptor.isReadableCode else {
            return refuse(.generalProtection, selector)
        }
        if !descriptor.isConforming {
            let least = max(state.privilege, UInt8(selector & 3))
            guard descriptor.dpl >= least else { return refuse(.generalProtection, selector) }
        }
        guard descriptor.isPresent else { return refuse(.segmentNotPresent, selector) }
        return true
    }

    /// After a return to an outer level: data segments that it may not use become null.
    func dropInnerSegments() {
        for number in 0..<6 where number != 1 && number != 2 {
            let segment = state.segments[number]
            let type = segment.attributes & 0x1f
            let conforming = type & 0x1c == 0x1c
            let dpl = UInt8(segment.attributes >> 5 & 3)
            let unusable = segment.attributes & 0x80 == 0
            if !unusable && !conforming && dpl < state.privilege {
                setSegment(number, nullSegment(0))
            }
        }
    }

    /// MOV Sreg, POP Sreg: goes on behind the instruction, or leaves the block where the next
    /// instructions are to be decoded in another way, or are to be kept from interrupts (SS).
    func finishSegmentLoad(_ op: Op, _ number: Int, oldMode: UInt8) -> UInt {
        if number == 2 {
            state.inhibitInterrupts = true
            return leave(op)
        }
        return state.mode.rawValue == oldMode ? op.next : leave(op)
    }

    /// Reads the 16-bit operand: register `rm`, or memory if bit 15 of `extra` is set.
    @inline(__always) func word(_ op: Op) -> UInt16? {
        op.extra & 0x8000 != 0 ? load(effectiveAddress(op), UInt16.self) : get(op.rm, UInt16.self)
    }

    /// MOV Sreg, r/m16. `reg` of the operation is the segment's number.
    func moveToSegment(_ op: Op) -> UInt {
        let number = Int(op.reg)
        let mode = state.mode.rawValue
        guard let selector = word(op), loadSegment(number, selector) else { return fault(op) }
        return finishSegmentLoad(op, number, oldMode: mode)
    }

    /// MOV r/m16, Sreg: registers get it zero-extended to the operand size.
    func moveFromSegment(_ op: Op) -> UInt {
        let selector = state.segments[Int(op.reg)].selector
        if op.extra & 0x8000 != 0 {
            return store(effectiveAddress(op), selector) ? op.next : fault(op)
        }
        setSized(op.rm, UInt64(selector), size: Int(op.extra & 3))
        return op.next
    }

    /// Writes a general register, `size` 1 to 3.
    func setSized(_ register: UInt8, _ value: UInt64, size: Int) {
        switch size {
        case 1: set(register, UInt16(truncatingIfNeeded: value))
        case 2: set(register, UInt32(truncatingIfNeeded: value))
        default: set(register, value)
        }
    }

    /// PUSH Sreg; `extra` is the size.
    func pushSegment(_ op: Op) -> UInt {
        var stack = StackCursor(self)
        let selector = UInt64(state.segments[Int(op.reg)].selector)
        guard stack.push(selector, size: Int(op.extra), self) else { return fault(op) }
        stack.commit(self)
        return op.next
    }

    /// POP Sreg; `extra` is the size.
    func popSegment(_ op: Op) -> UInt {
        let number = Int(op.reg)
        let mode = state.mode.rawValue
        var stack = StackCursor(self)
        guard let value = stack.pop(size: Int(op.extra), self) else { return fault(op) }
        guard loadSegment(number, UInt16(truncatingIfNeeded: value)) else { return fault(op) }
        stack.commit(self)
        return finishSegmentLoad(op, number, oldMode: mode)
    }

    /// LDS, LES, LSS, LFS, LGS. `reg` is the general register, `rm` the segment's number, `extra`
    /// the size of the offset.
    func loadFarPointer(_ op: Op) -> UInt {
        let number = Int(op.rm)
        let mode = state.mode.rawValue
        guard let pointer = farPointer(op), loadSegment(number, pointer.selector) else {
            return fault(op)
        }
        setSized(op.reg, pointer.offset, size: Int(op.extra))
        if number == 2 { return leave(op) }
        return finishSegmentLoad(op, number, oldMode: mode)
    }

    /// Reads m16:16, m16:32 or m16:64, by `extra` 1 to 3.
    func farPointer(_ op: Op) -> (selector: UInt16, offset: UInt64)? {
        let address = effectiveAddress(op)
        let size = Int(op.extra)
        guard let offset = programLoad(address, size: size),
            let selector = load(address &+ (1 &<< UInt64(size)), UInt16.self)
        else { return nil }
        return (selector, offset)
    }
}
