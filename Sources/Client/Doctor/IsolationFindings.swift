// SPDX-License-Identifier: Apache-2.0
import Linux

extension HostSurvey {
    /// What weakens the walls between guests, or between a guest and the host.
    var isolationFindings: [Finding] {
        [mitigations, smt, pageSharing, swap, nesting, ignoredRegisters, coreFiles]
    }

    private var mitigations: Finding {
        let folder = "/sys/devices/system/cpu/vulnerabilities"
        let open = files.names(in: folder).filter { name in
            files.text("\(folder)/\(name)")?.hasPrefix("Vulnerable") == true
        }
        if open.isEmpty {
            return Finding(
                .isolation, "mitigations", .good,
                "the kernel knows of no open hole in the processor")
        }
        let line = files.text("/proc/cmdline") ?? ""
        let isSwitchedOff = line.split(separator: " ").contains("mitigations=off")
        return Finding(
            .isolation, "mitigations", .warning,
            "the processor leaks between programs: \(open.joined(separator: ", "))",
            remedy: isSwitchedOff
                ? [
                    "sudo sed -i 's/mitigations=off/mitigations=auto/' /etc/default/grub"
                        + " && sudo update-grub && sudo reboot"
                ]
                : ["sudo apt-get install -y intel-microcode amd64-microcode && sudo reboot"])
    }

    private var smt: Finding {
        guard files.number("/sys/devices/system/cpu/smt/active") == 1 else {
            return Finding(.isolation, "smt", .good, "no two threads share a core")
        }
        return Finding(
            .isolation, "smt", .note, "guests on two threads of one core can spy on each other",
            remedy: ["echo off | sudo tee /sys/devices/system/cpu/smt/control"])
    }

    private var pageSharing: Finding {
        guard files.number("/sys/kernel/mm/ksm/run") == 1 else {
            return Finding(.isolation, "ksm", .good, "no pages are merged between guests")
        }
        return Finding(
            .isolation, "ksm", .warning,
            "equal pages of guests are merged: one guest can tell what another holds",
            remedy: ["echo 2 | sudo tee /sys/kernel/mm/ksm/run"])
    }

    private var swap: Finding {
        let areas = files.lines("/proc/swaps").dropFirst()
            .compactMap { $0.split(separator: " ").first }
        if areas.isEmpty { return Finding(.isolation, "swap", .good, "none") }
        // Compressed memory is no disk that keeps what guests had.
        let onDisk = areas.filter { !$0.hasPrefix("/dev/zram") }
        return onDisk.isEmpty
            ? Finding(.isolation, "swap", .good, "in memory only (zram)")
            : Finding(
                .isolation, "swap", .note,
                "guests' memory can come to lie on disk: \(onDisk.joined(separator: ", "))",
                remedy: ["sudo swapoff -a"])
    }

    private var nesting: Finding {
        for module in ["kvm_intel", "kvm_amd"] where isOn(module, "nested") {
            return Finding(
                .isolation, "nested", .note,
                "guests may be offered virtualization themselves, a large surface few need",
                remedy: [
                    "echo 'options \(module) nested=0' | sudo tee /etc/modprobe.d/swiftlet.conf",
                    "sudo modprobe -r \(module) && sudo modprobe \(module)",
                ])
        }
        return Finding(.isolation, "nested", .good, "guests are not offered virtualization")
    }

    private var ignoredRegisters: Finding {
        guard isOn("kvm", "ignore_msrs") else {
            return Finding(.isolation, "ignore-msrs", .good, "unknown registers fault")
        }
        return Finding(
            .isolation, "ignore-msrs", .warning,
            "KVM lets guests use registers it does not know, which hides mistakes",
            remedy: ["echo N | sudo tee /sys/module/kvm/parameters/ignore_msrs"])
    }

    private var coreFiles: Finding {
        guard files.number("/proc/sys/fs/suid_dumpable") == 1 else {
            return Finding(.isolation, "core-files", .good, "confined processes leave none")
        }
        return Finding(
            .isolation, "core-files", .warning,
            "processes that gave up rights leave core files, with their guest's memory",
            remedy: ["sudo sysctl -w fs.suid_dumpable=0"])
    }

    /// Whether a switch of a kernel module is on.
    func isOn(_ module: String, _ parameter: String) -> Bool {
        ["Y", "1"].contains(files.text("/sys/module/\(module)/parameters/\(parameter)"))
    }
}
