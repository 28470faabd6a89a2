// SPDX-License-Identifier: Apache-2.0
import Linux

extension HostSurvey {
    /// Features of the host's kernel that machines make use of.
    var kernelFindings: [Finding] {
        [
            cgroups, landlock, userNamespaces, userfaultfd, ioUring, tap, hugePages,
            memoryFiles, seccomp,
        ]
    }

    /// The command that adds `words` to the kernel's command line for good.
    static func bootOption(_ words: String) -> String {
        "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&\(words) /' /etc/default/grub"
            + " && sudo update-grub && sudo reboot"
    }

    /// Mount points and options of a file system type in `/proc/self/mounts`.
    func mounts(of type: String) -> [(point: String, options: [Substring])] {
        files.lines("/proc/self/mounts").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 4, words[2] == type else { return nil }
            return (String(words[1]), words[3].split(separator: ","))
        }
    }

    private var cgroups: Finding {
        let second = mounts(of: "cgroup2")
        let first = mounts(of: "cgroup")
        let remedy = [Self.bootOption("systemd.unified_cgroup_hierarchy=1")]
        if second.contains(where: { $0.point == "/sys/fs/cgroup" }) {
            return Finding(.kernel, "cgroup", .good, "version 2")
        }
        if first.isEmpty {
            return second.isEmpty
                ? Finding(
                    .kernel, "cgroup", .warning, "none is mounted: machines have no bounds",
                    remedy: ["sudo mount -t cgroup2 none /sys/fs/cgroup"])
                : Finding(.kernel, "cgroup", .good, "version 2")
        }
        return second.isEmpty
            ? Finding(
                .kernel, "cgroup", .note,
                "version 1 only: the jailer uses it, pressure figures"
                    + " and delegation are missing", remedy: remedy)
            : Finding(
                .kernel, "cgroup", .note,
                "hybrid: the controllers are in version 1, which the jailer uses", remedy: remedy)
    }

    private var landlock: Finding {
        if let version = features.landlock {
            return Finding(.kernel, "landlock", .good, "interface \(version)")
        }
        let others = files.text("/sys/kernel/security/lsm").map { "," + $0 } ?? ""
        return Finding(
            .kernel, "landlock", .warning,
            "missing: the monitor's files are guarded by seccomp alone",
            remedy: [Self.bootOption("lsm=landlock\(others)")])
    }

    private var userNamespaces: Finding {
        guard let error = features.userNamespaces else {
            return Finding(.kernel, "user-namespaces", .good, "work without root")
        }
        let remedy: [String] =
            if files.number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 {
                ["sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"]
            } else if files.number("/proc/sys/kernel/unprivileged_userns_clone") == 0 {
                ["sudo sysctl -w kernel.unprivileged_userns_clone=1"]
            } else if files.number("/proc/sys/user/max_user_namespaces") == 0 {
                ["sudo sysctl -w user.max_user_namespaces=15000"]
            } else { [] }
        return Finding(
            .kernel, "user-namespaces", .warning,
            "refused (\(error)): a machine started without root has no namespaces of its own",
            remedy: remedy)
    }

    private var userfaultfd: Finding {
        guard let error = features.userfaultfd else {
            return Finding(.kernel, "userfaultfd", .good, "works")
        }
        let remedy =
            error == .notImplemented
            ? []
            : files.exists("/dev/userfaultfd")
                ? ["sudo chown \"$USER\" /dev/userfaultfd"]
                : ["sudo sysctl -w vm.unprivileged_userfaultfd=1"]
        return Finding(
            .kernel, "userfaultfd", .note,
            "refused (\(error)): memory of a snapshot cannot be served page by page", remedy: remedy
        )
    }

    private var ioUring: Finding {
        guard let error = features.ioUring else {
            return Finding(.kernel, "io-uring", .good, "works")
        }
        let isSwitchedOff = (files.number("/proc/sys/kernel/io_uring_disabled") ?? 0) > 0
        return Finding(
            .kernel, "io-uring", .note, "refused (\(error)): drives use threads instead",
            remedy: isSwitchedOff ? ["sudo sysctl -w kernel.io_uring_disabled=0"] : [])
    }

    private var tap: Finding {
        let forUser = ["sudo ip tuntap add dev tap0 mode tap user \"$USER\""]
        guard files.exists("/dev/net/tun") else {
            return Finding(
                .kernel, "tap", .note, "no /dev/net/tun: no network by TAP devices",
                remedy: ["sudo modprobe tun"] + forUser)
        }
        if let error = files.openError("/dev/net/tun") {
            return Finding(
                .kernel, "tap", .note, "/dev/net/tun cannot be opened: \(error)",
                remedy: ["sudo chmod 0666 /dev/net/tun"] + forUser)
        }
        return mayConfigureNetwork
            ? Finding(.kernel, "tap", .good, "may be made")
            : Finding(
                .kernel, "tap", .note, "may be used, but root must make them", remedy: forUser)
    }

    /// CAP_NET_ADMIN, bit 12 of the effective capabilities.
    private var mayConfigureNetwork: Bool {
        let line = files.lines("/proc/self/status").first { $0.hasPrefix("CapEff:") }
        let value = line?.split(whereSeparator: \.isWhitespace).last.flatMap {
            UInt64($0, radix: 16)
        }
        return (value ?? 0) >> 12 & 1 == 1
    }

    private var hugePages: Finding {
        let path = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
        let count = files.number(path) ?? 0
        return count > 0
            ? Finding(.kernel, "huge-pages", .good, "\(count) of 2 MiB are free")
            : Finding(
                .kernel, "huge-pages", .note, "none of 2 MiB are set aside for \"huge_pages\"",
                remedy: ["sudo sysctl -w vm.nr_hugepages=256"])
    }

    private var memoryFiles: Finding {
        guard let error = features.memoryFiles else {
            return Finding(.kernel, "memfd", .good, "works")
        }
        return Finding(
            .kernel, "memfd", .broken, "refused (\(error)): Linux 3.17 or later is needed")
    }

    private var seccomp: Finding {
        guard let error = features.seccomp else {
            return Finding(.kernel, "seccomp", .good, "filters can end a process")
        }
        return Finding(
            .kernel, "seccomp", .broken,
            "refused (\(error)): Linux 4.14 or later with CONFIG_SECCOMP_FILTER is needed")
    }
}
