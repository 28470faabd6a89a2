// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// IRET, IRETD, IRETQ. Intel SDM 2, IRET; AMD APM 3.
extension Processor {
    /// `extra` is the operand size, 1 to 3. Leaves the block.
    func interruptReturn(_ op: Op) -> UInt {
        guard state.mode.has(CodeMode.protected) else { return returnReal(op) }
        // NT asks for a task switch, which long mode forbids and legacy mode does not get here.
        guard state.systemFlags & ControlBits.nt == 0 else { return raise(op, .generalProtection) }
        let size = Int(op.extra)
        let wasLong = state.mode.is64
        var stack = StackCursor(self)
        guard let offset = stack.pop(size: size, self),
            let selector = stack.pop(size: size, self),
            let flags = stack.pop(size: size, self)
        else { return fault(op) }
        // Virtual 8086 mode is not provided.
        if !state.mode.has(CodeMode.longActive), size == 2, state.privilege == 0,
            flags & ControlBits.vm != 0
        {
            return raise(op, .generalProtection)
        }
        guard let target = returnTarget(UInt16(truncatingIfNeeded: selector), offset: offset)
        else { return fault(op) }
        if target.privilege == state.privilege && !wasLong {
            stack.commit(self)
            restoreFlags(flags, size: size)
            enter(target)
            return finishReturn(op)
        }
        guard let pointer = stack.pop(size: size, self),
            let stackSelector = stack.pop(size: size, self),
            let segment = returnStack(UInt16(truncatingIfNeeded: stackSelector), for: target)
        else { return fault(op) }
        restoreFlags(flags, size: size)
        leaveInner(target, segment, pointer, size: size)
        return finishReturn(op)
    }

    private func returnReal(_ op: Op) -> UInt {
        let size = Int(op.extra)
        var stack = StackCursor(self)
        guard let offset = stack.pop(size: size, self),
            let selector = stack.pop(size: size, self),
            let flags = stack.pop(size: size, self)
        else { return fault(op) }
        guard offset <= UInt64(state.segments[1].limit) else {
            return raise(op, .generalProtection)
        }
        stack.commit(self)
        restoreFlags(flags, size: size)
        enterReal(UInt16(truncatingIfNeeded: selector), offset)
        return finishReturn(op)
    }

    /// Takes over flags as far as the present CPL, before the return, allows.
    private func restoreFlags(_ value: UInt64, size: Int) {
        var mask = ControlBits.flagsWritable
        // RF matters only while instruction breakpoints do.
        if state.debug[7] & 0xff != 0 { mask |= ControlBits.rf }
        if size == 1 { mask &= 0xffff }
        let iopl = UInt8(truncatingIfNeeded: state.systemFlags >> 12) & 3
        if state.privilege > 0 { mask &= ~ControlBits.iopl }
        if state.privilege > iopl { mask &= ~ControlBits.interrupt }
        noteStep(before: rflags)
        let kept = rflags & ~(mask | ControlBits.rf | ControlBits.vm)
        rflags = kept | value & mask
    }

    private func finishReturn(_ op: Op) -> UInt {
        state.system.nmiBlocked = false
        updateMode()
        let next = leaveEntered(op)
        if state.privilege == 3, !state.sawUserCode { noteUserEntry() }
        return next
    }

    /// The guest's first program begins: IRET is how a kernel starts one, SYSRET only goes back.
    @inline(never) private func noteUserEntry() {
        state.sawUserCode = true
        vcpu.userCodeBegins()
    }
}
