// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Instructions on RFLAGS as a whole, IF and AC, and HLT. Intel SDM 2.
extension Processor {
    /// True if the program may change IF: CPL is not above IOPL.
    @inline(__always) private var mayChangeInterrupts: Bool {
        state.privilege <= UInt8(truncatingIfNeeded: state.systemFlags >> 12) & 3
    }

    /// CLI.
    func clearInterrupts(_ op: Op) -> UInt {
        guard mayChangeInterrupts else { return raise(op, .generalProtection) }
        state.systemFlags &= ~ControlBits.interrupt
        return op.next
    }

    /// STI. The next instruction runs before an interrupt that waits is taken.
    func setInterrupts(_ op: Op) -> UInt {
        guard mayChangeInterrupts else { return raise(op, .generalProtection) }
        let wasSet = state.systemFlags & ControlBits.interrupt != 0
        state.systemFlags |= ControlBits.interrupt
        if wasSet || !state.interruptWaiting { return op.next }
        state.inhibitInterrupts = true
        return leave(op)
    }

    /// CLAC and STAC. #UD unless CPL 0; bit 18 of the immediate is the new AC.
    func changeAccess(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .invalidOpcode) }
        let bit = UInt64(truncatingIfNeeded: op.immediate) & ControlBits.ac
        state.systemFlags = state.systemFlags & ~ControlBits.ac | bit
        updateMode()
        return op.next
    }

    /// PUSHF; `extra` is the size.
    func pushFlags(_ op: Op) -> UInt {
        var stack = StackCursor(self)
        let value = rflags & ~(ControlBits.rf | ControlBits.vm)
        guard stack.push(value, size: Int(op.extra), self) else { return fault(op) }
        stack.commit(self)
        return op.next
    }

    /// POPF; `extra` is the size. Leaves the block if an interrupt or a trap may now be due.
    func popFlags(_ op: Op) -> UInt {
        var stack = StackCursor(self)
        guard let value = stack.pop(size: Int(op.extra), self) else { return fault(op) }
        stack.commit(self)
        var mask = ControlBits.flagsWritable
        if op.extra == 1 { mask &= 0xffff }
        if state.privilege > 0 { mask &= ~ControlBits.iopl }
        if !mayChangeInterrupts { mask &= ~ControlBits.interrupt }
        let old = rflags
        let new = old & ~(mask | ControlBits.rf) | value & mask
        rflags = new
        noteStep(before: old)
        if (old ^ new) & ControlBits.ac != 0 { updateMode() }
        let enabled = ~old & new & ControlBits.interrupt != 0
        if new & ControlBits.tf != 0 || enabled && state.interruptWaiting { return leave(op) }
        return op.next
    }

    /// The trap of a single step follows an instruction that itself clears TF. Intel SDM 3,
    /// 18.3.1.4.
    func noteStep(before: UInt64) {
        if before & ControlBits.tf != 0 { state.watchHits |= Self.debugStep }
    }

    /// LAHF.
    func loadFlags(_ op: Op) -> UInt {
        set(Register.rax &+ 1, UInt8(truncatingIfNeeded: flags.bits) | 2)
        return op.next
    }

    /// SAHF.
    func storeFlags(_ op: Op) -> UInt {
        let value = UInt64(get(Register.rax &+ 1, UInt8.self))
        flags = Flags(bits: value & 0xd5 | (flags.overflow ? 0x800 : 0))
        return op.next
    }

    /// HLT. #GP(0) unless CPL 0.
    func halt(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        state.leaving = .halt
        return leave(op)
    }
}
