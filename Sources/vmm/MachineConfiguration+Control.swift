// SPDX-License-Identifier: Apache-2.0
import Control
import Machine

extension MachineConfiguration {
    /// The machine that a configuration file asks for. `console` stays open as long as it runs.
    init(_ config: VMConfig, input: CInt?, output: CInt?) {
        self.init(
            kernelPath: config.bootSource.kernelPath,
            commandLine: config.bootSource.arguments ?? Self.defaultCommandLine)
        initrdPath = config.bootSource.initrdPath
        cpuCount = Int(config.machine.vcpuCount)
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
        networks = config.networks.map(Network.init)
        entropy = config.entropy != nil
        entropyLimits = config.entropy?.rateLimiter.map { Limits($0) }
        balloon = config.balloon.map { config in
            var balloon = Balloon(mebibytes: config.amount)
            balloon.deflatesOnOOM = config.deflatesOnOOM
            balloon.statisticsInterval = config.statisticsInterval
            balloon.hints = config.hintsFreePages
            balloon.reports = config.reportsFreePages
            return balloon
        }
        hotplug = config.memoryHotplug.map {
            Hotplug(
                byteCount: UInt64($0.totalSize) << 20, blockSize: UInt64($0.blockSize) << 20,
                requested: UInt64(config.swiftlet.pluggedMemory) << 20)
        }
        drives = config.drives.map(Drive.init)
        if let words = Self.rootWords(config) {
            self.commandLine = Self.commandLine(self.commandLine, adding: [words])
        }
        serialInput = input
        serialOutput = output
    }

    /// What tells the kernel where its root file system is, as Firecracker does.
    private static func rootWords(_ config: VMConfig) -> String? {
        if let root = config.drives.first(where: \.isRootDevice) {
            let device = root.partUUID.map { "PARTUUID=" + $0 } ?? "/dev/vda"
            return "root=\(device) \(root.isReadOnly ? "ro" : "rw")"
        }
        return nil
    }

    /// Firecracker's, for a configuration without `boot_args`.
    private static var defaultCommandLine: String {
        "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd"
            + " swiotlb=noforce"
    }
}

extension MachineConfiguration.Network {
    fileprivate init(_ config: NetworkConfig) {
        self.init(device: config.hostDevice)
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
        isAsync = config.ioEngine == .async
        isWriteback = config.cacheType == .writeback
        limits = MachineConfiguration.Limits(config.rateLimiter)
    }
}

extension MachineConfiguration.Limits {
    fileprivate init(_ config: RateLimiterConfig?) {
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
