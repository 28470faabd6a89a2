// SPDX-License-Identifier: Apache-2.0
import Glibc
import Hypervisor
import Memory
import Synchronization
import Testing

@testable import KVM

/// A running guest's state goes into a fresh machine, and the guest goes on.
@Suite struct MoveTests {
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A running guest goes on in a fresh machine`() throws {
        let first = try SmallMachine(.kvm, try GuestImage("journey"))
        try first.start { [unowned first] request in
            if case .move = request { first.stop() }
        }
        try first.waitUntilStopped()
        #expect(first.bus.state.withLock { $0.end } == nil)

        let machineState = try first.machine.save()
        let state = try first.machine.vcpus[0].save()
        // Taking a state out changes nothing.
        var again = try first.machine.vcpus[0].save()
        again.timeStamp = state.timeStamp
        again.localAPIC = state.localAPIC
        again.msrs = state.msrs
        #expect(again == state)

        let second = try SmallMachine(.kvm, nil)
        try copy(first.memory, to: second.memory)
        try second.machine.restore(machineState)
        try second.machine.vcpus[0].restore(state)
        let there = try second.machine.vcpus[0].save()
        #expect(there.general == state.general)
        #expect(there.system == state.system)
        #expect(there.floatingPoint == state.floatingPoint)
        #expect(there.debug == state.debug)
        #expect(there.events == state.events)
        #expect(there.activity == state.activity)
        #expect(try second.run() == "00001234 00005678 same a5a5a5a5 journey\n")
    }

    /// What a guest may look at that is to move between the engines of this host.
    private func commonProfile() throws -> CPUProfile {
        guard HostKVM.isUsable else { return try SmallMachine(.soft, nil).machine.save().profile }
        let kvm = try SmallMachine(.kvm, nil).machine.save().profile
        let soft = try SmallMachine(.soft, nil, tscKilohertz: kvm.tscKilohertz).machine.save()
        return soft.profile.common(with: kvm)
    }

    /// Runs `guest` until it asks to be moved, and for a while, and takes it into a fresh machine:
    /// that machine, and the states of the processors.
    private func move(
        _ guest: String, _ from: TestedEngine, _ to: TestedEngine, cpuCount: Int = 1,
        afterMicroseconds: UInt32 = 0
    ) throws -> (machine: SmallMachine, states: [CPUState]) {
        let profile = try commonProfile()
        let first = try SmallMachine(
            from, try GuestImage(guest), cpuCount: cpuCount, cpuid: profile.cpuid,
            tscKilohertz: profile.tscKilohertz)
        try first.start { [unowned first] request in
            guard case .move = request else { return }
            usleep(afterMicroseconds)
            first.stop()
        }
        try first.waitUntilStopped()
        let second = try SmallMachine(
            to, nil, cpuCount: cpuCount, cpuid: profile.cpuid, tscKilohertz: profile.tscKilohertz)
        try copy(first.memory, to: second.memory)
        let machineState = try first.machine.save()
        let states = try first.machine.vcpus.map { vcpu in try vcpu.save() }
        try second.machine.restore(machineState)
        for (vcpu, state) in zip(second.machine.vcpus, states) { try vcpu.restore(state) }
        return (second, states)
    }

    /// Both ways between the engines, and from each into a fresh machine of its own.
    @Test(arguments: TestedEngine.usable, TestedEngine.usable)
    func `A guest that keeps to the common profile moves between engines`(
        _ from: TestedEngine, _ to: TestedEngine
    ) throws {
        let second = try move("journey", from, to).machine
        #expect(try second.run() == "00001234 00005678 same a5a5a5a5 journey\n")
    }

    /// One processor runs, one is halted, one waits to be started: each goes on so.
    @Test(arguments: TestedEngine.usable, TestedEngine.usable)
    func `Processors move as they are, running, halted and waiting`(
        _ from: TestedEngine, _ to: TestedEngine
    ) throws {
        let (second, states) = try move(
            "relay", from, to, cpuCount: 3, afterMicroseconds: 200_000)
        #expect(states.prefix(2).map(\.activity) == [.runnable, .halted])
        #expect([.waitingForStartup, .initReceived].contains(states[2].activity))
        #expect(try second.run() == "00000002 00000006 00000001 relay\n")
    }

    /// KVM keeps the interrupt of a timer for the processor's next run, and shows nothing of it.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A timer that is due when its processor is saved is not lost`() throws {
        let profile = try commonProfile()
        let first = try SmallMachine(
            .kvm, nil, cpuid: profile.cpuid, tscKilohertz: profile.tscKilohertz)
        var state = try first.machine.vcpus[0].save()
        var page = try #require(state.localAPIC)
        page[0xf0] = 0x1ff
        page[0x320] = 0x40
        page[0x3e0] = 0xb
        page[0x380] = 1000
        page[0x390] = 1000
        state.localAPIC = page
        try first.machine.vcpus[0].restore(state)
        // It counts to a thousand in a microsecond.
        usleep(10_000)
        state = try first.machine.vcpus[0].save()
        #expect(state.localAPIC?[0x390] == 1)

        let second = try SmallMachine(
            .soft, nil, cpuid: profile.cpuid, tscKilohertz: profile.tscKilohertz)
        try second.machine.vcpus[0].restore(state)
        usleep(10_000)
        // Vector 0x40 is requested.
        #expect(try second.machine.vcpus[0].save().localAPIC?[0x220] == 1)
    }

