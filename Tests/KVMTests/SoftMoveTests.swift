// SPDX-License-Identifier: Apache-2.0
import Emulator
import Hypervisor
import Memory
import Support
import Synchronization
import Testing

/// A guest of the software engine is moved into fresh machines while it runs, and nothing of what
/// it does changes.
@Suite struct SoftMoveTests {
    /// What a guest came to: what it said and how many instructions it took.
    struct End: Equatable {
        var said = ""
        var instructions: UInt64 = 0
    }

    private final class Stage {
        let memory: GuestMemory
        let bus: GuestBus
        let machine: SoftVirtualMachine

        init() throws {
            memory = try GuestMemory(byteCount: 32 << 20)
            bus = GuestBus()
            machine = try SoftVirtualMachine(
                memory: memory, bus: bus,
                configuration: VirtualMachineConfiguration(cpuCount: 1, deterministic: true))
        }

        /// Memory holds the engine that watches it, and the engine its memory.
        deinit { memory.writeObserver = nil }
    }

    /// Runs a guest, moving it whenever it has written another `distance` bytes to its console,
    /// and from then on at once again after a few instructions.
    private func run(_ name: String, every distance: Int?) throws -> End {
        let guest = try PrivilegedGuest(name)
        var stage = try Stage()
        try guest.load(into: stage.memory)
        try stage.machine.vcpus[0].restore(PrivilegedGuest.start)
        var end = End()
        var moves = 0
        while true {
            let bus = stage.bus
            let vcpu = stage.machine.vcpus[0]
            bus.onRequest { request in if case .end = request { vcpu.kick() } }
            if let distance { bus.onByte(distance + moves % 3) { vcpu.kick() } }
            let exit = try TestThread.call("\(name), moved \(moves) times") { vcpu.run() }
            guard exit == .interrupted else {
                Issue.record("the guest ended by itself")
                return end
            }
            end.said += bus.said
            end.instructions += vcpu.retiredInstructions ?? 0
            if bus.state.withLock({ $0.end }) != nil { return end }
            moves += 1
            let next = try Stage()
            let bytes = try stage.memory.read(at: GuestAddress(0), count: 32 << 20)
            try next.memory.write(bytes, at: GuestAddress(0))
            try next.machine.restore(try stage.machine.save())
            try next.machine.vcpus[0].restore(try vcpu.save())
            stage = next
        }
    }

    @Test(arguments: PrivilegedTests.names, [700, 131])
    func `A guest that is moved does the same`(_ name: String, _ distance: Int) throws {
        let whole = try run(name, every: nil)
        let moved = try run(name, every: distance)
        let expected = try PrivilegedGuest(name).expected()
        #expect(whole.said == expected)
        #expect(moved == whole)
    }
}
