// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Testing

@testable import Emulator

/// Single instructions, from plain state to plain state.
@Suite struct CompletionTests {
    /// A guest as ``SystemRig`` makes it, whose instructions are completed.
    struct Guest {
        let rig: SystemRig
        let completion: InstructionCompletion
        var state: CPUState

        init(
            _ mode: SystemRig.Mode = .long, level: UInt8 = 0, pluggable: PluggableSize? = nil
        ) throws {
            rig = try SystemRig(mode, level: level, pluggable: pluggable)
            completion = InstructionCompletion(memory: rig.memory, bus: rig.bus, cpuCount: 1)
            state = rig.machine.processors[0].save()
        }

        /// Completes one instruction; the state is then the new one.
        mutating func run(_ bytes: [UInt8]) throws {
            try rig.memory.write(bytes, at: GuestAddress(state.general.rip))
            state.events.exception = nil
            switch completion.complete(state, processor: 0) {
            case .completed(let new): state = new
            case .refused(let reason): Issue.record("refused: \(reason)")
            }
        }
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        /// RAX, RCX, RDX, RBX before and after.
        let before: [UInt64]
        let after: [UInt64]
        /// CF 1, ZF 0x40, SF 0x80, OF 0x800 after; nil: not looked at.
        let flags: UInt64?

        init(
            _ name: String, _ bytes: [UInt8], _ before: [UInt64], _ after: [UInt64],
            flags: UInt64? = nil
        ) {
            testDescription = name
            self.bytes = bytes
            self.before = before
            self.after = after
            self.flags = flags
        }
    }

    static let rows: [Row] = [
        Row(
            "ANDN", [0xc4, 0xe2, 0xf0, 0xf2, 0xc2], [9, 0xf0, 0xff, 0], [0x0f, 0xf0, 0xff, 0],
            flags: 0),
        Row(
            "BLSR", [0xc4, 0xe2, 0xf8, 0xf3, 0xc9], [0, 0x58, 0, 0], [0x50, 0x58, 0, 0], flags: 0),
        Row(
            "BLSR of zero", [0xc4, 0xe2, 0xf8, 0xf3, 0xc9], [7, 0, 0, 0], [0, 0, 0, 0], flags: 0x41),
        Row(
            "BLSMSK", [0xc4, 0xe2, 0xf8, 0xf3, 0xd1], [0, 0x58, 0, 0], [0x0f, 0x58, 0, 0], flags: 0),
        Row("BLSI", [0xc4, 0xe2, 0xf8, 0xf3, 0xd9], [0, 0x58, 0, 0], [8, 0x58, 0, 0], flags: 1),
        Row(
            "BEXTR", [0xc4, 0xe2, 0xf0, 0xf7, 0xc2], [0, 0x0804, 0xabcd, 0],
            [0xbc, 0x0804, 0xabcd, 0], flags: 0),
        Row(
            "BZHI", [0xc4, 0xe2, 0xf0, 0xf5, 0xc2], [0, 8, 0x1ff, 0], [0xff, 8, 0x1ff, 0], flags: 0),
        Row(
            "BZHI beyond the width", [0xc4, 0xe2, 0xf0, 0xf5, 0xc2], [0, 64, .max, 0],
            [.max, 64, .max, 0], flags: 0x81),
        Row(
            "PDEP", [0xc4, 0xe2, 0xf3, 0xf5, 0xc2], [0, 5, 0xf0f0, 0], [0x50, 5, 0xf0f0, 0]),
        Row(
            "PEXT", [0xc4, 0xe2, 0xf2, 0xf5, 0xc2], [0, 0xabcd, 0xf0f0, 0],
            [0xac, 0xabcd, 0xf0f0, 0]),
        Row(
            "MULX", [0xc4, 0xe2, 0xf3, 0xf6, 0xc3], [0, 0, .max, 3],
            [2, 0xffff_ffff_ffff_fffd, .max, 3]),
        Row(
            "RORX", [0xc4, 0xe3, 0xfb, 0xf0, 0xc1, 4], [0, 0x12, 0, 0],
            [0x2000_0000_0000_0001, 0x12, 0, 0]),
        Row(
            "SARX", [0xc4, 0xe2, 0xf2, 0xf7, 0xc2], [0, 4, 0x8000_0000_0000_0000, 0],
            [0xf800_0000_0000_0000, 4, 0x8000_0000_0000_0000, 0]),
        Row("SHLX", [0xc4, 0xe2, 0xf1, 0xf7, 0xc2], [0, 68, 1, 0], [16, 68, 1, 0]),
        Row(
            "SHRX, 32 bits", [0xc4, 0xe2, 0x73, 0xf7, 0xc2], [.max, 4, 0xf_0000_0010, 0],
            [1, 4, 0xf_0000_0010, 0]),
        Row("TZCNT", [0xf3, 0x48, 0x0f, 0xbc, 0xc1], [0, 0x100, 0, 0], [8, 0x100, 0, 0]),
        Row("TZCNT of zero", [0xf3, 0x48, 0x0f, 0xbc, 0xc1], [0, 0, 0, 0], [64, 0, 0, 0]),
        Row("LZCNT", [0xf3, 0x0f, 0xbd, 0xc1], [0, 1, 0, 0], [31, 1, 0, 0]),
        Row("POPCNT", [0xf3, 0x48, 0x0f, 0xb8, 0xc1], [0, 0xff01, 0, 0], [9, 0xff01, 0, 0]),
        Row(
            "MOVBE", [0x48, 0x0f, 0x38, 0xf0, 0x02], [0, 0, 0x5000, 0],
            [0x0102_0304_0506_0708, 0, 0x5000, 0]),
        Row(
            "ADD, which any engine has", [0x48, 0x01, 0xc8], [1, 2, 0, 0], [3, 2, 0, 0], flags: 0),
    ]

