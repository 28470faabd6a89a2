// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory

/// What the processors of one machine have in common, asked of the kernel once.
struct ProcessorMaker: Sendable {
    private let mapSize: Int
    private let stateRegisters: [UInt32]
    private let floatingPointBytes: Int
    private let scalesTSC: Bool
    private let knowsTSCRate: Bool
    private let hasTSCDeadline: Bool
    private let supported: CPUIDTable
    private let configuration: VirtualMachineConfiguration
    private let persistent: [PersistentMemory]

    init(
        _ device: borrowing KVMDevice, _ vm: borrowing VMDescriptor,
        _ configuration: VirtualMachineConfiguration, supported: CPUIDTable?,
        persistent: [PersistentMemory]
    ) throws(KVMError) {
        mapSize = try device.vcpuMapSize()
        stateRegisters = try device.stateRegisters()
        self.supported = if let supported { supported } else { try device.supportedCPUID() }
        floatingPointBytes = max(vm.check(.largeXSAVE), 4096)
        scalesTSC = vm.check(.tscControl) != 0
        knowsTSCRate = vm.check(.tscRate) != 0
        hasTSCDeadline = vm.check(.tscDeadline) != 0
        self.configuration = configuration
        self.persistent = persistent
    }

    /// Processor `index`: the first as firmware leaves it, the others waiting to be started.
    func make(
        _ index: Int, of vm: borrowing VMDescriptor, bus: any MachineBus,
        fallback: (any EmulationFallback)?, repairs memory: GuestMemory?
    ) throws(KVMError) -> KVMVCPU {
        let vcpu = try vm.makeVCPU(index: index, mapSize: mapSize)
        // Before CPUID, which says it.
        if scalesTSC, let wanted = configuration.tscKilohertz { try vcpu.setTSCRate(wanted) }
        let rate = knowsTSCRate ? try vcpu.tscRate() : 0
        let answers = try cpuid(rate)
        try vcpu.setCPUID(answers.table(of: index))
        try Self.setInitialRegisters(vcpu, configuration.template)
        if index == 0 { try Self.wirePins(vcpu) }
        return KVMVCPU(
            index: index, descriptor: vcpu, bus: bus, fallback: fallback,
            repair: memory.map(SystemCallRepair.init),
            rate: TimeStampRate(kilohertz: rate, isScalable: scalesTSC),
            facts: KVMVCPU.Facts(
                cpuid: answers.table(of: index), stateRegisters: stateRegisters,
                floatingPointBytes: floatingPointBytes,
                persistent: persistent))
    }

    private func cpuid(_ rate: UInt32) throws(KVMError) -> GuestCPUID {
        if let cpuid = configuration.cpuid { return restored(cpuid) }
        return try offered(rate)
    }

    /// Who made the host's processor, whatever guests are told.
    var vendor: String { supported.vendor }
    var isIntel: Bool { supported[0]?.ebx == 0x756e_6547 }

    /// What a machine without a past gets here, with the template's changes.
    func offered(_ rate: UInt32) throws(KVMError) -> GuestCPUID {
        let offered = GuestCPUID(
            supported: supported, cpuCount: configuration.cpuCount,
            threadsPerCore: configuration.threadsPerCore,
            hasTSCDeadline: hasTSCDeadline, tscKilohertz: rate == 0 ? nil : rate)
        guard let template = configuration.template else { return offered }
        var table = offered.table(of: 0)
        do throws(EngineError) {
            try template.apply(to: &table)
        } catch {
            throw .engine(error)
        }
        return restored(table)
    }

    /// What a machine gets whose boot processor has answered so elsewhere.
    func restored(_ table: CPUIDTable) -> GuestCPUID {
        GuestCPUID(
            restored: table, cpuCount: configuration.cpuCount,
            threadsPerCore: configuration.threadsPerCore)
    }

    /// As firmware leaves them: all memory is write-back unless the page tables say otherwise, and
    /// string instructions are quick. Then what a template wants.
    private static func setInitialRegisters(
        _ vcpu: borrowing VCPUDescriptor, _ template: CPUTemplate?
    ) throws(KVMError) {
        try vcpu.writeModelSpecific([(0x1a0, 1), (0x2ff, 0x806)])
        for change in template?.registers ?? [] {
            guard let old = try vcpu.modelSpecific([change.number]).first else {
                throw .engine(
                    .template("model-specific register 0x\(String(change.number, radix: 16))"))
            }
            try vcpu.writeModelSpecific([(change.number, change.bits.apply(to: old))])
        }
    }

    /// The boot processor's two pins, as firmware sets them: the 8259s' interrupts, and the NMI.
    private static func wirePins(_ vcpu: borrowing VCPUDescriptor) throws(KVMError) {
        var page = try vcpu.localAPIC()
        // Words: each register is 16 bytes from the next.
        page[0x350 / 4] = page[0x350 / 4] & ~0x1_0700 | 0x700
        page[0x360 / 4] = page[0x360 / 4] & ~0x1_0700 | 0x400
        try vcpu.setLocalAPIC(page)
    }
}

extension VCPUDescriptor {
    /// Writes registers that the kernel must take.
    func writeModelSpecific(_ values: [(UInt32, UInt64)]) throws(KVMError) {
        let count = try setModelSpecific(values[...])
        guard count >= values.count else {
            throw .modelSpecificRegister(values[count].0, values[count].1)
        }
    }
}
