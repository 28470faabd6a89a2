// SPDX-License-Identifier: Apache-2.0
import Control
import Machine

extension MachineConfiguration {
    /// The machine that a configuration asks for. `console` stays open as long as it runs.
    init(_ config: VMConfig, input: CInt?, output: CInt?) {
        self.init(
            kernelPath: config.bootSource.kernelPath,
            commandLine: config.bootSource.arguments ?? Self.defaultCommandLine)
        initrdPath = config.bootSource.initrdPath
        cpuCount = Int(config.machine.vcpuCount)
        threadsPerCore = config.machine.hasThreads && cpuCount > 1 ? 2 : 1
        if case .here(let cpu) = config.cpu { apply(cpu) }
        memoryBytes = config.machine.memorySize << 20
        switch config.machine.hugePages {
        case .none: hugePages = .none
        case .transparent: hugePages = .transparent
        case .twoMiB: hugePages = .twoMiB
        }
        prefault = config.swiftlet.prefaults
        switch config.swiftlet.engine {
        case .auto: engine = .auto
        case .kvm: engine = .kvm
        case .soft: engine = .soft
        }
        affinity = config.swiftlet.affinity
        deterministic = config.swiftlet.isDeterministic
        debugExit = config.swiftlet.hasDebugExit
        vsock = config.vsock.map { Vsock(cid: $0.guestCID, path: $0.path) }
        vsock?.reserve = config.swiftlet.guestCalls ?? 0
        networks = config.networks.map(Network.init)
        entropy = config.entropy != nil
        entropyLimits = config.entropy?.rateLimiter.map { Limits($0) }
        balloon = config.balloon.map(Balloon.init)
        hotplug = config.memoryHotplug.map {
            Hotplug($0, plugged: config.swiftlet.pluggedMemory)
        }
        drives = config.drives.map(Drive.init)
        pmems = config.pmems.map(Pmem.init)
        self.commandLine = Self.commandLine(self.commandLine, adding: Self.words(config))
        serialInput = input
        serialOutput = output
        serialLimit = config.serial?.rateLimiter.map(Bucket.init)
    }

    /// Takes a processor configuration over; a file of one has been read by now.
    private mutating func apply(_ cpu: CPUConfig) {
        for leaf in cpu.leaves {
            for modifier in leaf.modifiers {
                fixIdentity(
                    leaf: leaf.leaf, subleaf: leaf.subleaf, IdentityRegister(modifier.register),
                    mask: modifier.bits.mask, value: modifier.bits.value)
            }
        }
        for register in cpu.registers {
            fixModelSpecific(
                register.address, mask: register.bits.mask, value: register.bits.value)
        }
        for capability in cpu.capabilities {
            setCapability(capability.number, isRequired: !capability.isRemoved)
        }
    }

    /// What the monitor has to say to the kernel, as Firecracker does: that there is no PCI to look
    /// for, and where the root file system is.
    private static func words(_ config: VMConfig) -> [String] {
        // Whoever reads the report has chosen line and kernel itself, and its own has no PCI: it would
        // pass the word on to the first program.
        let words = config.swiftlet.report == nil ? ["pci=off"] : []
        guard let root = rootWords(config) else { return words }
        return words + [root]
    }

    /// Where the root file system is.
    private static func rootWords(_ config: VMConfig) -> String? {
        if let root = config.drives.first(where: \.isRootDevice) {
            let device = root.partUUID.map { "PARTUUID=" + $0 } ?? "/dev/vda"
            return "root=\(device) \(root.isReadOnly ? "ro" : "rw")"
        }
        if let index = config.pmems.firstIndex(where: \.isRootDevice) {
            return "root=/dev/pmem\(index) \(config.pmems[index].isReadOnly ? "ro" : "rw")"
        }
        return nil
    }

    /// Firecracker's, for a configuration without `boot_args`.
    private static var defaultCommandLine: String {
        "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd"
            + " swiotlb=noforce"
    }
}

extension MachineConfiguration.IdentityRegister {
    fileprivate init(_ register: CPUIDLeafModifier.Register) {
        switch register {
        case .eax: self = .eax
        case .ebx: self = .ebx
        case .ecx: self = .ecx
        case .edx: self = .edx
        }
    }
}

extension MachineConfiguration.Balloon {
    fileprivate init(_ config: BalloonConfig) {
        self.init(mebibytes: config.amount)
        deflatesOnOOM = config.deflatesOnOOM
        statisticsInterval = config.statisticsInterval
        hints = config.hintsFreePages
        reports = config.reportsFreePages
    }
}

extension MachineConfiguration.Hotplug {
    /// - Parameter plugged: What the guest is to plug at once, in MiB.
    fileprivate init(_ config: MemoryHotplugConfig, plugged: UInt32) {
        self.init(
            byteCount: UInt64(config.totalSize) << 20, blockSize: UInt64(config.blockSize) << 20,
            requested: UInt64(plugged) << 20)
    }
}

extension MachineConfiguration.Network {
    fileprivate init(_ config: NetworkConfig) {
        self.init(id: config.id, device: config.hostDevice)
        mac = config.guestMAC?.bytes
        mtu = config.mtu
        receive = MachineConfiguration.Limits(config.receiveLimiter)
        transmit = MachineConfiguration.Limits(config.transmitLimiter)
    }
}

extension MachineConfiguration.Drive {
    fileprivate init(_ config: DriveConfig) {
        self.init(id: config.id, path: config.path)
        isReadOnly = config.isReadOnly
        isAsync = config.ioEngine == .concurrent
        isWriteback = config.cacheType == .writeback
        discards = config.discards
        limits = MachineConfiguration.Limits(config.rateLimiter)
    }
}

extension MachineConfiguration.Pmem {
    fileprivate init(_ config: PmemConfig) {
        self.init(id: config.id, path: config.path)
        isReadOnly = config.isReadOnly
        limits = MachineConfiguration.Limits(config.rateLimiter)
    }
}

extension MachineConfiguration.Limits {
    init(_ config: RateLimiterConfig?) {
        self.init(
            bandwidth: config?.bandwidth.map(MachineConfiguration.Bucket.init),
            operations: config?.ops.map(MachineConfiguration.Bucket.init))
    }
}

extension MachineConfiguration.Bucket {
    fileprivate init(_ config: TokenBucketConfig) {
        self.init(
            size: config.size, refillTime: config.refillTime,
            oneTimeBurst: config.oneTimeBurst ?? 0)
    }
}
