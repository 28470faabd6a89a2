// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Memory

/// SYSCALL on hosts that emulate guest kernels (PVM).
///
/// KVM of such hosts runs a guest's user code natively, and after a SYSCALL of it the processor is at
/// the kernel's entry with everything changed but the privilege level. There it has no right to
/// execute, and the kernel gets a page fault of its own entry. So a breakpoint is at the kernel's
/// handler of page faults, whose writer is watched. When it is met by that one fault, the fault is
/// undone and the rest of SYSCALL is done instead (Intel SDM 2, SYSCALL); after every other fault one
/// instruction is executed without the breakpoint, which would be met for ever else.
struct SystemCallRepair {
    /// IA32_LSTAR, where SYSCALL leads; its writes are watched.
    static var entryRegister: UInt32 { 0xc000_0082 }
    /// IA32_STAR: bits 32 to 47 are the selector of the kernel's code.
    static var selectorRegister: UInt32 { 0xc000_0081 }

    private let memory: GuestMemory
    /// Where SYSCALL leads.
    var entry: UInt64 = 0
    /// Where the kernel handles page faults.
    var handler: UInt64 = 0

    init(_ memory: GuestMemory) { self.memory = memory }

    /// What the processor pushed for an exception with an error code.
    struct Frame {
        var error: UInt64
        var rip: UInt64
        var cs: UInt64
        var rflags: UInt64
        var rsp: UInt64
    }

    /// The word at a linear address of the guest.
    func word(
        _ linear: UInt64, _ vcpu: borrowing VCPUDescriptor
    ) throws(KVMError) -> UInt64? {
        guard let place = try vcpu.translate(linear) else { return nil }
        return try? memory.load(UInt64.self, at: GuestAddress(place))
    }

    /// The handler of page faults, as the interrupt table says. Intel SDM 3, 6.14.1.
    func faultHandler(
        _ table: DescriptorTable, _ vcpu: borrowing VCPUDescriptor
    ) throws(KVMError) -> UInt64? {
        let gate = table.base &+ 14 &* 16
        guard let low = try word(gate, vcpu), let high = try word(gate &+ 8, vcpu),
            low >> 47 & 1 != 0
        else { return nil }
        return low & 0xffff | low >> 32 & 0xffff_0000 | high << 32
    }

    /// The frame at the top of the stack, if its fault is the one that SYSCALL leads to.
    func frame(
        at stack: UInt64, faultAddress: UInt64, _ vcpu: borrowing VCPUDescriptor
    ) throws(KVMError) -> Frame? {
        guard entry != 0, faultAddress == entry, let error = try word(stack, vcpu),
            error & 7 == 5, let rip = try word(stack &+ 8, vcpu), rip == entry,
            let cs = try word(stack &+ 16, vcpu), cs & 3 == 3,
            let rflags = try word(stack &+ 24, vcpu), let rsp = try word(stack &+ 32, vcpu)
        else { return nil }
        return Frame(error: error, rip: rip, cs: cs, rflags: rflags, rsp: rsp)
    }

    /// CS and SS as SYSCALL makes them.
    static func enter(_ system: inout SystemRegisters, star: UInt64) {
        let selector = UInt16(truncatingIfNeeded: star >> 32) & 0xfffc
        system.cs = Segment(selector: selector, base: 0, limit: .max, attributes: 0xa09b)
        system.ss = Segment(selector: selector &+ 8, base: 0, limit: .max, attributes: 0xc093)
    }
}

extension KVMVCPU {
    /// Answers an exit that the repair has asked for.
    func repairSystemCall(_ exit: RunExit) -> VCPUExit? {
        do throws(KVMError) {
            if case .registerWrite(let number, let value) = exit {
                try write(number, value)
            } else {
                try leaveBreakpoint()
            }
            return nil
        } catch {
            return .failed("a system call of the guest cannot be repaired: \(error)")
        }
    }

    private func write(_ number: UInt32, _ value: UInt64) throws(KVMError) {
        let isTaken = try descriptor.setModelSpecific([(number, value)]) == 1
        descriptor.page.answerRegisterWrite(isRefused: !isTaken)
        if isTaken, number == SystemCallRepair.entryRegister { try followSystemCallEntry(value) }
    }

    /// The kernel's entry is at `address` now; nil: still where it was.
    func followSystemCallEntry(_ address: UInt64?) throws(KVMError) {
        guard repair != nil, let address else { return }
        repair?.entry = address
        try setBreakpoint()
    }

    private func setBreakpoint() throws(KVMError) {
        guard let repair, repair.entry != 0 else { return }
        let table = DescriptorTable(try descriptor.systemRegisters().idt)
        guard let handler = try repair.faultHandler(table, descriptor) else { return }
        self.repair?.handler = handler
        try descriptor.stop(at: handler, afterStep: false)
    }

    private func leaveBreakpoint() throws(KVMError) {
        guard let repair else { throw .scratch("a breakpoint that nobody set") }
        var general = GeneralRegisters(try descriptor.registers())
        // The step is done; the table of handlers may be another by now.
        guard general.rip == repair.handler else { return try setBreakpoint() }
        var system = SystemRegisters(try descriptor.systemRegisters())
        guard
            let frame = try repair.frame(
                at: general.rsp, faultAddress: system.cr2, descriptor)
        else { return try descriptor.stop(at: nil, afterStep: true) }
        let star = try descriptor.modelSpecific([SystemCallRepair.selectorRegister]).first
        SystemCallRepair.enter(&system, star: star ?? 0)
        general.rip = frame.rip
        general.rsp = frame.rsp
        general.rflags = frame.rflags & ~0x1_0000
        try descriptor.setSystemRegisters(kvm_sregs(system, nil))
        try descriptor.setRegisters(kvm_regs(general))
        noteRepair()
    }
}
