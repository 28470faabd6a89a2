// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// MOV to and from control registers, LMSW, SMSW, CLTS, XSETBV and INVLPG.
/// Intel SDM 3, 2.5; AMD APM 2, 3.1.
extension Processor {
    /// MOV r, CRn: `reg` the number, `rm` the register, `extra` the size.
    func readControl(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let value: UInt64
        switch op.reg {
        case 0: value = state.cr0
        case 2: value = state.cr2
        case 3: value = state.cr3
        case 4: value = state.cr4
        default: value = UInt64(atInstruction(op) { $0.taskPriority })
        }
        setSized(op.rm, value, size: Int(op.extra))
        return op.next
    }

    /// MOV CRn, r. Leaves the block, save for CR2.
    func writeControl(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let value = op.extra == 3 ? get64(op.rm) : get64(op.rm) & 0xffff_ffff
        let done: Bool
        switch op.reg {
        case 0: done = setCR0(value)
        case 2:
            state.cr2 = value
            return op.next
        case 3: done = setCR3(value)
        case 4: done = setCR4(value)
        default:
            guard value < 16 else { return raise(op, .generalProtection) }
            atInstruction(op) { $0.taskPriority = UInt8(truncatingIfNeeded: value) }
            return leave(op)
        }
        return done ? leave(op) : raise(op, .generalProtection)
    }

    /// False: #GP(0), nothing has changed.
    func setCR0(_ value: UInt64) -> Bool {
        let new = value & ControlBits.cr0Writable | ControlBits.et
        let old = state.cr0
        let paged = new & ControlBits.pg != 0
        guard value >> 32 == 0,
            !paged || new & ControlBits.pe != 0,
            new & ControlBits.nw == 0 || new & ControlBits.cd != 0
        else { return false }
        if paged && old & ControlBits.pg == 0 {
            guard enablesPaging() else { return false }
        } else if !paged && old & ControlBits.pg != 0 {
            if state.mode.is64 { return false }
            state.msrs.efer &= ~ControlBits.lma
        }
        state.cr0 = new
        let translation = ControlBits.pg | ControlBits.wp | ControlBits.pe
        if (old ^ new) & translation != 0 { flushTLB(global: true) }
        reloadSegments()
        return true
    }

    /// CR0.PG is being set: with EFER.LME this enters long mode.
    private func enablesPaging() -> Bool {
        guard state.msrs.efer & ControlBits.lme != 0 else { return true }
        let long = state.segments[1].attributes & 0x2000 != 0
        guard state.cr4 & ControlBits.pae != 0, !long else { return false }
        state.msrs.efer |= ControlBits.lma
        return true
    }

    private func setCR3(_ value: UInt64) -> Bool {
        guard value >> ControlBits.physicalBits == 0 else { return false }
        state.cr3 = value
        flushTLB(global: false)
        return true
    }

    /// False: #GP(0), nothing has changed.
    func setCR4(_ value: UInt64) -> Bool {
        let old = state.cr4
        let long = state.msrs.efer & ControlBits.lma != 0
        guard value & ~ControlBits.cr4Writable == 0, !long || value & ControlBits.pae != 0 else {
            return false
        }
        state.cr4 = value
        let translation =
            ControlBits.pse | ControlBits.pae | ControlBits.pge | ControlBits.smep
            | ControlBits.smap
        if (old ^ value) & translation != 0 { flushTLB(global: true) }
        updateMode()
        return true
    }

    /// EFER. False: #GP(0).
    func setEFER(_ value: UInt64) -> Bool {
        let writable =
            ControlBits.sce | ControlBits.lme | ControlBits.nxe | ControlBits.automaticIBRS
        let old = state.msrs.efer
        // LMA is read-only; a write that does not match is ignored.
        guard value & ~(writable | ControlBits.lma) == 0 else { return false }
        let changesLong = (old ^ value) & ControlBits.lme != 0
        guard !changesLong || state.cr0 & ControlBits.pg == 0 else { return false }
        state.msrs.efer = value & writable | old & ControlBits.lma
        if (old ^ value) & ControlBits.nxe != 0 { flushTLB(global: true) }
        updateMode()
        return true
    }

    /// SMSW: registers get as much of CR0 as the operand size holds, memory 16 bits.
    func storeMachineStatus(_ op: Op) -> UInt {
        if op.extra & 0x8000 != 0 {
            let value = UInt16(truncatingIfNeeded: state.cr0)
            return store(effectiveAddress(op), value) ? op.next : fault(op)
        }
        setSized(op.rm, state.cr0, size: Int(op.extra & 3))
        return op.next
    }

    /// LMSW: PE (which it cannot clear), MP, EM, TS.
    func loadMachineStatus(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        guard let value = word(op) else { return fault(op) }
        let low = UInt64(value & 15) | state.cr0 & ControlBits.pe
        guard setCR0(state.cr0 & ~15 | low) else { return raise(op, .generalProtection) }
        return leave(op)
    }

    /// CLTS.
    func clearTaskSwitched(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        state.cr0 &= ~ControlBits.ts
        updateMode()
        return leave(op)
    }

    /// INVLPG.
    func invalidatePage(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        flushPage(truncated(effectiveAddress(op)))
        return leave(op)
    }

    /// INVD, WBINVD: there are no caches to write back.
    func invalidateCaches(_ op: Op) -> UInt {
        state.privilege == 0 ? op.next : raise(op, .generalProtection)
    }

    /// XGETBV. #UD unless CR4.OSXSAVE, #GP(0) unless ECX is 0.
    func readExtendedControl(_ op: Op) -> UInt {
        guard state.cr4 & ControlBits.osxsave != 0 else { return raise(op, .invalidOpcode) }
        guard get(Register.rcx, UInt32.self) == 0 else { return raise(op, .generalProtection) }
        rax = state.xcr0 & 0xffff_ffff
        rdx = state.xcr0 >> 32
        return op.next
    }

    /// XSETBV: x87 (bit 0) always, SSE (bit 1) at will, nothing else.
    func writeExtendedControl(_ op: Op) -> UInt {
        guard state.cr4 & ControlBits.osxsave != 0 else { return raise(op, .invalidOpcode) }
        let value = rax & 0xffff_ffff | rdx << 32
        guard state.privilege == 0, get(Register.rcx, UInt32.self) == 0, value | 2 == 3 else {
            return raise(op, .generalProtection)
        }
        state.xcr0 = value
        return leave(op)
    }
}
