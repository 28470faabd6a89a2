// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import Emulator

/// What the manuals say that must not be done, and the exception it must raise.
@Suite struct SystemFaultTests {
    struct Fault: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var level: UInt8 = 0
        let bytes: [UInt8]
        var rax: UInt64 = 0
        var rcx: UInt64 = 0
        var rdx: UInt64 = 0
        let vector: Int
        /// Nil: none is pushed.
        let errorCode: UInt64?
        var prepare: @Sendable (SystemRig) -> Void = { _ in }
    }

    private static func user(_ name: String, _ bytes: [UInt8], rax: UInt64 = 0) -> Fault {
        Fault(
            testDescription: "\(name) at level 3", level: 3, bytes: bytes, rax: rax, vector: 13,
            errorCode: 0)
    }

    private static func undefined(_ name: String, _ bytes: [UInt8], level: UInt8 = 0) -> Fault {
        Fault(testDescription: name, level: level, bytes: bytes, vector: 6, errorCode: nil)
    }

    static let privileged = [
        user("CLI", [0xfa]), user("STI", [0xfb]), user("HLT", [0xf4]), user("CLTS", [0x0f, 0x06]),
        user("MOV CR3", [0x0f, 0x22, 0xd8]), user("MOV from CR0", [0x0f, 0x20, 0xc0]),
        user("MOV DR0", [0x0f, 0x23, 0xc0]), user("RDMSR", [0x0f, 0x32]),
        user("WRMSR", [0x0f, 0x30]), user("LGDT", [0x0f, 0x01, 0x10]),
        user("LIDT", [0x0f, 0x01, 0x18]), user("LLDT", [0x0f, 0x00, 0xd0]),
        user("LTR", [0x0f, 0x00, 0xd8]), user("LMSW", [0x0f, 0x01, 0xf0]),
        user("INVLPG", [0x0f, 0x01, 0x38]), user("SWAPGS", [0x0f, 0x01, 0xf8]),
        user("INVD", [0x0f, 0x08]), user("WBINVD", [0x0f, 0x09]),
        user("SYSRET", [0x48, 0x0f, 0x07]), user("RDPMC", [0x0f, 0x33]),
        user("IN from a closed port", [0xe4, 0x20]), user("OUT beyond the bitmap", [0xe6, 0xff]),
        user("MOV SS, null", [0x8e, 0xd0]),
    ]

    static let undefinedOpcodes = [
        undefined("UD2", [0x0f, 0x0b]), undefined("UD1", [0x0f, 0xb9, 0xc0]),
        undefined("UD0", [0x0f, 0xff, 0xc0]), undefined("SYSENTER", [0x0f, 0x34]),
        undefined("SYSEXIT", [0x0f, 0x35]), undefined("VMCALL", [0x0f, 0x01, 0xc1]),
        undefined("VMMCALL", [0x0f, 0x01, 0xd9]), undefined("MONITOR", [0x0f, 0x01, 0xc8]),
        undefined("RDRAND", [0x0f, 0xc7, 0xf0]), undefined("RSM", [0x0f, 0xaa]),
        undefined("MOV from CR1", [0x0f, 0x20, 0xc8]), undefined("INTO", [0xce]),
        undefined("PUSH ES", [0x06]), undefined("LES", [0xc4, 0x00]),
        undefined("JMP ptr16:32", [0xea, 0, 0, 0, 0, 8, 0]), undefined("MOV CS", [0x8e, 0xc8]),
        undefined("MOV from segment 6", [0x8c, 0xf0]), undefined("LOCK CLI", [0xf0, 0xfa]),
        undefined("XGETBV without OSXSAVE", [0x0f, 0x01, 0xd0]),
        undefined("STAC at level 3", [0x0f, 0x01, 0xcb], level: 3),
        Fault(
            testDescription: "RDFSBASE without CR4.FSGSBASE", bytes: [0xf3, 0x0f, 0xae, 0xc0],
            vector: 6, errorCode: nil
        ) { $0.cpu.state.cr4 &= ~(1 << 16) },
        Fault(
            testDescription: "SYSCALL without EFER.SCE", bytes: [0x0f, 0x05], vector: 6,
            errorCode: nil
        ) { $0.cpu.state.msrs.efer &= ~1 },
        Fault(
            testDescription: "MOV DR4 with CR4.DE", bytes: [0x0f, 0x23, 0xe0], vector: 6,
            errorCode: nil
        ) { $0.cpu.state.cr4 |= 8 },
    ]

    private static func row(
        _ name: String, _ bytes: [UInt8], rax: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0,
        level: UInt8 = 0, _ vector: Int, _ code: UInt64,
        prepare: @escaping @Sendable (SystemRig) -> Void = { _ in }
    ) -> Fault {
        Fault(
            testDescription: name, level: level, bytes: bytes, rax: rax, rcx: rcx, rdx: rdx,
            vector: vector, errorCode: code, prepare: prepare)
    }

    static let control = [
        row("PG cleared in 64-bit code", [0x0f, 0x22, 0xc0], rax: 0x11, 13, 0),
        row("PG without PE", [0x0f, 0x22, 0xc0], rax: 0x8000_0010, 13, 0),
        row("NW without CD", [0x0f, 0x22, 0xc0], rax: 0xa001_0031, 13, 0),
        row("CR0 bit 32", [0x0f, 0x22, 0xc0], rax: 0x1_8001_0031, 13, 0),
        row("PAE cleared in long mode", [0x0f, 0x22, 0xe0], rax: 0x200, 13, 0),
        row("CR4.PCIDE", [0x0f, 0x22, 0xe0], rax: 0x2_0220, 13, 0),
        row("CR3 bit 40", [0x0f, 0x22, 0xd8], rax: 1 << 40, 13, 0),
        row("CR8 16", [0x44, 0x0f, 0x22, 0xc0], rax: 16, 13, 0),
        row("DR7 bit 32", [0x0f, 0x23, 0xf8], rax: 1 << 32, 13, 0),
        row("an MSR that is not there", [0x0f, 0x32], rcx: 0x1234, 13, 0),
        row("FS base not canonical", [0x0f, 0x30], rcx: 0xc000_0100, rdx: 0x8000, 13, 0),
        row("LSTAR not canonical", [0x0f, 0x30], rcx: 0xc000_0082, rdx: 0x8000, 13, 0),
        row("PAT of type 2", [0x0f, 0x30], rax: 2, rcx: 0x277, 13, 0),
        row("EFER.LME cleared", [0x0f, 0x30], rax: 0x801, rcx: 0xc000_0080, 13, 0),
        row("EFER.SVME", [0x0f, 0x30], rax: 0x1d01, rcx: 0xc000_0080, 13, 0),
        row("RDTSC with CR4.TSD", [0x0f, 0x31], level: 3, 13, 0) { $0.cpu.state.cr4 |= 4 },
    ]

    static let segments = [
        row("MOV DS, not present", [0x8e, 0xd8], rax: 0x48, 11, 0x48),
        row("MOV SS, not present", [0x8e, 0xd0], rax: 0x48, 12, 0x48),
        row("MOV DS beyond the limit", [0x8e, 0xd8], rax: 0x100, 13, 0x100),
        row("MOV DS from an absent LDT", [0x8e, 0xd8], rax: 0x0c, 13, 0x0c),
        row("MOV DS, level 0 at level 3", [0x8e, 0xd8], rax: 0x13, level: 3, 13, 0x10),
        row("MOV SS, level 3 at level 0", [0x8e, 0xd0], rax: 0x20, 13, 0x20),
        row("MOV SS, read-only", [0x8e, 0xd0], rax: 0x80, 13, 0x80),
        row("MOV DS, code that cannot be read", [0x8e, 0xd8], rax: 0x88, 13, 0x88),
        row("MOV DS, a task state", [0x8e, 0xd8], rax: 0x30, 13, 0x30),
        row("LLDT of data", [0x0f, 0x00, 0xd0], rax: 0x10, 13, 0x10),
        row("LTR, null", [0x0f, 0x00, 0xd8], 13, 0),
        row("LTR of an LDT", [0x0f, 0x00, 0xd8], rax: 0x60, 13, 0x60),
        row("INT through a gate of level 0", [0xcd, 0x30], level: 3, 13, 0x182),
        row("INT through an absent gate", [0xcd, 0x40], 11, 0x202) {
            $0.setGate(0x40, present: false)
        },
        row("INT through a task gate", [0xcd, 0x40], 13, 0x202) { $0.setGate(0x40, type: 5) },
        row("INT beyond the table", [0xcd, 0x40], 13, 0x202) { $0.cpu.state.idt.limit = 0x3ff },
        row("IRETQ with NT", [0x48, 0xcf], 13, 0) { $0.cpu.state.systemFlags |= 1 << 14 },
        row("RETFQ to absent code", [0x48, 0xcb], 11, 0x50) { $0.put($0.cpu.rsp + 8, 0x50) },
        row("RETFQ to null", [0x48, 0xcb], 13, 0) { $0.put($0.cpu.rsp + 8, 0) },
        row("RETFQ to data", [0x48, 0xcb], 13, 0x10) { $0.put($0.cpu.rsp + 8, 0x10) },
        row("RETFQ inwards", [0x48, 0xcb], level: 3, 13, 0x08) { $0.put($0.cpu.rsp + 8, 0x08) },
        row("IRETQ to an address that is not canonical", [0x48, 0xcf], 13, 0) {
            $0.put($0.cpu.rsp, 1 << 47)
            $0.put($0.cpu.rsp + 8, 0x08)
        },
        row("IRETQ to user code with a null stack", [0x48, 0xcf], 13, 0) {
            $0.put($0.cpu.rsp + 8, 0x2b)
            $0.put($0.cpu.rsp + 32, 0)
        },
        row("JMP to data", [0xff, 0x28], rax: 0x9000, 13, 0x10) { $0.put(0x9004, 0x10) },
        row("LGDT from an absent page", [0x0f, 0x01, 0x10], rax: 0x4000_0000, 14, 0),
    ]

    @Test(arguments: privileged + undefinedOpcodes + control + segments)
    func `It faults, changes nothing, and says why`(_ row: Fault) throws {
        let rig = try SystemRig(.long, level: row.level)
        rig.cpu.rax = row.rax
        rig.cpu.rcx = row.rcx
        rig.cpu.rdx = row.rdx
        row.prepare(rig)
        rig.cpu.updateMode()
        let pointer = rig.cpu.rsp
        let selectors = rig.selectors
        #expect(rig.execute(row.bytes))
        #expect(rig.vector == row.vector)
        let base = row.errorCode == nil ? 0 : 1
        if let code = row.errorCode { #expect(rig.stack(0) == code) }
        #expect(rig.stack(base) == SystemRig.code)
        #expect(rig.stack(base + 1) == UInt64(selectors[1]))
        #expect(rig.stack(base + 2) & 1 << 16 != 0)
        #expect(rig.stack(base + 3) == pointer)
        #expect(rig.stack(base + 4) == UInt64(selectors[2]))
        #expect(rig.cpu.state.retired == 0)
    }
}