    @Test func `A timer that counts once and has none left counts one more`() {
        var page = LocalAPICState()
        page[0x320] = 0x41
        page[0x380] = 1000
        page.keepDueTimer()
        #expect(page[0x390] == 1)
        // Its interrupt is requested; it is masked; it goes round; it was never started.
        let others: [[Int: UInt32]] = [
            [0x220: 2], [0x320: 0x1_0041], [0x320: 0x2_0041], [0x380: 0],
        ]
        for other in others {
            var page = LocalAPICState()
            page[0x320] = 0x41
            page[0x380] = 1000
            for (place, value) in other { page[place] = value }
            page.keepDueTimer()
            #expect(page[0x390] == 0, "\(other)")
        }
    }

    @Test(arguments: TestedEngine.usable)
    func `A paused guest goes on where it was`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("journey"))
        try machine.start { [unowned machine] request in
            if case .move = request { machine.stop() }
        }
        try machine.waitUntilStopped()
        #expect(try machine.run() == "00001234 00005678 same a5a5a5a5 journey\n")
    }

    @Test func `Registers are saved once, and none of another hypervisor's`() {
        let saved = KVMVCPU.savedRegisters([
            0x174, 0x10, 0x1b, 0xc000_0080, 0xc000_0101, 0x4000_0000, 0x4000_0105, 0x4b56_4d01,
            0x277, 0x2ff,
        ])
        #expect(Set(saved).count == saved.count)
        #expect(Set(saved).isSuperset(of: [0x174, 0x4b56_4d01, 0x277, 0x2ff, 0x200, 0x26f]))
        for number in [0x10, 0x1b, 0xc000_0080, 0xc000_0101, 0x4000_0000, 0x4000_0105] as [UInt32] {
            #expect(!saved.contains(number), "\(number)")
        }
    }

    /// What the software engine says of the machine below the guest, and a kernel may not take.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `How the machine below was set up does not keep a guest from moving`() throws {
        let vcpu = try SmallMachine(.kvm, nil).machine.vcpus[0]
        var state = SmallMachine.start
        // TOP_MEM2 and DE_CFG with reserved bits: values that no kernel takes.
        state.msrs = [0xc001_001d: 0x1234_5678, 0xc001_1029: 0xffff_0000_0000_0002]
        try vcpu.restore(state)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A state that no processor can be in is refused`() throws {
        let machine = try SmallMachine(.kvm, try GuestImage("halt"))
        var state = SmallMachine.start
        state.floatingPoint.image = [UInt8](repeating: 0, count: 100)
        #expect(throws: EngineError.self) { try machine.machine.vcpus[0].restore(state) }
        state = SmallMachine.start
        // Paging without protection.
        state.system.cr0 = 0x8000_0000
        #expect(throws: EngineError.self) { try machine.machine.vcpus[0].restore(state) }
        state = SmallMachine.start
        state.msrs = [0x1234_5678: 1]
        #expect(throws: EngineError.self) { try machine.machine.vcpus[0].restore(state) }
        var chips = try machine.machine.save()
        chips.ioAPIC.entries = []
        #expect(throws: EngineError.self) { try machine.machine.restore(chips) }
        chips = try machine.machine.save()
        chips.pit.channels = []
        #expect(throws: EngineError.self) { try machine.machine.restore(chips) }
    }

    /// The machine has been given what its guest knew, and yet the host has to have it.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A guest of a richer processor is refused, whatever the machine was given`() throws {
        var state = try SmallMachine(.kvm, nil).machine.save()
        // Bit 16 of ECX is reserved: nobody offers it.
        state.profile.cpuid.change(1) { $0.ecx |= 1 << 16 }
        let machine = try SmallMachine(.kvm, nil, cpuid: state.profile.cpuid).machine
        #expect {
            try machine.restore(state)
        } throws: { error in
            "\(error)".contains("the processor feature CPUID leaf 0x1, ecx, bit 16")
        }
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A guest of a poorer processor goes on where processors are as poor`() throws {
        let richer = try SmallMachine(.kvm, nil).machine
        var state = try richer.save()
        // No x2APIC.
        state.profile.cpuid.change(1) { $0.ecx &= ~(1 << 21) }
        #expect {
            try richer.restore(state)
        } throws: { error in
            "\(error)".contains("another answer of CPUID leaf 0x1 ")
        }
        let machine = try SmallMachine(.kvm, nil, cpuid: state.profile.cpuid).machine
        try machine.restore(state)
        #expect(try machine.save().profile.cpuid == state.profile.cpuid)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `The machine's state comes out as it went in`() throws {
        let machine = try SmallMachine(.kvm, try GuestImage("halt")).machine
        var state = try machine.save()
        state.primaryPIC.vectorBase = 0x20
        state.primaryPIC.mask = 0xfe
        state.secondaryPIC.levels = 0x0e
        state.ioAPIC.entries[4] = 0x0100_0000_0000_0931
        state.ioAPIC.selector = 0x18
        state.clock.nanoseconds = 5_000_000_000_000
        try machine.restore(state)
        let there = try machine.save()
        #expect(there.primaryPIC == state.primaryPIC)
        #expect(there.secondaryPIC == state.secondaryPIC)
        #expect(there.ioAPIC == state.ioAPIC)
        #expect(there.profile == state.profile)
        #expect(there.clock.nanoseconds >= state.clock.nanoseconds)
    }

    private func copy(_ source: GuestMemory, to target: GuestMemory) throws {
        for region in source.regions {
            let bytes = try source.read(at: region.base, count: Int(region.byteCount))
            try target.write(bytes, at: region.base)
        }
    }
}
