// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory

/// A virtual machine of the hardware engine, with interrupt controllers and timers in the kernel.
///
/// Nothing of it runs on a thread of its own: each processor runs on the thread that calls it.
package final class KVMVirtualMachine: VirtualMachine, Sendable {
    /// Pages for the kernel's own use, in the hole below 4 GiB where no device is.
    private static var identityMapAddress: UInt64 { 0xfffb_c000 }
    private static var tssAddress: UInt { 0xfffb_d000 }

    let kernel: KernelMachine
    private let first: KVMVCPU?
    /// Knows what the host offers, whatever this machine has been given.
    private let maker: ProcessorMaker
    package let vcpus: [any VirtualCPU]
    /// Keeps the guest's RAM mapped as long as the kernel may use it.
    private let memory: GuestMemory
    private let hasIODescriptors: Bool
    /// What ``KVMHost`` has found out.
    package let kind: EngineKind

    /// Makes a machine with all its processors, the first of them ready to run.
    ///
    /// - Parameters:
    ///   - kind: What ``KVMHost`` has found out.
    ///   - supported: ``KVMHost/supported``; nil: the kernel is asked.
    ///   - fallback: Completes what the kernel's emulator gives up on; nil: that ends the machine.
    package init(
        device: consuming KVMDevice, memory: GuestMemory, bus: any MachineBus,
        configuration: VirtualMachineConfiguration, kind: EngineKind,
        supported: CPUIDTable? = nil,
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
        // Whoever changes what the kernel's readers may be reading waits for them. While nobody has
        // changed anything that takes microseconds, and after the interrupt controllers several ticks
        // of the kernel's clock. So the watch on a register comes before all, then memory.
        //
        // Only such hosts need the watch, and there it is nothing but a repair: without it the guest
        // runs on.
        let repairs =
            kind == .pvm && device.check(.registerExits) != 0 && device.check(.registerFilter) != 0
        if repairs { try vm.watchWrites(of: SystemCallRepair.entryRegister) }
        let regions = memory.mappedRegions
        if regions.contains(where: \.isReadOnly) { try device.require([.readOnlyMemory]) }
        for (slot, region) in regions.enumerated() {
            try vm.map(region, slot: UInt32(truncatingIfNeeded: slot))
        }
        let slotCount = regions.count + (memory.pluggable?.blockCount ?? 0)
        let slotLimit = device.check(.memorySlots)
        // A kernel that does not say has 32.
        guard slotCount <= max(slotLimit, 32) else {
            throw .memorySlots(slotCount, limit: slotLimit)
        }
        try vm.setIdentityMapAddress(Self.identityMapAddress)
        try vm.setTSSAddress(Self.tssAddress)
        try vm.makeIRQChip()
        try vm.makePIT()
        // Before there are processors that the kernel would have to tell.
        if Self.hasAVIC(kind) { try? vm.losePITTicks() }
        let maker = try ProcessorMaker(
            device, vm, configuration, supported: supported, persistent: memory.persistent)
        var vcpus: [any VirtualCPU] = []
        var first: KVMVCPU?
        for index in 0..<configuration.cpuCount {
            let vcpu = try maker.make(
                index, of: vm, bus: bus, fallback: fallback, repairs: repairs ? memory : nil)
            if first == nil { first = vcpu }
            vcpus.append(vcpu)
        }
        hasIODescriptors = device.check(.ioDescriptor) != 0
        self.first = first
        self.maker = maker
        self.vcpus = vcpus
        self.memory = memory
        self.kind = kind
        kernel = KernelMachine(vm)
        memory.pluggable?.observer = BlockSlots(kernel, first: regions.count)
    }

    /// Whether KVM may use AMD's interrupt controllers in hardware, which it leaves off as long as it
    /// makes up for the interval timer's lost ticks: for those it has to see the end of each interrupt.
    ///
    /// The request for it waits twice for the kernel's readers, so it is made nowhere else; nor in a
    /// jail, which has no such file.
    private static func hasAVIC(_ kind: EngineKind) -> Bool {
        guard kind == .hardware else { return false }
        let value = try? FileSystem.contents(of: "/sys/module/kvm_amd/parameters/avic", limit: 8)
        return value?.first == UInt8(ascii: "Y") || value?.first == UInt8(ascii: "1")
    }

    /// What the engine needs, as a template changes it.
    private static func capabilities(_ template: CPUTemplate?) -> [Capability] {
        guard let template else { return Capability.required }
        let waived = Set(template.waivedCapabilities)
        return Capability.required.filter { !waived.contains($0.rawValue) }
            + template.requiredCapabilities.map(Capability.init(rawValue:))
    }

    package func interruptLine(gsi: UInt32) -> any InterruptLine {
        KVMInterruptLine(kernel: kernel, gsi: gsi)
    }

    /// Which lengths of a write ring a doorbell, the best first. Only Intel's processors gain by any
    /// length, which the kernel looks up in two places and so waits twice for its readers.
    static func doorbellLengths(_ kind: EngineKind, isIntel: Bool) -> [UInt32] {
        kind != .pvm && isIntel ? [0, 4] : [4]
    }

    package func signalOnWrite(to address: GuestAddress, descriptor event: CInt) -> Bool {
        guard hasIODescriptors else { return false }
        for length in Self.doorbellLengths(kind, isIntel: maker.isIntel) {
            let bound: Void? = try? kernel.descriptor.bind(event, address: address, length: length)
            if bound != nil { return true }
        }
        return false
    }

    /// Lets a count on the eventfd `event` pulse the wire of `gsi`, without a system call of ours;
    /// false if this kernel cannot. The descriptor stays the caller's.
    package func pulseOnSignal(_ event: CInt, gsi: UInt32) -> Bool {
        (try? kernel.descriptor.bind(event, gsi: gsi)) != nil
    }

    // MARK: State

    package func save() throws(EngineError) -> MachineState {
        do throws(KVMError) {
            var state = MachineState(profile: try profile())
            try saveChips(&state)
            state.pit = PITState(try kernel.descriptor.pit(), now: Clock.monotonic)
            state.clock = ClockState(try kernel.descriptor.clock())
            return state
        } catch {
            throw error.asEngineError
        }
    }

    package func restore(_ state: MachineState) throws(EngineError) {
        do throws(KVMError) {
            if let reason = try refusal(of: state.profile) {
                throw .engine(.state(reason))
            }
            try restoreChips(state)
            try kernel.descriptor.setPIT(kvm_pit_state2(state.pit, now: Clock.monotonic))
            try kernel.descriptor.setClock(kvm_clock_data(state.clock))
        } catch {
            throw error.asEngineError
        }
    }

    /// Why a guest of this profile cannot go on in this machine: the host lacks something of it, or
    /// the machine's processors are others than the guest has looked at.
    private func refusal(of guest: CPUProfile) throws(KVMError) -> String? {
        guard let first else { return nil }
        let offered = CPUProfile(
            kind: kind, cpuid: try maker.offered(first.rate.kilohertz).table(of: 0),
            vendor: maker.vendor, tscKilohertz: first.rate.kilohertz,
            scalesTSC: first.rate.isScalable)
        if let reason = guest.refusal(on: offered) { return reason }
        let known = maker.restored(guest.cpuid).table(of: 0)
        return known.difference(from: first.cpuid).map {
            "the guest knows another answer of CPUID leaf 0x\(String($0, radix: 16)) than the "
                + "processors of this machine give"
        }
    }

    private func profile() throws(KVMError) -> CPUProfile {
        guard let first else {
            return CPUProfile(kind: kind, cpuid: CPUIDTable(), tscKilohertz: 0)
        }
        return CPUProfile(
            kind: kind, cpuid: first.cpuid, vendor: maker.vendor,
            tscKilohertz: first.rate.kilohertz,
            scalesTSC: first.rate.isScalable)
    }
}

/// The kernel's part of a machine, for whoever needs no more: devices hold lines, processors hold
/// devices, and the machine holds processors.
final class KernelMachine: Sendable {
    let descriptor: VMDescriptor

    init(_ descriptor: consuming VMDescriptor) { self.descriptor = descriptor }
}

/// A wire into the kernel's interrupt controllers.
///
/// It is driven by request, not by an irqfd: the request returns when the controllers have the
/// edge, so that a saved state holds every interrupt raised before. An irqfd hands the edge of an
/// I/O APIC's pin to a thread of the kernel, which delivers it some time later.
private final class KVMInterruptLine: InterruptLine {
    private let kernel: KernelMachine
    private let gsi: UInt32

    init(kernel: KernelMachine, gsi: UInt32) {
        self.kernel = kernel
        self.gsi = gsi
    }

    func pulse() {
        set(true)
        set(false)
    }

    func set(_ high: Bool) {
        // Refused only for a wire that does not exist, and then nobody is at its other end.
        try? kernel.descriptor.setLine(gsi: gsi, high: high)
    }
}
