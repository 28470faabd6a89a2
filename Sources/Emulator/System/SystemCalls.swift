// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// SYSCALL, SYSRET, SYSENTER and SYSEXIT as AMD defines them. AMD APM 2, 6.1; APM 3.
extension Processor {
    private static var code64: UInt16 { 0xa09b }
    private static var code32: UInt16 { 0xc09b }
    private static var data32: UInt16 { 0xc093 }

    /// Loads CS and SS with flat segments of level `privilege`, without looking at the tables.
    private func setFlat(_ code: UInt16, _ attributes: UInt16, stack: UInt16, privilege: UInt8) {
        let dpl = UInt16(privilege) << 5
        state.privilege = privilege
        setSegment(
            2,
            Segment(
                selector: stack, base: 0, limit: .max, attributes: Self.data32 | dpl))
        setSegment(
            1, Segment(selector: code, base: 0, limit: .max, attributes: attributes | dpl))
        updateMode()
    }

    /// SYSCALL. #UD unless EFER.SCE.
    func systemCall(_ op: Op) -> UInt {
        guard state.msrs.efer & ControlBits.sce != 0, state.mode.has(CodeMode.protected) else {
            return raise(op, .invalidOpcode)
        }
        let star = state.msrs.star
        let code = UInt16(truncatingIfNeeded: star >> 32) & 0xfffc
        let back = codeOffset(linearEnd(op))
        guard state.mode.has(CodeMode.longActive) else {
            set(Register.rcx, UInt32(truncatingIfNeeded: back))
            state.systemFlags &= ~(ControlBits.interrupt | ControlBits.vm | ControlBits.rf)
            setFlat(code, Self.code32, stack: code &+ 8, privilege: 0)
            return leave(op, to: star & 0xffff_ffff)
        }
        let target = state.mode.is64 ? state.msrs.lstar : state.msrs.cstar
        let saved = rflags & ~ControlBits.rf
        rcx = back
        set(Register.r11, saved)
        rflags = saved & ~(state.msrs.syscallMask & 0xffff_ffff)
        setFlat(code, Self.code64, stack: code &+ 8, privilege: 0)
        return leave(op, to: target)
    }

    /// SYSRET; `extra` 3 is the form to 64-bit code. #UD unless EFER.SCE, #GP(0) unless CPL 0.
    func systemReturn(_ op: Op) -> UInt {
        guard state.msrs.efer & ControlBits.sce != 0, state.mode.has(CodeMode.protected) else {
            return raise(op, .invalidOpcode)
        }
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let selector = UInt16(truncatingIfNeeded: state.msrs.star >> 48)
        let stack = selector &+ 8 | 3
        let isLong = state.mode.has(CodeMode.longActive)
        if isLong {
            let flags = get64(Register.r11) & ControlBits.flagsWritable
            rflags = flags | 2
        } else {
            state.systemFlags |= ControlBits.interrupt
        }
        if isLong && op.extra == 3 {
            setFlat(selector &+ 16 | 3, Self.code64, stack: stack, privilege: 3)
            return leave(op, to: rcx)
        }
        setFlat(selector | 3, Self.code32, stack: stack, privilege: 3)
        return leave(op, to: rcx & 0xffff_ffff)
    }

    /// SYSENTER: #UD in long mode, #GP(0) if no segment has been set for it.
    func systemEnter(_ op: Op) -> UInt {
        guard !state.mode.has(CodeMode.longActive) else { return raise(op, .invalidOpcode) }
        let code = UInt16(truncatingIfNeeded: state.msrs.sysenterCS) & 0xfffc
        guard state.mode.has(CodeMode.protected), code != 0 else {
            return raise(op, .generalProtection)
        }
        state.systemFlags &= ~(ControlBits.interrupt | ControlBits.vm | ControlBits.rf)
        setFlat(code, Self.code32, stack: code &+ 8, privilege: 0)
        rsp = state.msrs.sysenterESP & 0xffff_ffff
        return leave(op, to: state.msrs.sysenterEIP & 0xffff_ffff)
    }

    /// SYSEXIT: #UD in long mode, #GP(0) unless CPL 0 with a segment set for it.
    func systemExit(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        guard !state.mode.has(CodeMode.longActive) else { return raise(op, .invalidOpcode) }
        let base = UInt16(truncatingIfNeeded: state.msrs.sysenterCS) & 0xfffc
        guard state.mode.has(CodeMode.protected), base != 0 else {
            return raise(op, .generalProtection)
        }
        setFlat(base &+ 16 | 3, Self.code32, stack: base &+ 24 | 3, privilege: 3)
        rsp = rcx & 0xffff_ffff
        return leave(op, to: rdx & 0xffff_ffff)
    }

    // MARK: FS and GS

    /// SWAPGS. #GP(0) unless CPL 0.
    func swapGS(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let base = get64(Register.gsBase)
        setBase(5, state.msrs.kernelGSBase)
        state.msrs.kernelGSBase = base
        return op.next
    }

    /// Sets the base of FS (4) or GS (5) alone.
    @inline(__always) func setBase(_ number: Int, _ base: UInt64) {
        state.segments[number].base = base
        set64(Register.base(of: number), state.mode.is64 ? base : base & 0xffff_ffff)
    }

    /// RDFSBASE, RDGSBASE: `reg` the segment's number, `rm` the register, `extra` the size.
    /// #UD unless CR4.FSGSBASE.
    func readBase(_ op: Op) -> UInt {
        guard state.cr4 & ControlBits.fsgsbase != 0 else { return raise(op, .invalidOpcode) }
        setSized(op.rm, state.segments[Int(op.reg)].base, size: Int(op.extra))
        return op.next
    }

    /// WRFSBASE, WRGSBASE. #GP(0) for an address that is not canonical.
    func writeBase(_ op: Op) -> UInt {
        guard state.cr4 & ControlBits.fsgsbase != 0 else { return raise(op, .invalidOpcode) }
        let value = op.extra == 3 ? get64(op.rm) : get64(op.rm) & 0xffff_ffff
        guard isCanonical(value) else { return raise(op, .generalProtection) }
        setBase(Int(op.reg), value)
        return op.next
    }
}