    @Test(arguments: rows)
    func `An instruction gives what the manual says`(_ row: Row) throws {
        var guest = try Guest()
        try guest.rig.memory.store(UInt64(0x0807_0605_0403_0201), at: GuestAddress(0x5000))
        guest.state.general.rax = row.before[0]
        guest.state.general.rcx = row.before[1]
        guest.state.general.rdx = row.before[2]
        guest.state.general.rbx = row.before[3]
        let start = guest.state.general.rip
        try guest.run(row.bytes)
        let general = guest.state.general
        #expect(guest.state.events.exception == nil)
        #expect([general.rax, general.rcx, general.rdx, general.rbx] == row.after)
        #expect(general.rip == start + UInt64(row.bytes.count))
        if let flags = row.flags { #expect(general.rflags & 0x8c1 == flags) }
    }

    /// Another processor unplugs in the midst of it.
    @Test func `Memory that an instruction uses stays plugged until it is done`() throws {
        let size = PluggableSize(byteCount: 3 * PluggableSize.leastBlock)
        var guest = try Guest(pluggable: size)
        let memory = guest.rig.memory
        let operand = PluggableMemory.base
        let code = operand + PluggableSize.leastBlock
        // The gigabyte of the blocks, one to one.
        guest.rig.put(0x2000 + (operand >> 30) * 8, operand | 0x87)
        try memory.plug(blocks: 0..<3)
        try memory.store(UInt8(0x5a), at: GuestAddress(operand))
        var refused: [Int] = []
        guest.rig.bus.onWrite = {
            for block in 0..<3 {
                do throws(MemoryError) {
                    try memory.unplug(blocks: block..<block + 1)
                } catch {
                    refused.append(block)
                }
            }
        }
        guest.state.general.rip = code
        guest.state.general.rsi = operand
        guest.state.general.rdx = 0x80
        // OUTSB.
        try guest.run([0x6e])
        #expect(guest.rig.bus.writes == ["128 1 90"])
        #expect(refused == [0, 1])
        #expect(guest.state.general.rip == code + 1)

        try memory.unplug(blocks: 0..<3)
        #expect(!memory.contains(GuestAddress(operand), count: 1))
    }

    /// KVM queues #UD before it hands an instruction over; the shadow of STI ends with it.
    @Test func `An exception that came with the state is not the guest's`() throws {
        var guest = try Guest()
        let start = guest.state.general.rip
        try guest.rig.memory.write([0xf3, 0x48, 0x0f, 0xb8, 0xc1], at: GuestAddress(start))
        guest.state.events.exception = PendingEvents.Exception(vector: 6)
        guest.state.events.shadow = .sti
        guard case .completed(let state) = guest.completion.complete(guest.state, processor: 0)
        else {
            Issue.record("POPCNT was refused")
            return
        }
        #expect(state.events == PendingEvents())
        #expect(state.general.rip == start + 5)
    }

    /// Rows on registers that only the engine has would be refused.
    static let faults =
        (SystemFaultTests.privileged + SystemFaultTests.undefinedOpcodes).filter { fault in
            ![
                "RDMSR", "WRMSR", "RDPMC", "SYSRET", "SYSENTER", "SYSEXIT", "SYSCALL", "RDRAND",
            ].contains { fault.testDescription.hasPrefix($0) }
        }

    @Test(arguments: faults)
    func `A fault is reported and nothing has happened`(_ fault: SystemFaultTests.Fault) throws {
        var guest = try Guest(level: fault.level)
        fault.prepare(guest.rig)
        guest.state = guest.rig.machine.processors[0].save()
        guest.state.general.rax = fault.rax
        let before = guest.state
        try guest.run(fault.bytes)
        let exception = try #require(guest.state.events.exception)
        #expect(Int(exception.vector) == fault.vector)
        #expect(exception.errorCode.map { UInt64($0) } == fault.errorCode)
        // RF is set, so that a breakpoint on the instruction does not hit again.
        guest.state.general.rflags &= ~(1 << 16)
        #expect(guest.state.general == before.general)
    }

    @Test func `INT3 goes through the table by itself`() throws {
        var guest = try Guest()
        try guest.run([0xcc])
        #expect(guest.state.general.rip == 0x10000 + 3 * 16)
        #expect(guest.state.events.exception == nil)
        #expect(guest.rig.word(guest.state.general.rsp) == SystemRig.code + 1)
    }

    @Test func `A page that is not there is named by CR2, and by the bits of the access`() throws {
        var guest = try Guest()
        guest.state.general.rcx = 0x4000_0ff8
        guest.state.general.rax = 7
        try guest.run([0x48, 0x89, 0x01])
        #expect(guest.state.events.exception?.vector == 14)
        #expect(guest.state.events.exception?.errorCode == 2)
        #expect(guest.state.system.cr2 == 0x4000_0ff8)
    }

    @Test func `Code that is not in memory is refused`() throws {
        var guest = try Guest()
        // Mapped, and beyond RAM.
        guest.state.general.rip = 0x3fff_0000
        guard case .refused = guest.completion.complete(guest.state, processor: 0) else {
            Issue.record("code outside memory was completed")
            return
        }
    }

    @Test func `Code that is not mapped is a fault of the fetch`() throws {
        var guest = try Guest()
        guest.state.general.rip = 0x4000_0000
        guard case .completed(let state) = guest.completion.complete(guest.state, processor: 0)
        else {
            Issue.record("a page fault was refused")
            return
        }
        #expect(state.events.exception?.vector == 14)
        #expect(state.events.exception?.errorCode == 0x10)
        #expect(state.system.cr2 == 0x4000_0000)
        #expect(state.general.rip == guest.state.general.rip)
    }

    @Test func `An instruction in two pages is one instruction`() throws {
        var guest = try Guest()
        guest.state.general.rip = 0x8ffd
        try guest.run([0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(guest.state.general.rax == 0x0807_0605_0403_0201)
        #expect(guest.state.general.rip == 0x9007)
    }

    @Test func `A locked exchange of sixteen bytes happens in memory`() throws {
        var guest = try Guest()
        try guest.rig.memory.store(UInt64(1), at: GuestAddress(0x5000))
        try guest.rig.memory.store(UInt64(2), at: GuestAddress(0x5008))
        guest.state.general.rax = 1
        guest.state.general.rdx = 2
        guest.state.general.rbx = 3
        guest.state.general.rcx = 4
        guest.state.general.rdi = 0x5000
        try guest.run([0xf0, 0x48, 0x0f, 0xc7, 0x0f])
        #expect(guest.rig.word(0x5000) == 3)
        #expect(guest.rig.word(0x5008) == 4)
        #expect(guest.state.general.rflags & 0x40 != 0)
    }

    @Test func `Accessed and dirty bits are set in the guest's tables`() throws {
        var guest = try Guest()
        #expect(guest.rig.word(0x2000) & 0x60 == 0)
        guest.state.general.rcx = 0x5000
        try guest.run([0x48, 0x89, 0x01])
        #expect(guest.rig.word(0x1000) & 0x20 != 0)
        #expect(guest.rig.word(0x2000) & 0x60 == 0x60)
    }

    @Test func `STAC and CLAC change AC alone`() throws {
        var guest = try Guest()
        try guest.run([0x0f, 0x01, 0xcb])
        #expect(guest.state.general.rflags & 1 << 18 != 0)
        try guest.run([0x0f, 0x01, 0xca])
        #expect(guest.state.general.rflags & 1 << 18 == 0)
    }

    @Test func `Ports and devices are the bus's`() throws {
        var guest = try Guest()
        guest.state.general.rax = 0x42
        try guest.run([0xe6, 0x80])
        #expect(guest.rig.bus.writes == ["128 1 66"])
    }

    @Test func `A trap flag is followed by a debug exception behind the instruction`() throws {
        var guest = try Guest()
        guest.state.general.rflags |= 0x100
        try guest.run([0x90])
        #expect(guest.state.events.exception?.vector == 1)
        #expect(guest.state.debug[4] & 1 << 14 != 0)
        #expect(guest.state.general.rip == SystemRig.code + 1)
    }

    @Test func `What only the engine has is refused by name`() throws {
        let guest = try Guest()
        try guest.rig.memory.write([0x0f, 0x32], at: GuestAddress(guest.state.general.rip))
        #expect(
            guest.completion.complete(guest.state, processor: 0)
                == .refused("0f 32 is the engine's own"))
    }

    @Test(
        arguments: [
            ([0xf3, 0x0f, 0xb8, 0xc1], "f3 0f b8"),
            ([0xc4, 0xe2, 0xf1, 0xf7, 0xc2], "vex 0f 38 f7"),
            ([0x0f, 0x01, 0xca], "0f 01 /1"), ([0x90], "90"),
            ([0x66, 0x0f, 0x73, 0xd0, 1], "66 0f 73 /2"),
        ] as [([UInt8], String)])
    func `An opcode is named as manuals write it`(_ bytes: [UInt8], _ name: String) throws {
        let guest = try Guest()
        let start = guest.state.general.rip
        try guest.rig.memory.write(bytes, at: GuestAddress(start))
        let host = try CompletionHost(memory: guest.rig.memory, bus: guest.rig.bus, layout: .legacy)
        let processor = try SoftVCPU(index: 0, machine: guest.rig.machine, completion: host)
        processor.cpu.systemRegisters = guest.state.system
        processor.cpu.state.rip = start
        #expect(processor.decodeStep(host)?.description == name)
    }
}
