// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Far JMP, CALL and RET, INT and its kin. Intel SDM 2, JMP, CALL, RET, INT n.
///
/// Operations carry the size of the operand in `extra` (1 to 3 for 16 to 64 bits). All leave the
/// block.
extension Processor {
    /// JMP and CALL ptr16:16, ptr16:32: selector in bits 32 and up of the immediate.
    func jumpFarDirect(_ op: Op) -> UInt {
        let pointer = directPointer(op)
        return jumpFar(op, pointer.selector, pointer.offset)
    }

    func callFarDirect(_ op: Op) -> UInt {
        let pointer = directPointer(op)
        return callFar(op, pointer.selector, pointer.offset)
    }

    private func directPointer(_ op: Op) -> (selector: UInt16, offset: UInt64) {
        let raw = UInt64(bitPattern: op.immediate)
        return (UInt16(truncatingIfNeeded: raw >> 32), raw & 0xffff_ffff)
    }

    /// JMP m16:16, m16:32, m16:64.
    func jumpFarMemory(_ op: Op) -> UInt {
        guard let pointer = farPointer(op) else { return fault(op) }
        return jumpFar(op, pointer.selector, pointer.offset)
    }

    /// CALL m16:16, m16:32, m16:64.
    func callFarMemory(_ op: Op) -> UInt {
        guard let pointer = farPointer(op) else { return fault(op) }
        return callFar(op, pointer.selector, pointer.offset)
    }

    /// Counts the instruction and leaves; ``ProcessorState/rip`` has been set.
    func leaveEntered(_ op: Op) -> UInt { leave(op, to: state.rip) }

    private func jumpFar(_ op: Op, _ selector: UInt16, _ offset: UInt64) -> UInt {
        guard state.mode.has(CodeMode.protected) else {
            guard offset <= UInt64(state.segments[1].limit) else {
                return raise(op, .generalProtection)
            }
            enterReal(selector, offset)
            return leaveEntered(op)
        }
        guard let target = jumpTarget(selector, offset) else { return fault(op) }
        enter(target)
        return leaveEntered(op)
    }

    private func jumpTarget(_ selector: UInt16, _ offset: UInt64) -> CodeTarget? {
        guard selector & 0xfffc != 0 else {
            pend(.generalProtection)
            return nil
        }
        guard let descriptor = descriptor(selector, else: .generalProtection) else { return nil }
        if !descriptor.isSystem { return directTarget(selector, descriptor, offset: offset) }
        guard let gate = callGate(selector, descriptor), let target = gateTarget(gate, isJump: true)
        else { return nil }
        return target
    }

    private func callFar(_ op: Op, _ selector: UInt16, _ offset: UInt64) -> UInt {
        let size = Int(op.extra)
        let back = codeOffset(linearEnd(op))
        var stack = StackCursor(self)
        guard state.mode.has(CodeMode.protected) else {
            guard offset <= UInt64(state.segments[1].limit) else {
                return raise(op, .generalProtection)
            }
            guard pushReturn(&stack, back, size) else { return fault(op) }
            stack.commit(self)
            enterReal(selector, offset)
            return leaveEntered(op)
        }
        guard selector & 0xfffc != 0 else { return raise(op, .generalProtection) }
        guard let descriptor = descriptor(selector, else: .generalProtection) else {
            return fault(op)
        }
        if descriptor.isSystem {
            guard let gate = callGate(selector, descriptor), callThrough(gate, back) else {
                return fault(op)
            }
            return leaveEntered(op)
        }
        guard let target = directTarget(selector, descriptor, offset: offset),
            pushReturn(&stack, back, size)
        else { return fault(op) }
        stack.commit(self)
        enter(target)
        return leaveEntered(op)
    }

    /// Pushes CS and the return offset.
    func pushReturn(_ stack: inout StackCursor, _ back: UInt64, _ size: Int) -> Bool {
        stack.push(UInt64(state.segments[1].selector), size: size, self)
            && stack.push(back, size: size, self)
    }

    /// RETF and RETF imm16; the immediate is what is dropped from the stack besides.
    func returnFar(_ op: Op) -> UInt {
        let size = Int(op.extra)
        let dropped = UInt64(truncatingIfNeeded: op.immediate) & 0xffff
        var stack = StackCursor(self)
        guard let offset = stack.pop(size: size, self),
            let raw = stack.pop(size: size, self)
        else { return fault(op) }
        let selector = UInt16(truncatingIfNeeded: raw)
        guard state.mode.has(CodeMode.protected) else {
            guard offset <= UInt64(state.segments[1].limit) else {
                return raise(op, .generalProtection)
            }
            stack.skip(dropped)
            stack.commit(self)
            enterReal(selector, offset)
            return leaveEntered(op)
        }
        guard let target = returnTarget(selector, offset: offset) else { return fault(op) }
        stack.skip(dropped)
        if target.privilege == state.privilege {
            stack.commit(self)
            enter(target)
            return leaveEntered(op)
        }
        guard let pointer = stack.pop(size: size, self),
            let stackSelector = stack.pop(size: size, self),
            let segment = returnStack(UInt16(truncatingIfNeeded: stackSelector), for: target)
        else { return fault(op) }
        leaveInner(target, segment, pointer &+ dropped, size: size)
        return leaveEntered(op)
    }

    /// Completes a return that has popped its stack, to an outer level or by IRETQ.
    func leaveInner(_ target: CodeTarget, _ stack: Segment, _ pointer: UInt64, size: Int) {
        let isOuter = target.privilege != state.privilege
        setSegment(2, stack)
        enter(target)
        if isOuter {
            dropInnerSegments()
            updateMode()
        }
        if state.mode.is64 {
            rsp = pointer
        } else if stack.attributes & 0x4000 != 0 {
            set(Register.rsp, UInt32(truncatingIfNeeded: pointer))
        } else {
            set(Register.rsp, UInt16(truncatingIfNeeded: pointer))
        }
    }

    // MARK: Interrupts by instruction

    /// INT n, INT3 and INTO: the immediate is the vector. Faults are the instruction's own.
    func softwareInterrupt(_ op: Op) -> UInt {
        interrupt(op, UInt8(truncatingIfNeeded: op.immediate), .software)
    }

    /// INTO.
    func overflowInterrupt(_ op: Op) -> UInt {
        flags.overflow ? softwareInterrupt(op) : op.next
    }

    /// INT1: a trap like a breakpoint's, which no gate's DPL forbids.
    func debugInterrupt(_ op: Op) -> UInt { interrupt(op, 1, .exception) }

    private func interrupt(_ op: Op, _ vector: UInt8, _ kind: InterruptEvent.Kind) -> UInt {
        let event = InterruptEvent(vector: vector, kind: kind, returnAddress: linearEnd(op))
        return enter(event) ? leaveEntered(op) : fault(op)
    }

    /// BOUND: #BR unless the signed register lies between two words in memory. Intel SDM 2, BOUND.
    func checkBounds(_ op: Op) -> UInt {
        let address = effectiveAddress(op)
        let size = Int(op.extra)
        guard let low = programLoad(address, size: size),
            let high = programLoad(address &+ (1 &<< UInt64(size)), size: size)
        else { return fault(op) }
        let shift = UInt64(64) &- (8 &<< UInt64(size))
        func signed(_ value: UInt64) -> Int64 {
            Int64(bitPattern: value &<< shift) &>> Int64(shift)
        }
        let index = signed(get64(op.reg))
        guard index >= signed(low), index <= signed(high) else { return raise(op, .bound) }
        return op.next
    }
}
