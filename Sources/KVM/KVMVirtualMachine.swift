// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory
import Synchronization

/// A virtual machine of the hardware engine, with interrupt controllers and timers in the kernel.
///
/// Nothing of it runs on a thread of its own: each processor runs on the thread that calls it.
package final class KVMVirtualMachine: VirtualMachine, Sendable {
    /// Pages for the kernel's own use, in the hole below 4 GiB where no device is.
    private static var identityMapAddress: UInt64 { 0xfffb_c000 }
    private static var tssAddress: UInt { 0xfffb_d000 }

    let descriptor: VMDescriptor
    private let processors: [KVMVCPU]
    /// Keeps the guest's RAM mapped as long as the kernel may use it.
    private let memory: GuestMemory
    private let knownKind: EngineKind?
    private let hasIODescriptors: Bool
    private let detectedKind = Mutex<EngineKind?>(nil)

    /// Makes a machine with all its processors, the first of them ready to run.
    ///
    /// - Parameters:
    ///   - kind: What ``KVMHost`` has found out; nil: found out when somebody asks.
    ///   - fallback: Completes what the kernel's emulator gives up on; nil: that ends the machine.
    package init(
        device: consuming KVMDevice, memory: GuestMemory, bus: any MachineBus,
        configuration: VirtualMachineConfiguration, kind: EngineKind? = nil,
        fallback: (any EmulationFallback)? = nil
    ) throws(KVMError) {
        guard !configuration.deterministic else {
            throw .engine(.unsupported("run the same way twice (deterministic); only soft can"))
        }
        try device.require(Self.capabilities(configuration.template))
        let limit = device.check(.processorLimit)
        guard configuration.cpuCount <= max(limit, 1) else {
            throw .processorCount(configuration.cpuCount, limit: limit)
        }
        clinux_kvm_install_kick()
        let vm = try device.makeVM()
        try vm.setIdentityMapAddress(Self.identityMapAddress)
        try vm.setTSSAddress(Self.tssAddress)
        try vm.makeIRQChip()
        try vm.makePIT()
        for (slot, region) in memory.regions.enumerated() {
            try vm.map(
                slot: UInt32(truncatingIfNeeded: slot), base: region.base,
                byteCount: region.byteCount, host: region.hostAddress)
        }
        let maker = try ProcessorMaker(device, vm, configuration)
        var processors: [KVMVCPU] = []
        for index in 0..<configuration.cpuCount {
            processors.append(try maker.make(index, of: vm, bus: bus, fallback: fallback))
        }
        hasIODescriptors = device.check(.ioDescriptor) != 0
        self.processors = processors
        self.memory = memory
        knownKind = kind
        descriptor = vm
    }

    /// What the engine needs, as a template changes it.
    private static func capabilities(_ template: CPUTemplate?) -> [Capability] {
        guard let template else { return Capability.required }
        let waived = Set(template.waivedCapabilities)
        return Capability.required.filter { !waived.contains($0.rawValue) }
            + template.requiredCapabilities.map(Capability.init(rawValue:))
    }

    package var vcpus: [any VirtualCPU] { processors }

    package var kind: EngineKind {
        if let knownKind { return knownKind }
        return detectedKind.withLock { kind in
            if kind == nil { kind = KVMHost.detect().kind ?? .hardware }
            return kind ?? .hardware
        }
    }

    package func interruptLine(gsi: UInt32) -> any InterruptLine {
        KVMInterruptLine(machine: self, gsi: gsi)
    }

    package func signalOnWrite(to address: GuestAddress, descriptor event: CInt) -> Bool {
        guard hasIODescriptors else { return false }
        return (try? descriptor.bind(event, address: address)) != nil
    }

    /// Lets a count on the eventfd `event` pulse the wire of `gsi`, without a system call of ours;
    /// false if this kernel cannot. The descriptor stays the caller's.
    package func pulseOnSignal(_ event: CInt, gsi: UInt32) -> Bool {
        (try? descriptor.bind(event, gsi: gsi)) != nil
    }

    // MARK: State

    package func save() throws(EngineError) -> MachineState {
        do throws(KVMError) {
            var state = MachineState(profile: try profile())
            try saveChips(&state)
            state.pit = PITState(try descriptor.pit(), now: Clock.monotonic)
            state.clock = ClockState(try descriptor.clock())
            return state
        } catch {
            throw error.asEngineError
        }
    }

    package func restore(_ state: MachineState) throws(EngineError) {
        do throws(KVMError) {
            if let reason = state.profile.refusal(on: try profile()) {
                throw .engine(.state(reason))
            }
            try restoreChips(state)
            try descriptor.setPIT(kvm_pit_state2(state.pit, now: Clock.monotonic))
            try descriptor.setClock(kvm_clock_data(state.clock))
        } catch {
            throw error.asEngineError
        }
    }

    private func profile() throws(KVMError) -> CPUProfile {
        guard let first = processors.first else {
            return CPUProfile(kind: kind, cpuid: CPUIDTable(), tscKilohertz: 0)
        }
        return CPUProfile(
            kind: kind, cpuid: first.cpuid, tscKilohertz: first.tscKilohertz,
            scalesTSC: first.scalesTSC)
    }
}

/// A wire into the kernel's interrupt controllers.
///
/// It is driven by request, not by an irqfd: the request returns when the controllers have the
/// edge, so that a saved state holds every interrupt raised before; and it is quicker, as an irqfd
/// hands the edge of an I/O APIC's pin to a kernel thread.
private final class KVMInterruptLine: InterruptLine {
    private let machine: KVMVirtualMachine
    private let gsi: UInt32

    init(machine: KVMVirtualMachine, gsi: UInt32) {
        self.machine = machine
        self.gsi = gsi
    }

    func pulse() {
        set(true)
        set(false)
    }

    func set(_ high: Bool) {
        // Refused only for a wire that does not exist, and then nobody is at its other end.
        try? machine.descriptor.setLine(gsi: gsi, high: high)
    }
}
