// SPDX-License-Identifier: Apache-2.0
import Control

extension MicroVM {
    /// Who executes the guest's instructions.
    public enum Engine: String, CaseIterable, Sendable {
        /// Hardware where guest kernels run well on it, else software.
        case auto
        /// Hardware virtualization.
        case kvm
        /// An x86-64 processor in software.
        case soft
    }

    /// How a guest reaches its host.
    public enum Network: Hashable, Sendable {
        /// By a TAP device of the host that exists, which the guest finds without addresses.
        case tap(String)
        /// By a TAP device made for this machine, with IPv4 and IPv6 addresses at both ends, which
        /// goes with it. Needs the right to make interfaces (CAP_NET_ADMIN).
        case own
    }

    /// What a machine is made from.
    public struct Configuration: Hashable, Sendable {
        /// Path of the guest kernel on the host.
        public var kernel: String
        /// Path of the initramfs on the host.
        public var initrd: String?
        /// The kernel's command line.
        public var commandLine = Configuration.agentCommandLine
        /// Virtual processors, 1 to 32.
        public var cpus = 1
        /// Guest memory in MiB, 32 to 65536.
        public var memory: UInt64 = 128
        public var engine = Engine.auto
        /// The disk with the root file system (ext4 or erofs); nil: the initramfs is the root.
        public var rootDisk: Disk?
        /// Further disks: `/dev/vda` and so on, behind the root file system's.
        public var disks: [Disk] = []
        /// Files that the guest has as persistent memory: `/dev/pmem0` and so on.
        public var pmems: [Pmem] = []
        /// Time goes by retired instructions, so that two runs are the same. Software engine only.
        public var isDeterministic = false
        /// The guest may end the machine with a value of its choice.
        public var hasDebugExit = false
        /// The guest's network interface; nil: none.
        public var network: Network?
        /// Memory that the guest lends to the host.
        package var balloon: BalloonConfig?
        /// Memory that the guest can be given while it runs.
        package var hotplug: HotplugOption?
        /// The monitor's program; nil: the one that ``Installation/monitor()`` finds.
        public var monitor: String?

        /// A machine with Swiftlet's own kernel and initramfs.
        public init() throws(ClientError) {
            kernel = try Installation.kernel()
            initrd = try Installation.initrd()
        }

        /// A machine with this kernel.
        public init(kernel: String, initrd: String?) {
            self.kernel = kernel
            self.initrd = initrd
        }

        /// For a kernel that starts the agent: quiet, and a panic ends the machine.
        public static var agentCommandLine: String { "quiet reboot=k panic=-1 rootfstype=ramfs" }

        /// As ``agentCommandLine`` for our own kernel, which finds its devices without ACPI and
        /// starts a million instructions sooner so.
        public static var ownCommandLine: String { agentCommandLine + " acpi=off" }

        /// For a kernel whose console somebody watches.
        public static var consoleCommandLine: String { "console=ttyS0 reboot=k panic=-1" }
    }
}

extension MicroVM.Configuration {
    /// Context identifier of the guest in every machine of ours: each has a vsock of its own.
    static var guestCID: UInt32 { 3 }

    /// The monitor's program.
    var program: String {
        get throws(ClientError) {
            if let monitor { return monitor }
            return try Installation.monitor()
        }
    }

    /// The monitor's form of it. `socket`: where its vsock is to be found; nil: none.
    func monitorConfig(
        socket: String?, console: SwiftletConfig.Console, report: CInt
    ) throws(ClientError) -> VMConfig {
        guard let cpus = UInt8(exactly: cpus), (1...MachineConfig.vcpuLimit).contains(cpus) else {
            throw ClientError(
                .badConfiguration,
                "a machine has from 1 to \(MachineConfig.vcpuLimit) processors, not \(cpus)")
        }
        guard MachineConfig.linuxMemoryRange.contains(memory) else {
            throw ClientError(
                .badConfiguration,
                "a machine has from \(MachineConfig.linuxMemoryRange.lowerBound) to"
                    + " \(MachineConfig.linuxMemoryRange.upperBound) MiB of memory, not \(memory)")
        }
        if let balloon, UInt64(balloon.amount) > memory {
            throw ClientError(
                .badConfiguration,
                "the balloon is to have \(balloon.amount) MiB, more than the machine's \(memory)")
        }
        var config = VMConfig(
            bootSource: BootSource(
                kernelPath: kernel, initrdPath: initrd, arguments: commandLine),
            machine: MachineConfig(vcpuCount: cpus, memorySize: memory))
        config.vsock = socket.map { VsockConfig(guestCID: Self.guestCID, path: $0) }
        // The agent calls once.
        config.swiftlet.guestCalls = socket == nil ? nil : 2
        config.entropy = EntropyConfig()
        config.balloon = balloon
        config.memoryHotplug = hotplug?.config
        config.swiftlet.pluggedMemory = hotplug?.plugged ?? 0
        config.drives = driveConfigs
        var names: Set<String> = []
        for name in config.drives.map(\.id)
        where !names.insert(name).inserted {
            throw ClientError(.badConfiguration, "two disks have the name \(name)")
        }
        config.pmems = pmemConfigs
        names = []
        for name in config.pmems.map(\.id) where !names.insert(name).inserted {
            throw ClientError(.badConfiguration, "two persistent memories have the name \(name)")
        }
        config.swiftlet.engine = SwiftletConfig.Engine(rawValue: engine.rawValue) ?? .auto
        config.swiftlet.isDeterministic = isDeterministic
        config.swiftlet.hasDebugExit = hasDebugExit
        config.swiftlet.console = console
        config.swiftlet.report = report
        return config
    }
}

extension MicroVM.Engine: JSONReadable {}
