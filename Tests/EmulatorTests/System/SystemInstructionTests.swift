// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import Emulator

@Suite struct SystemInstructionTests {
    @Test func `From real mode to long mode and on to 64-bit code`() throws {
        let rig = try SystemRig(.real)
        rig.put(0x9000, 0x3000_00ff)
        rig.execute([0x0f, 0x01, 0x16, 0x00, 0x90])  // LGDT [0x9000]
        #expect(rig.cpu.state.gdt == DescriptorTable(base: 0x3000, limit: 0xff))
        rig.cpu.rax = 0x11
        rig.execute([0x0f, 0x22, 0xc0])  // MOV CR0, EAX
        #expect(rig.cpu.state.mode.has(CodeMode.protected))
        rig.execute([0xea, 0x00, 0x90, 0x40, 0x00])  // JMP 40:9000
        #expect(rig.cpu.state.rip == 0x9000)
        #expect(rig.cpu.state.mode.has(CodeMode.default32))
        rig.cpu.rax = 0x10
        rig.execute([0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x8e, 0xe0, 0x8e, 0xe8], count: 5)
        #expect(rig.cpu.state.mode.has(CodeMode.flat))
        #expect(rig.cpu.state.mode.has(CodeMode.stack32))
        rig.cpu.rax = 0x220
        rig.execute([0x0f, 0x22, 0xe0])  // MOV CR4, EAX
        rig.cpu.rax = 0x1000
        rig.execute([0x0f, 0x22, 0xd8])  // MOV CR3, EAX
        rig.cpu.rcx = 0xc000_0080
        rig.cpu.rax = 0x101
        rig.cpu.rdx = 0
        rig.execute([0x0f, 0x30])  // WRMSR
        #expect(rig.cpu.state.msrs.efer == 0x101)
        rig.cpu.rax = 0x8000_0011
        rig.execute([0x0f, 0x22, 0xc0])
        #expect(rig.cpu.state.msrs.efer == 0x501)
        #expect(rig.cpu.state.mode.has(CodeMode.longActive))
        #expect(!rig.cpu.state.mode.is64)
        rig.execute([0xea, 0x00, 0xa0, 0, 0, 0x08, 0x00])  // JMP 08:a000
        #expect(rig.cpu.state.rip == 0xa000)
        #expect(rig.cpu.state.mode.is64)
        #expect(rig.vector == nil)
    }

