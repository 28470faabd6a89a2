// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hypervisor
import KVM
import Memory
import Testing

@Suite struct KVMAvailabilityTests {
    /// The one test that names the reason when the others leave `kvm` out.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here: \(HostKVM.host)"))
    func `The other tests use KVM`() {
        #expect(HostKVM.host.kind != nil)
        #expect(TestedEngine.usable == [.kvm, .soft])
    }
}

/// The same source on each engine, and the same output.
@Suite struct SmallGuestTests {
    struct Guest: CustomTestStringConvertible, Sendable {
        let name: String
        let said: String
        var testDescription: String { name }
    }

    static let guests = [
        Guest(
            name: "ports",
            said: "12345678 eeeeabcd eeeeee5a 00000001 00000004 12340000 000000ff ports\n"),
        Guest(
            name: "mmio",
            said: "89abcdef 1234cdef 00000077 00001234 23458900 cafebabe 05060708 mmio\n"),
        Guest(
            name: "interrupts",
            said: "software invalid 0000fff8 00000064 00000064 00000064 00000065 interrupts\n"),
        Guest(name: "shadow", said: "00000008 00000004 invalid shadow\n"),
        Guest(name: "timers", said: "pit 00000000 apic\n"),
        Guest(name: "syscalls", said: "s0 s0 p0 6 s0 \n"),
    ]

    @Test(arguments: guests, TestedEngine.usable)
    func `A guest says the same on each engine`(_ guest: Guest, _ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage(guest.name))
        #expect(try machine.run() == guest.said)
    }

    /// Where guest kernels are emulated, the host takes a user's INT 0x80 for its own.
    @Test(arguments: TestedEngine.usable.filter { $0 == .soft || !HostKVM.isEmulated })
    func `User mode enters the kernel by an interrupt gate`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("gates"))
        #expect(try machine.run() == "g0 p0 6 g0 \n")
    }

    @Test(.enabled(if: HostKVM.isEmulated, "guest kernels run natively here, or not at all"))
    func `SYSCALL is repaired where guest kernels are emulated, and counted`() throws {
        let machine = try SmallMachine(.kvm, try GuestImage("syscalls"))
        _ = try machine.run()
        #expect(machine.machine.vcpus[0].completedInstructions["0f 05"] == 3)
    }

    @Test(.enabled(if: HostKVM.isEmulated, "guest kernels run natively here, or not at all"))
    func `What KVM gives up on is completed once, and counted`() throws {
        let machine = try SmallMachine(.kvm, try GuestImage("shadow"))
        _ = try machine.run()
        let counts = machine.machine.vcpus[0].completedInstructions
        #expect(counts["f3 0f b8"] == 2)
    }

    @Test(arguments: TestedEngine.usable, [2, 4])
    func `Processors are started and interrupt each other`(
        _ engine: TestedEngine, _ count: Int
    ) throws {
        let machine = try SmallMachine(
            engine, try GuestImage("processors"), cpuCount: count,
            prepare: { $0.otherProcessors = UInt32(count - 1) })
        let others = UInt32(count - 1)
        let identities = UInt32(1 << count) - 2
        #expect(
            try machine.run()
                == "\(hex(others)) \(hex(others)) \(hex(identities)) processors\n")
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `As many as 32 processors are made and started`() throws {
        let machine = try SmallMachine(
            .kvm, try GuestImage("processors"), cpuCount: 32,
            prepare: { $0.otherProcessors = 31 })
        #expect(try machine.run() == "0000001f 0000001f fffffffe processors\n")
    }

    @Test(arguments: TestedEngine.usable)
    func `Memory goes on above the hole below 4 GiB`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(
            engine, try GuestImage("ports"), memoryBytes: (3 << 30) + (64 << 20))
        #expect(machine.memory.regions.count == 2)
        #expect(try machine.run().hasSuffix("ports\n"))
    }

    @Test(arguments: TestedEngine.usable)
    func `A template changes what processors say of themselves`(_ engine: TestedEngine) throws {
        var template = CPUTemplate()
        var leaf = CPUTemplate.Leaf(leaf: 1, index: 0)
        // No x2APIC; a bit that is reserved is set.
        leaf.registers[.ecx] = BitModifier("0bxxxx_xxxx_xx0x_xxx1_xxxx_xxxx_xxxx_xxxx", width: 32)
        template.leaves = [leaf]
        let image = try GuestImage("identity")
        let plain = try SmallMachine(engine, image).run()
        let changed = try SmallMachine(engine, image, template: template).run()
        let before = try #require(UInt32(plain.prefix(8), radix: 16))
        let after = try #require(UInt32(changed.prefix(8), radix: 16))
        #expect(before & 0x21_0000 == 0x20_0000)
        #expect(after == before & ~0x20_0000 | 0x1_0000)
        #expect(plain.dropFirst(8) == changed.dropFirst(8))
    }

    /// Devices hold lines, and processors hold devices: a machine that is forgotten goes all the same.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A machine that nobody holds is gone`() throws {
        weak var forgotten: SmallMachine?
        weak var memory: GuestMemory?
        do {
            let machine = try SmallMachine(.kvm, try GuestImage("ports"))
            #expect(try machine.run().hasSuffix("ports\n"))
            forgotten = machine
            memory = machine.memory
        }
        // Its last thread may still be on its way out.
        for _ in 0..<1000 where forgotten != nil || memory != nil { usleep(1000) }
        #expect(forgotten == nil)
        #expect(memory == nil)
    }

    private func hex(_ value: UInt32) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }
}
