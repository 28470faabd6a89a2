// SPDX-License-Identifier: Apache-2.0
import Linux

/// What the host's `/dev/kvm` is good for.
package enum KVMState: Hashable, Sendable {
    /// The processor itself runs guests.
    case hardware
    /// As ``hardware``, in a machine that is virtual itself.
    case nested
    /// Guest programs run natively, guest kernels are emulated one instruction at a time.
    case pvm
    /// It cannot be used; the reason as a sentence, and what mends it.
    case unavailable(reason: String, remedy: [String])

    package var name: String {
        switch self {
        case .hardware: "hardware"
        case .nested: "nested"
        case .pvm: "pvm"
        case .unavailable: "none"
        }
    }

    /// Whether `auto` takes the `kvm` engine.
    package var isFast: Bool { self == .hardware || self == .nested }

    /// What the files of the host say, without making a virtual machine.
    package init(_ files: HostFiles) {
        let flags = Self.processorFlags(files)
        guard files.exists("/dev/kvm") else {
            self = Self.missing(flags)
            return
        }
        if let error = files.openError("/dev/kvm") {
            self = .unavailable(
                reason: "/dev/kvm cannot be opened: \(error)", remedy: Self.permission(files, error)
            )
        } else if files.exists("/sys/module/kvm_pvm") {
            self = .pvm
        } else {
            self = flags.contains("hypervisor") ? .nested : .hardware
        }
    }

    /// What has kept KVM, whose device can be opened, from making a machine.
    package enum Obstacle: Hashable, Sendable {
        /// Another hypervisor has the processor's virtualization.
        case anotherHypervisor
        /// The kernel lacks something, or is too old.
        case oldKernel
        case other
    }

    /// A device with which no machine can be made.
    package static func refused(
        _ reason: String, by obstacle: Obstacle, _ files: HostFiles
    ) -> KVMState {
        let remedy: [String] =
            switch obstacle {
            case .anotherHypervisor: release(files)
            case .oldKernel:
                ["sudo apt-get update && sudo apt-get dist-upgrade -y && sudo reboot"]
            case .other: []
            }
        return .unavailable(reason: reason, remedy: remedy)
    }

    /// What ends the other hypervisors that are known to keep virtualization for themselves.
    private static func release(_ files: HostFiles) -> [String] {
        var commands: [String] = []
        if files.exists("/sys/module/vboxdrv") {
            commands.append("sudo modprobe -r vboxnetflt vboxnetadp vboxdrv")
        }
        if files.exists("/sys/module/vmmon") {
            commands.append("sudo systemctl stop vmware && sudo modprobe -r vmmon")
        }
        return commands
    }

    private static func missing(_ flags: Set<Substring>) -> KVMState {
        let module = flags.contains("vmx") ? "kvm_intel" : flags.contains("svm") ? "kvm_amd" : nil
        if let module {
            return .unavailable(
                reason: "there is no /dev/kvm, though the processor has virtualization",
                remedy: ["sudo modprobe \(module)"])
        }
        let place =
            flags.contains("hypervisor")
            ? "this machine is virtual: switch on nested virtualization in its host"
            : "switch on virtualization in the firmware"
        return .unavailable(
            reason: "there is no /dev/kvm, and the processor shows no VMX or SVM; \(place)",
            remedy: [])
    }

    /// What gives this user the right to open the device.
    static func permission(_ files: HostFiles, _ error: Errno) -> [String] {
        guard error == .notPermitted || error == .accessDenied else { return [] }
        let hasGroup = files.lines("/etc/group").contains { $0.hasPrefix("kvm:") }
        return hasGroup
            ? [
                "sudo chgrp kvm /dev/kvm && sudo chmod 0660 /dev/kvm",
                "sudo usermod -aG kvm \"$USER\" && newgrp kvm",
            ]
            : ["sudo chown \"$USER\" /dev/kvm"]
    }

    /// Words of the first `flags` line of `/proc/cpuinfo`.
    static func processorFlags(_ files: HostFiles) -> Set<Substring> {
        let line = files.lines("/proc/cpuinfo").first { $0.hasPrefix("flags") }
        return Set(line?.split(separator: " ") ?? [])
    }
}
