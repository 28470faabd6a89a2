// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor

/// Registers as the kernel lays them out, and as every engine knows them.
extension GeneralRegisters {
    init(_ registers: kvm_regs) {
        self.init()
        rax = registers.rax
        rcx = registers.rcx
        rdx = registers.rdx
        rbx = registers.rbx
        rsp = registers.rsp
        rbp = registers.rbp
        rsi = registers.rsi
        rdi = registers.rdi
        r8 = registers.r8
        r9 = registers.r9
        r10 = registers.r10
        r11 = registers.r11
        r12 = registers.r12
        r13 = registers.r13
        r14 = registers.r14
        r15 = registers.r15
        rip = registers.rip
        rflags = registers.rflags
    }
}

extension kvm_regs {
    init(_ registers: GeneralRegisters) {
        self.init(
            rax: registers.rax, rbx: registers.rbx, rcx: registers.rcx, rdx: registers.rdx,
            rsi: registers.rsi, rdi: registers.rdi, rsp: registers.rsp, rbp: registers.rbp,
            r8: registers.r8, r9: registers.r9, r10: registers.r10, r11: registers.r11,
            r12: registers.r12, r13: registers.r13, r14: registers.r14, r15: registers.r15,
            rip: registers.rip, rflags: registers.rflags)
    }
}

extension Segment {
    init(_ segment: kvm_segment) {
        let present = segment.unusable == 0 ? segment.present : 0
        var bits = UInt16(segment.type & 15)
        bits |= UInt16(segment.s & 1) << 4 | UInt16(segment.dpl & 3) << 5
        bits |= UInt16(present & 1) << 7 | UInt16(segment.avl & 1) << 12
        bits |= UInt16(segment.l & 1) << 13 | UInt16(segment.db & 1) << 14
        bits |= UInt16(segment.g & 1) << 15
        self.init(
            selector: segment.selector, base: segment.base, limit: segment.limit, attributes: bits)
    }
}

extension kvm_segment {
    init(_ segment: Segment) {
        func bits(_ shift: UInt16, _ mask: UInt16) -> UInt8 {
            UInt8(truncatingIfNeeded: segment.attributes >> shift & mask)
        }
        self.init()
        base = segment.base
        limit = segment.limit
        selector = segment.selector
        type = bits(0, 15)
        s = bits(4, 1)
        dpl = bits(5, 3)
        present = bits(7, 1)
        avl = bits(12, 1)
        l = bits(13, 1)
        db = bits(14, 1)
        g = bits(15, 1)
        unusable = present == 0 ? 1 : 0
    }
}

extension DescriptorTable {
    init(_ table: kvm_dtable) { self.init(base: table.base, limit: table.limit) }
}

extension kvm_dtable {
    init(_ table: DescriptorTable) {
        self.init()
        base = table.base
        limit = table.limit
    }
}

extension SystemRegisters {
    init(_ registers: kvm_sregs) {
        self.init()
        cs = Segment(registers.cs)
        ds = Segment(registers.ds)
        es = Segment(registers.es)
        fs = Segment(registers.fs)
        gs = Segment(registers.gs)
        ss = Segment(registers.ss)
        tr = Segment(registers.tr)
        ldt = Segment(registers.ldt)
        gdt = DescriptorTable(registers.gdt)
        idt = DescriptorTable(registers.idt)
        cr0 = registers.cr0
        cr2 = registers.cr2
        cr3 = registers.cr3
        cr4 = registers.cr4
        cr8 = registers.cr8
        efer = registers.efer
        apicBase = registers.apic_base
    }
}

extension kvm_sregs {
    /// With the address of a page fault that is on its way in CR2, where the kernel looks for it.
    init(_ system: SystemRegisters, _ exception: PendingEvents.Exception?) {
        self.init()
        cs = kvm_segment(system.cs)
        ds = kvm_segment(system.ds)
        es = kvm_segment(system.es)
        fs = kvm_segment(system.fs)
        gs = kvm_segment(system.gs)
        ss = kvm_segment(system.ss)
        tr = kvm_segment(system.tr)
        ldt = kvm_segment(system.ldt)
        gdt = kvm_dtable(system.gdt)
        idt = kvm_dtable(system.idt)
        cr0 = system.cr0
        cr2 = system.cr2
        if let exception, exception.vector == 14, let payload = exception.payload { cr2 = payload }
        cr3 = system.cr3
        cr4 = system.cr4
        cr8 = system.cr8
        efer = system.efer
        apic_base = system.apicBase
    }
}

