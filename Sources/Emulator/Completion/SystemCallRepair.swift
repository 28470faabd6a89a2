// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// System calls on hosts where KVM runs a guest's user code on page tables alone (PVM).
///
/// There SYSCALL goes to the address in LSTAR without leaving CPL 3: such a host expects kernels that
/// know of it. The kernel's page is not the user's, so the fetch faults, and the guest is on its way
/// to its page-fault handler with the frame of that fault. KVM's emulator stops at the handler's
/// first instruction, CLAC, which it does not know. From this frame the state that SYSCALL should
/// have led to is made; RCX and R11 are already right.
extension SoftVCPU {
    private static var pageFault: UInt64 { 14 }
    /// Error codes of a fetch by the user from a page that is there: with and without NX.
    private static var fetchCodes: Set<UInt64> { [0x05, 0x15] }

    /// The state at the entry for system calls, if `state` is such a page fault's. The state has
    /// been loaded.
    func repairedSystemCall(_ state: CPUState) -> CPUState? {
        guard let entry = state.msrs[MSR.lstar], let star = state.msrs[MSR.star],
            let mask = state.msrs[MSR.syscallMask], entry != 0, state.system.cr2 == entry,
            cpu.state.mode.is64, cpu.state.privilege == 0,
            let handler = handler(of: Self.pageFault),
            // CLAC comes first, or behind ENDBR64.
            state.general.rip == handler || state.general.rip == handler &+ 4,
            let frame = frame(at: state.general.rsp),
            Self.fetchCodes.contains(frame.code), frame.rip == entry, frame.cs & 3 == 3,
            // SYSCALL has cleared IF, which no program can: so R11 is what SYSCALL has put there, and
            // nobody enters the kernel with flags of his choice.
            mask & ~frame.flags & ControlBits.interrupt != 0,
            (frame.flags ^ state.general.r11 & ~mask) & ~(ControlBits.rf | 2) == 0
        else { return nil }
        var repaired = state
        let selector = UInt16(truncatingIfNeeded: star >> 32) & 0xfffc
        repaired.system.cs = Segment(
            selector: selector, base: 0, limit: .max, attributes: 0xa09b)
        repaired.system.ss = Segment(
            selector: selector &+ 8, base: 0, limit: .max, attributes: 0xc093)
        repaired.general.rip = entry
        repaired.general.rsp = frame.rsp
        repaired.general.rflags = state.general.r11 & ~mask & ~ControlBits.rf | 2
        return repaired
    }

    private struct Frame {
        let code: UInt64
        let rip: UInt64
        let cs: UInt64
        let flags: UInt64
        let rsp: UInt64
    }

    private func frame(at stack: UInt64) -> Frame? {
        defer { cpu.state.pending = PendingException() }
        guard let code: UInt64 = cpu.systemLoad(stack),
            let rip: UInt64 = cpu.systemLoad(stack &+ 8),
            let cs: UInt64 = cpu.systemLoad(stack &+ 16),
            let flags: UInt64 = cpu.systemLoad(stack &+ 24),
            let rsp: UInt64 = cpu.systemLoad(stack &+ 32)
        else { return nil }
        return Frame(code: code, rip: rip, cs: cs, flags: flags, rsp: rsp)
    }

    /// Where the gate of `vector` leads; nil: it cannot be read.
    private func handler(of vector: UInt64) -> UInt64? {
        defer { cpu.state.pending = PendingException() }
        let gate = cpu.state.idt.base &+ vector &* 16
        guard let low: UInt64 = cpu.systemLoad(gate), let high: UInt32 = cpu.systemLoad(gate &+ 8)
        else { return nil }
        return low & 0xffff | low >> 32 & 0xffff_0000 | UInt64(high) << 32
    }
}
