// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Registers as every engine gives and takes them.
extension Processor {
    var generalRegisters: GeneralRegisters {
        get {
            var registers = GeneralRegisters()
            registers.rax = get64(0)
            registers.rcx = get64(8)
            registers.rdx = get64(16)
            registers.rbx = get64(24)
            registers.rsp = get64(32)
            registers.rbp = get64(40)
            registers.rsi = get64(48)
            registers.rdi = get64(56)
            registers.r8 = get64(64)
            registers.r9 = get64(72)
            registers.r10 = get64(80)
            registers.r11 = get64(88)
            registers.r12 = get64(96)
            registers.r13 = get64(104)
            registers.r14 = get64(112)
            registers.r15 = get64(120)
            registers.rip = state.rip &- get64(Register.base(of: 1))
            registers.rflags = rflags
            return registers
        }
        nonmutating set {
            let values = [
                newValue.rax, newValue.rcx, newValue.rdx, newValue.rbx, newValue.rsp, newValue.rbp,
                newValue.rsi, newValue.rdi, newValue.r8, newValue.r9, newValue.r10, newValue.r11,
                newValue.r12, newValue.r13, newValue.r14, newValue.r15,
            ]
            for (number, value) in values.enumerated() { set64(Register.general(number), value) }
            rflags = newValue.rflags
        }
    }

    /// Setting them forgets no translations.
    var systemRegisters: SystemRegisters {
        get {
            var system = SystemRegisters()
            system.es = state.segments[0]
            system.cs = state.segments[1]
            system.ss = state.segments[2]
            system.ds = state.segments[3]
            system.fs = state.segments[4]
            system.gs = state.segments[5]
            system.tr = state.task
            system.ldt = state.ldt
            system.gdt = state.gdt
            system.idt = state.idt
            system.cr0 = state.cr0
            system.cr2 = state.cr2
            system.cr3 = state.cr3
            system.cr4 = state.cr4
            system.efer = state.msrs.efer
            return system
        }
        nonmutating set {
            state.segments[0] = newValue.es
            state.segments[1] = newValue.cs
            state.segments[2] = newValue.ss
            state.segments[3] = newValue.ds
            state.segments[4] = newValue.fs
            state.segments[5] = newValue.gs
            state.task = newValue.tr
            state.ldt = newValue.ldt
            state.gdt = newValue.gdt
            state.idt = newValue.idt
            state.cr0 = newValue.cr0
            state.cr2 = newValue.cr2
            state.cr3 = newValue.cr3
            state.cr4 = newValue.cr4
            state.msrs.efer = newValue.efer
            // The privilege level is that of SS.
            state.privilege =
                newValue.cr0 & 1 == 0
                ? 0 : UInt8(truncatingIfNeeded: newValue.ss.attributes >> 5 & 3)
            reloadSegments()
        }
    }
}