extension [UInt64] {
    /// DR0 to DR3, DR6, DR7.
    init(_ registers: kvm_debugregs) {
        self = [
            registers.db.0, registers.db.1, registers.db.2, registers.db.3, registers.dr6,
            registers.dr7,
        ]
    }
}

extension kvm_debugregs {
    /// With the conditions of a debug exception that is on its way in DR6. Registers that are
    /// missing are as after reset.
    init(_ registers: [UInt64], _ exception: PendingEvents.Exception?) {
        self.init()
        let values = registers + CPUState().debug.dropFirst(registers.count)
        db = (values[0], values[1], values[2], values[3])
        dr6 = values[4]
        if let exception, exception.vector == 1, let payload = exception.payload { dr6 |= payload }
        dr7 = values[5]
    }
}

extension PendingEvents {
    init(_ events: kvm_vcpu_events) {
        self.init()
        if events.exception.injected != 0 {
            exception = Exception(
                vector: events.exception.nr,
                errorCode: events.exception.has_error_code != 0
                    ? events.exception.error_code : nil)
        }
        if events.interrupt.injected != 0 {
            interrupt = Interrupt(
                vector: events.interrupt.nr, isSoftware: events.interrupt.soft != 0)
        }
        shadow = Shadow(rawValue: events.interrupt.shadow & 3)
        nonMaskable.isInjected = events.nmi.injected != 0
        nonMaskable.isPending = events.nmi.pending != 0
        nonMaskable.isMasked = events.nmi.masked != 0
        systemManagement.isInside = events.smi.smm != 0
        systemManagement.isPending = events.smi.pending != 0
        systemManagement.isInsideNMI = events.smi.smm_inside_nmi != 0
        systemManagement.hasLatchedINIT = events.smi.latched_init != 0
        startupVector = UInt8(truncatingIfNeeded: events.sipi_vector)
        isTripleFault = events.triple_fault.pending != 0
    }
}

extension kvm_vcpu_events {
    /// - Parameter isWhole: False: what another processor may have sent since `events` were read,
    ///   an NMI or a start-up message, stays as it is by now.
    init(_ events: PendingEvents, isWhole: Bool = true) {
        self.init()
        if let exception = events.exception {
            self.exception.injected = 1
            self.exception.nr = exception.vector
            self.exception.has_error_code = exception.errorCode == nil ? 0 : 1
            self.exception.error_code = exception.errorCode ?? 0
        }
        if let interrupt = events.interrupt {
            self.interrupt.injected = 1
            self.interrupt.nr = interrupt.vector
            self.interrupt.soft = interrupt.isSoftware ? 1 : 0
        }
        interrupt.shadow = events.shadow.rawValue
        nmi.injected = events.nonMaskable.isInjected ? 1 : 0
        nmi.pending = events.nonMaskable.isPending ? 1 : 0
        nmi.masked = events.nonMaskable.isMasked ? 1 : 0
        smi.smm = events.systemManagement.isInside ? 1 : 0
        smi.pending = events.systemManagement.isPending ? 1 : 0
        smi.smm_inside_nmi = events.systemManagement.isInsideNMI ? 1 : 0
        smi.latched_init = events.systemManagement.hasLatchedINIT ? 1 : 0
        sipi_vector = UInt32(events.startupVector)
        flags = CKVM_VCPUEVENT_VALID_SHADOW
        if isWhole { flags |= CKVM_VCPUEVENT_VALID_NMI_PENDING | CKVM_VCPUEVENT_VALID_SIPI_VECTOR }
        // Kernels without that mode refuse its fields.
        if events.systemManagement != .init() { flags |= CKVM_VCPUEVENT_VALID_SMM }
    }
}
