// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import Emulator

@Suite struct InterruptTests {
    @Test func `An interrupt of user code switches to the task's stack`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.rflags = 0x4_4a97
        #expect(rig.cpu.deliver(interrupt: 0x40) == .delivered)
        #expect(rig.vector == 0x40)
        #expect(rig.cpu.rsp == SystemRig.taskStack - 40)
        let frame = (0..<5).map { rig.stack($0) }
        #expect(frame == [SystemRig.code, 0x2b, 0x4_4a97, SystemRig.userStack, 0x23])
        #expect(rig.selectors[1] == 0x08)
        #expect(rig.selectors[2] == 0)
        #expect(rig.cpu.state.privilege == 0)
        // IF and NT are cleared, AC stays.
        #expect(rig.cpu.rflags == 0x4_0897)
    }

    @Test func `A trap gate leaves IF alone`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.setGate(0x80, type: 15)
        rig.cpu.rflags = 0x202
        rig.execute([0xcd, 0x80])
        #expect(rig.vector == 0x80)
        #expect(rig.stack(0) == SystemRig.code + 2)
        #expect(rig.stack(2) == 0x202)
        #expect(rig.cpu.rflags == 0x202)
        #expect(rig.cpu.state.retired == 1)
    }

    @Test func `The stack is aligned without a change of level`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.rsp = 0x1eff9
        #expect(rig.cpu.deliver(interrupt: 0x40) == .delivered)
        #expect(rig.cpu.rsp == 0x1eff0 - 40)
        #expect(rig.stack(3) == 0x1eff9)
        #expect(rig.stack(4) == 0x10)
        #expect(rig.selectors[2] == 0x10)
    }

    @Test func `A gate can name a stack`() throws {
        let rig = try SystemRig(.long)
        rig.setGate(0x40, ist: 1)
        #expect(rig.cpu.deliver(interrupt: 0x40) == .delivered)
        #expect(rig.cpu.rsp == SystemRig.interruptStack - 40)
    }

    @Test func `A fault while an interrupt is delivered is external`() throws {
        let rig = try SystemRig(.long)
        rig.setGate(0x40, present: false)
        #expect(rig.cpu.deliver(interrupt: 0x40) == .delivered)
        #expect(rig.vector == 11)
        #expect(rig.stack(0) == 0x203)
    }

    @Test func `A contributory fault in a contributory one is a double fault`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.setGate(13, present: false)
        #expect(rig.execute([0xfa]))
        #expect(rig.vector == 8)
        #expect(rig.stack(0) == 0)
        #expect(rig.stack(1) == SystemRig.code)
    }

    @Test func `A page fault after an invalid opcode is served in turn`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.setGate(6, ist: 2)
        rig.put(0x602c, 0x4000_1000)
        #expect(rig.execute([0x0f, 0x0b]))
        #expect(rig.vector == 14)
        #expect(rig.stack(0) == 2)
        #expect(rig.cpu.state.cr2 == 0x4000_0ff8)
    }

    @Test func `A page fault in a page fault is a double fault`() throws {
        let rig = try SystemRig(.long)
        rig.setGate(14, ist: 2)
        rig.put(0x602c, 0x4000_1000)
        rig.cpu.rax = 0x4000_0000
        #expect(rig.execute([0x0f, 0x01, 0x10]))
        #expect(rig.vector == 8)
    }

    @Test func `A fault in a double fault is shutdown`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.state.idt.limit = 0
        #expect(!rig.execute([0xfa]))
    }

    @Test func `A task state without room for the stack is invalid`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.state.task.limit = 8
        rig.setGate(10, ist: 0)
        // #TS cannot be delivered either, and so on to the end.
        #expect(rig.cpu.deliver(interrupt: 0x40) == .shutdown)
    }

    @Test func `NMIs wait for IRET`() throws {
        let rig = try SystemRig(.long)
        #expect(rig.cpu.deliverNMI() == .delivered)
        #expect(rig.vector == 2)
        #expect(rig.cpu.state.system.nmiBlocked)
        rig.execute([0x48, 0xcf])
        #expect(!rig.cpu.state.system.nmiBlocked)
        #expect(rig.cpu.state.rip == SystemRig.code)
        #expect(rig.cpu.rsp == SystemRig.kernelStack)
    }

    @Test(arguments: [(0x2b, 0x3_0000), (0x1b, 0x3_0000)] as [(UInt64, UInt64)])
    func `IRETQ goes to user code of both kinds`(_ code: UInt64, _ pointer: UInt64) throws {
        let rig = try SystemRig(.long)
        rig.cpu.rsp -= 40
        for (index, value) in [0x9000, code, 0x246, pointer, 0x23].enumerated() {
            rig.put(rig.cpu.rsp + UInt64(index) * 8, value)
        }
        rig.execute([0x48, 0xcf])
        #expect(rig.cpu.state.rip == 0x9000)
        #expect(rig.cpu.rsp == pointer)
        #expect(rig.cpu.rflags == 0x246)
        #expect(rig.cpu.state.privilege == 3)
        #expect(rig.cpu.state.mode.is64 == (code == 0x2b))
        // Level 0 data does not stay behind.
        #expect(rig.selectors == [0, UInt16(code), 0x23, 0, 0, 0])
        #expect(rig.cpu.state.dataTLB == rig.cpu.state.userTLB)
    }

    @Test func `A debug exception turns general detection off`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.state.debug[7] = 0x2400
        rig.execute([0x0f, 0x21, 0xc0])
        #expect(rig.vector == 1)
        #expect(rig.cpu.state.debug[6] == 0xffff_2ff0)
        #expect(rig.cpu.state.debug[7] == 0x400)
    }

    // MARK: Legacy protected mode

    @Test func `A 32-bit gate switches stacks and pushes doublewords`() throws {
        let rig = try SystemRig(.protected, level: 3)
        rig.execute([0xfa])
        #expect(rig.vector == 13)
        #expect(rig.cpu.rsp == SystemRig.taskStack - 24)
        let frame = (0..<6).map { rig.stack32($0) }
        #expect(frame == [0, 0x8000, 0x1b, 0x1_0002, 0x30000, 0x23])
        #expect(rig.selectors[1] == 0x40)
        #expect(rig.selectors[2] == 0x10)
        rig.cpu.rsp += 4
        rig.execute([0xcf])
        #expect(rig.cpu.state.rip == 0x8000)
        #expect(rig.cpu.rsp == SystemRig.userStack)
        #expect(rig.cpu.state.privilege == 3)
        #expect(rig.selectors[1] == 0x1b)
    }

    @Test func `A call gate copies parameters, and RETF drops them`() throws {
        let rig = try SystemRig(.protected, level: 3)
        rig.cpu.rsp -= 4
        rig.put32(rig.cpu.rsp, 0x1234_5678)
        rig.execute([0x9a, 0, 0, 0, 0, 0x9b, 0])
        #expect(rig.cpu.state.rip == 0x12000)
        #expect(rig.cpu.rsp == SystemRig.taskStack - 20)
        let frame = (0..<5).map { rig.stack32($0) }
        #expect(frame == [0x8007, 0x1b, 0x1234_5678, 0x2fffc, 0x23])
        rig.execute([0xca, 4, 0])
        #expect(rig.cpu.state.rip == 0x8007)
        #expect(rig.cpu.rsp == SystemRig.userStack)
        #expect(rig.cpu.state.privilege == 3)
    }

    @Test func `A 64-bit call gate leads to level 0 and RETFQ back`() throws {
        let rig = try SystemRig(.long, level: 3)
        rig.cpu.rax = 0x9000
        rig.put(0x9000, 0x73 << 32)
        rig.execute([0xff, 0x18])
        #expect(rig.cpu.state.rip == 0x12000)
        #expect(rig.cpu.rsp == SystemRig.taskStack - 32)
        #expect((0..<4).map { rig.stack($0) } == [0x8002, 0x2b, SystemRig.userStack, 0x23])
        rig.execute([0x48, 0xcb])
        #expect(rig.cpu.state.rip == 0x8002)
        #expect(rig.cpu.rsp == SystemRig.userStack)
    }

    // MARK: Real mode

    @Test func `INT and IRET in real mode`() throws {
        let rig = try SystemRig(.real)
        rig.cpu.rflags = 0x4_0303
        rig.cpu.state.systemFlags &= ~0x100
        rig.execute([0xcd, 0x21])
        #expect(rig.cpu.state.rip == 0x1_0210)
        #expect(rig.selectors[1] == 0x1000)
        #expect(rig.cpu.rsp == 0x7efa)
        let frame = (0..<3).map { rig.word16(rig.cpu.rsp + UInt64($0) * 2) }
        #expect(frame == [0x8002, 0, 0x203])
        #expect(rig.cpu.rflags == 3)
        rig.execute([0xcf])
        #expect(rig.cpu.state.rip == 0x8002)
        #expect(rig.cpu.rflags == 0x203)
        #expect(rig.cpu.rsp == 0x7f00)
    }
}