    @Test func `SYSCALL and SYSRET`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.state.msrs.star = 0x0018_0008 << 32
        rig.cpu.state.msrs.lstar = 0x9000
        rig.cpu.state.msrs.syscallMask = 0x4_0700
        rig.cpu.rflags = 0x4_0a97
        rig.execute([0x0f, 0x05])
        #expect(rig.cpu.state.rip == 0x9000)
        #expect(rig.cpu.rcx == 0x8002)
        #expect(rig.cpu.get64(Register.r11) == 0x4_0a97)
        #expect(rig.cpu.rflags == 0x897)
        #expect(rig.cpu.state.privilege == 0)
        #expect(rig.selectors[1] == 8)
        #expect(rig.selectors[2] == 0x10)
        #expect(rig.cpu.rsp == SystemRig.userStack)
        rig.execute([0x48, 0x0f, 0x07])
        #expect(rig.cpu.state.rip == 0x8002)
        #expect(rig.cpu.rflags == 0x4_0a97)
        #expect(rig.cpu.state.privilege == 3)
        #expect(rig.selectors[1] == 0x2b)
        #expect(rig.selectors[2] == 0x23)
        #expect(rig.cpu.state.mode.has(CodeMode.user))
    }

    @Test func `SYSCALL of compatibility code goes to CSTAR, SYSRET back to it`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.state.segments[1] = rig.segment(0x1b)
        rig.cpu.reloadSegments()
        rig.cpu.state.msrs.star = 0x0018_0008 << 32
        rig.cpu.state.msrs.cstar = 0x9100
        rig.execute([0x0f, 0x05])
        #expect(rig.cpu.state.rip == 0x9100)
        #expect(rig.cpu.state.mode.is64)
        rig.execute([0x0f, 0x07])
        #expect(rig.cpu.state.rip == 0x8002)
        #expect(rig.selectors[1] == 0x1b)
        #expect(!rig.cpu.state.mode.is64)
        #expect(rig.cpu.state.mode.has(CodeMode.default32))
    }

    @Test func `SYSENTER and SYSEXIT in protected mode`() throws {
        let rig = try SystemRig(.protected, level: 3)
        rig.cpu.state.msrs.sysenterCS = 0x40
        rig.cpu.state.msrs.sysenterESP = 0x1e000
        rig.cpu.state.msrs.sysenterEIP = 0x9000
        rig.cpu.rcx = 0x30000
        rig.cpu.rdx = 0x8002
        rig.execute([0x0f, 0x34])
        #expect(rig.cpu.state.rip == 0x9000)
        #expect(rig.cpu.rsp == 0x1e000)
        #expect(rig.cpu.state.privilege == 0)
        rig.execute([0x0f, 0x35])
        #expect(rig.cpu.state.rip == 0x8002)
        #expect(rig.cpu.rsp == 0x30000)
        #expect(rig.cpu.state.privilege == 3)
        #expect(rig.selectors[1] == 0x53)
    }

    @Test func `Bases of FS and GS`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rax = 0x1_2345_6789
        rig.execute([0xf3, 0x48, 0x0f, 0xae, 0xd8])  // WRGSBASE RAX
        #expect(rig.cpu.get64(Register.gsBase) == 0x1_2345_6789)
        rig.execute([0x0f, 0x01, 0xf8])  // SWAPGS
        #expect(rig.cpu.get64(Register.gsBase) == 0)
        #expect(rig.cpu.state.msrs.kernelGSBase == 0x1_2345_6789)
        rig.execute([0x0f, 0x01, 0xf8])
        rig.execute([0xf3, 0x0f, 0xae, 0xc9])  // RDGSBASE ECX
        #expect(rig.cpu.rcx == 0x2345_6789)
        rig.cpu.rax = 1 << 47
        rig.execute([0xf3, 0x48, 0x0f, 0xae, 0xd0])  // WRFSBASE RAX
        #expect(rig.vector == 13)
    }

    @Test(
        arguments: [
            (0, 0, 0x24_7fd7), (3, 0, 0x24_4dd7), (3, 3, 0x24_7fd7 & ~0x3000 | 0x3000),
        ] as [(UInt8, UInt64, UInt64)])
    func `POPF changes what the level may change`(
        _ level: UInt8, _ iopl: UInt64, _ expected: UInt64
    ) throws {
        let rig = try SystemRig(.long, level: level)
        rig.cpu.rflags = 2 | iopl << 12
        rig.put(rig.cpu.rsp, ~0x100)
        rig.execute([0x9d])
        #expect(rig.cpu.rflags == expected & ~0x100)
        rig.execute([0x9c])
        #expect(rig.stack(0) == expected & ~0x100)
    }

    @Test func `LAHF and SAHF`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rflags = 0x893
        rig.execute([0x9f])
        #expect(rig.cpu.rax == 0x9300)
        rig.cpu.rax = 0xff00
        rig.execute([0x9e])
        #expect(rig.cpu.rflags == 0x8d7)
    }

    @Test func `STI holds a waiting interrupt back for one instruction`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.state.systemFlags &= ~0x200
        rig.cpu.state.interruptWaiting = true
        rig.execute([0xfb])
        #expect(rig.cpu.state.inhibitInterrupts)
        rig.execute([0xfb])
        #expect(!rig.cpu.state.inhibitInterrupts)
        rig.cpu.rax = 0x10
        rig.execute([0x8e, 0xd0])
        #expect(rig.cpu.state.inhibitInterrupts)
    }

    @Test func `STAC and CLAC choose the table for supervisor accesses`() throws {
        let rig = try SystemRig(.long)
        #expect(rig.cpu.state.dataTLB == rig.cpu.state.supervisorUserTLB)
        rig.cpu.rax = 0x21_0220
        rig.execute([0x0f, 0x22, 0xe0])
        #expect(rig.cpu.state.dataTLB == rig.cpu.state.supervisorTLB)
        rig.execute([0x0f, 0x01, 0xcb])
        #expect(rig.cpu.state.dataTLB == rig.cpu.state.supervisorUserTLB)
        rig.execute([0x0f, 0x01, 0xca])
        #expect(rig.cpu.state.dataTLB == rig.cpu.state.supervisorTLB)
    }

    @Test func `A null segment loses its base, and PUSH and POP keep selectors`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.setBase(4, 0x1234)
        rig.execute([0x8e, 0xe0])
        #expect(rig.cpu.get64(Register.fsBase) == 0)
        #expect(rig.selectors[4] == 0)
        rig.cpu.rax = 0x20
        rig.execute([0x8e, 0xe8, 0x0f, 0xa8, 0x0f, 0xa1], count: 3)
        #expect(rig.selectors[4] == 0x20)
        #expect(rig.cpu.rsp == SystemRig.kernelStack)
        rig.execute([0x8c, 0xe1])
        #expect(rig.cpu.rcx == 0x20)
    }

    @Test func `A descriptor that is used becomes accessed, a task state busy`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rax = 0xa0
        rig.execute([0x8e, 0xd8])
        #expect(rig.word(0x30a0) == 0x9300_0000_00ff)
        rig.cpu.rax = 0x30
        rig.execute([0x0f, 0x00, 0xd8])
        #expect(rig.word(0x3030) == 0x8b00_6000_0080)
        #expect(rig.cpu.state.task.base == 0x6000)
        rig.execute([0x0f, 0x00, 0xd8])
        #expect(rig.vector == 13)
        #expect(rig.stack(0) == 0x30)
    }

    struct Query: Sendable {
        let selector: UInt64
        let rights: UInt64?
        let limit: UInt64?
        let readable: Bool
        let writable: Bool
    }

    @Test(arguments: [
        Query(selector: 0, rights: nil, limit: nil, readable: false, writable: false),
        Query(
            selector: 0x10, rights: 0xc0_9300, limit: 0xffff_ffff, readable: true, writable: true),
        Query(
            selector: 0x08, rights: 0xa0_9b00, limit: 0xffff_ffff, readable: true, writable: false),
        Query(selector: 0x30, rights: 0x8900, limit: 0x80, readable: false, writable: false),
        Query(selector: 0x70, rights: 0xec00, limit: nil, readable: false, writable: false),
        Query(selector: 0x13, rights: nil, limit: nil, readable: false, writable: false),
        Query(selector: 0x100, rights: nil, limit: nil, readable: false, writable: false),
    ])
    func `LAR, LSL, VERR and VERW`(_ query: Query) throws {
        let rig = try SystemRig(.long)
        rig.cpu.rax = query.selector
        rig.execute([0x0f, 0x02, 0xc8])
        #expect(rig.cpu.flags.zero == (query.rights != nil))
        if let rights = query.rights { #expect(rig.cpu.rcx & ~0xf_0000 == rights & ~0xf_0000) }
        rig.execute([0x0f, 0x03, 0xc8])
        #expect(rig.cpu.flags.zero == (query.limit != nil))
        if let limit = query.limit { #expect(rig.cpu.rcx == limit) }
        rig.execute([0x0f, 0x00, 0xe0])
        #expect(rig.cpu.flags.zero == query.readable)
        rig.execute([0x0f, 0x00, 0xe8])
        #expect(rig.cpu.flags.zero == query.writable)
    }

    @Test func `Ports`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rax = 0xffff_ffff_ffff_ffff
        rig.execute([0xe4, 0x10])
        #expect(rig.cpu.rax == 0xffff_ffff_ffff_ff10)
        rig.cpu.rdx = 0x2f8
        rig.execute([0xed])
        #expect(rig.cpu.rax == 0x2f8 * 0x0101_0101 & 0xffff_ffff)
        rig.cpu.rax = 0x1234_5678
        rig.execute([0x66, 0xef, 0xee], count: 2)
        rig.put(0x9000, 0x0403_0201)
        rig.set(rsi: 0x9000, rcx: 3)
        rig.execute([0xf3, 0x6e])
        #expect(
            rig.bus.writes == [
                "760 2 22136", "760 1 120", "760 1 1", "760 1 2", "760 1 3",
            ])
        #expect(rig.cpu.rcx == 0)
        #expect(rig.cpu.get64(Register.rsi) == 0x9003)
    }

    @Test func `A task may use the ports of its bitmap`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.rdx = 0x10
        rig.execute([0xec])
        #expect(rig.vector == nil)
        rig.cpu.rdx = 0x17
        rig.execute([0x66, 0xed])
        #expect(rig.vector == 13)
    }

    @Test(
        arguments: [
            (0x174, 0xffff_fff0), (0x175, 0xffff_8000_0000_0000), (0x277, 0x0007_0406_0007_0406),
            (0x2ff, 0xc06), (0x200, 0x12_3000_0006), (0x201, 0xff_ffff_f800),
            (0x26f, 0x0606_0606_0505_0101),
            (0xc000_0081, 0x23_0010_0000_0000), (0xc000_0082, 0xffff_ffff_8100_0000),
            (0xc000_0084, 0x4_7700), (0xc000_0100, 0x7fff_ffff_f000), (0xc000_0103, 7),
            (0xc001_0010, 0x1_0000), (0xc001_1029, 2), (0xc001_001f, 0),
        ] as [(UInt64, UInt64)])
    func `An MSR keeps its value`(_ number: UInt64, _ value: UInt64) throws {
        let rig = try SystemRig(.long)
        rig.cpu.rcx = number
        rig.cpu.rax = value & 0xffff_ffff
        rig.cpu.rdx = value >> 32
        rig.execute([0x0f, 0x30])
        rig.cpu.rax = 0
        rig.cpu.rdx = 0
        rig.execute([0x0f, 0x32])
        #expect(rig.vector == nil)
        #expect(rig.cpu.rax | rig.cpu.rdx << 32 == value)
    }

    @Test func `Writes of the time stamp show in TSC_ADJUST`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rcx = 0x3b
        rig.cpu.rax = 0x1000_0000
        rig.cpu.rdx = 1
        rig.execute([0x0f, 0x30])
        rig.execute([0x0f, 0x31])
        #expect(rig.cpu.rdx == 1)
        #expect(rig.cpu.rax >= 0x1000_0000)
        rig.cpu.rcx = 0x10
        rig.cpu.rax = 0
        rig.cpu.rdx = 0
        rig.execute([0x0f, 0x30])
        rig.execute([0x0f, 0x01, 0xf9])
        #expect(rig.cpu.rdx == 0)
        #expect(rig.cpu.rax < 0x1000)
    }

    @Test func `Breakpoints match their length and kind`() throws {
        let cpu = try SystemRig(.long).cpu
        cpu.state.debug[0] = 0x9004
        cpu.state.debug[1] = 0xa000
        cpu.state.debug[7] = 0x400 | 1 | 4 | 0xd << 16  // 0: writes of 4 bytes; 1: execution
        #expect(cpu.dataBreakpoints(at: 0x9002, byteCount: 4, isWrite: true) == 1)
        #expect(cpu.dataBreakpoints(at: 0x9008, byteCount: 4, isWrite: true) == 0)
        #expect(cpu.dataBreakpoints(at: 0x9004, byteCount: 4, isWrite: false) == 0)
        #expect(cpu.instructionBreakpoints(at: 0xa000) == 2)
        cpu.state.systemFlags |= 1 << 16
        #expect(cpu.instructionBreakpoints(at: 0xa000) == 0)
    }
}

extension SystemRig {
    func set(rsi: UInt64, rcx: UInt64) {
        cpu.set64(Register.rsi, rsi)
        cpu.rcx = rcx
    }
}
