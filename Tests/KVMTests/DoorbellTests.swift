// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux
import Memory
import Synchronization
import Testing

@testable import KVM

/// Exits by the hundred thousand, answered by descriptors that the kernel signals.
@Suite(.serialized) struct DoorbellTests {
    /// A million.
    static var rings: UInt32 { 1_048_576 }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `Doorbells ring and lines answer without an exit to this process`() throws {
        let rings = Self.rings
        let machine = try SmallMachine(
            .kvm, try GuestImage("doorbell"), prepare: { $0.rings = rings })
        let bell = try EventFD()
        let answer = try EventFD()
        #expect(
            machine.machine.signalOnWrite(
                to: GuestAddress(GuestBus.registers + 0x50),
                descriptor: bell.descriptor.rawValue))
        let kvm = try #require(machine.machine as? KVMVirtualMachine)
        #expect(kvm.pulseOnSignal(answer.descriptor.rawValue, gsi: 3))
        let raw = answer.descriptor.rawValue
        try machine.start { request in
            guard case .answer = request else { return }
            // One to the counter: an edge on the line.
            CurrentProcess.writeAll([1, 0, 0, 0, 0, 0, 0, 0], to: raw)
        }
        try machine.waitUntilStopped(seconds: 120)
        let answers = String(rings / 64, radix: 16)
        #expect(
            machine.bus.said == String(repeating: "0", count: 8 - answers.count) + answers
                + " doorbell\n")
        #expect(bell.drain() == UInt64(rings))
        #expect(machine.bus.state.withLock { $0.doorbells } == 0)
    }

    /// The kernel knows a doorbell of a certain length, and one of any; what else comes is the bus's.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"), arguments: [0, 4] as [UInt32])
    func `A doorbell rings by writes of its length`(_ length: UInt32) throws {
        let machine = try SmallMachine(.kvm, try GuestImage("knock"))
        let bell = try EventFD()
        let kvm = try #require(machine.machine as? KVMVirtualMachine)
        try kvm.kernel.descriptor.bind(
            bell.descriptor.rawValue, address: GuestAddress(GuestBus.registers + 0x50),
            length: length)
        #expect(try machine.run() == "knock\n")
        #expect(bell.drain() == (length == 0 ? 3 : 1))
        #expect(machine.bus.state.withLock { $0.doorbells } == (length == 0 ? 0 : 2))
    }

    @Test func `Where processors tell of a doorbell by themselves, any length rings it`() {
        #expect(KVMVirtualMachine.doorbellLengths(.hardware, isIntel: true) == [0, 4])
        #expect(KVMVirtualMachine.doorbellLengths(.nested, isIntel: true) == [0, 4])
        #expect(KVMVirtualMachine.doorbellLengths(.hardware, isIntel: false) == [4])
        #expect(KVMVirtualMachine.doorbellLengths(.pvm, isIntel: true) == [4])
    }

    @Test(arguments: TestedEngine.usable)
    func `Doorbells without a descriptor come to the bus`(_ engine: TestedEngine) throws {
        // Where guest kernels are emulated too, what takes a few seconds.
        let rings = engine == .kvm && HostKVM.isEmulated ? 131_072 : Self.rings
        let machine = try SmallMachine(
            engine, try GuestImage("doorbell"), prepare: { $0.rings = rings })
        let line = machine.machine.interruptLine(gsi: 3)
        try machine.start { request in
            if case .answer = request { line.pulse() }
        }
        try machine.waitUntilStopped(seconds: 120)
        #expect(machine.bus.said.hasSuffix("doorbell\n"))
        #expect(machine.bus.state.withLock { $0.doorbells } == UInt64(rings))
    }
}
