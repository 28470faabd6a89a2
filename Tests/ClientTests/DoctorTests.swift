// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Linux
import Testing

@testable import Client

@Suite struct DoctorTests {
    /// One thing that is wrong with an otherwise good host, and what is to be said of it.
    struct Pitfall: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let name: String
        let level: Finding.Level
        let remedy: String
        var changes: [String: String?] = [:]
        var features = KernelFeatures()

        init(
            _ description: String, _ name: String, _ level: Finding.Level, _ remedy: String,
            _ changes: [String: String?] = [:]
        ) {
            testDescription = description
            self.name = name
            self.level = level
            self.remedy = remedy
            self.changes = changes
        }

        /// As above, with one feature of the kernel changed.
        init(
            _ description: String, _ name: String, _ level: Finding.Level, _ remedy: String,
            _ changes: [String: String?] = [:], features change: (inout KernelFeatures) -> Void
        ) {
            self.init(description, name, level, remedy, changes)
            change(&features)
        }
    }

    private static let v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,favordynmods 0 0\n"
    private static let refused = Errno(rawValue: 1)
    private static let missing = Errno(rawValue: 38)

    static let pitfalls: [Pitfall] = [
        Pitfall(
            "no KVM module", "kvm", .note, "sudo modprobe kvm_intel", ["/dev/kvm": nil]),
        Pitfall(
            "no KVM module for AMD", "kvm", .note, "sudo modprobe kvm_amd",
            ["/dev/kvm": nil, "/proc/cpuinfo": "flags\t: fpu svm"]),
        Pitfall(
            "no virtualization at all", "kvm", .note, "",
            ["/dev/kvm": nil, "/proc/cpuinfo": "flags\t: fpu sse2"]),
        Pitfall("PVM", "kvm", .note, "", ["/sys/module/kvm_pvm/refcnt": "0"]),
        Pitfall(
            "AMD under VMware", "nested-amd", .warning, "swiftlet run --engine soft -- true",
            [
                "/proc/cpuinfo": "vendor_id\t: AuthenticAMD\nflags\t: svm hypervisor",
                "/sys/class/dmi/id/sys_vendor": "VMware, Inc.",
            ]),
        Pitfall(
            "hybrid cgroups", "cgroup", .note, "systemd.unified_cgroup_hierarchy=1",
            ["/proc/self/mounts": v1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"]),
        Pitfall(
            "cgroup version 1", "cgroup", .note, "systemd.unified_cgroup_hierarchy=1",
            ["/proc/self/mounts": v1]),
        Pitfall(
            "no cgroups", "cgroup", .warning, "sudo mount -t cgroup2 none /sys/fs/cgroup",
            ["/proc/self/mounts": "proc /proc proc rw 0 0"]),
        Pitfall("no Landlock", "landlock", .warning, "lsm=landlock") { $0.landlock = nil },
        Pitfall(
            "AppArmor forbids user namespaces", "user-namespaces", .warning,
            "kernel.apparmor_restrict_unprivileged_userns=0",
            ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"]
        ) { $0.userNamespaces = refused },
        Pitfall(
            "Debian's switch forbids user namespaces", "user-namespaces", .warning,
            "kernel.unprivileged_userns_clone=1",
            ["/proc/sys/kernel/unprivileged_userns_clone": "0"]
        ) { $0.userNamespaces = refused },
        Pitfall(
            "no user namespaces are left", "user-namespaces", .warning,
            "user.max_user_namespaces=15000", ["/proc/sys/user/max_user_namespaces": "0"]
        ) { $0.userNamespaces = Errno(rawValue: 28) },
        Pitfall(
            "userfaultfd is root's", "userfaultfd", .note, "/dev/userfaultfd"
        ) { $0.userfaultfd = refused },
        Pitfall(
            "userfaultfd is root's and has no device", "userfaultfd", .note,
            "vm.unprivileged_userfaultfd=1", ["/dev/userfaultfd": nil]
        ) { $0.userfaultfd = refused },
        Pitfall(
            "io_uring is switched off", "io-uring", .note, "kernel.io_uring_disabled=0",
            ["/proc/sys/kernel/io_uring_disabled": "2"]
        ) { $0.ioUring = refused },
        Pitfall("no io_uring", "io-uring", .note, "") { $0.ioUring = missing },
        Pitfall("no memory files", "memfd", .broken, "") { $0.memoryFiles = missing },
        Pitfall("no seccomp", "seccomp", .broken, "") { $0.seccomp = Errno(rawValue: 22) },
        Pitfall("no TAP module", "tap", .note, "sudo modprobe tun", ["/dev/net/tun": nil]),
        Pitfall(
            "TAP devices are root's to make", "tap", .note, "ip tuntap add dev tap0 mode tap",
            ["/proc/self/status": "CapEff:\t0000000000000000"]),
        Pitfall(
            "no huge pages", "huge-pages", .note, "vm.nr_hugepages=256",
            ["/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "0"]),
        Pitfall(
            "old microcode", "mitigations", .warning, "intel-microcode",
            ["/sys/devices/system/cpu/vulnerabilities/mds": "Vulnerable: no microcode"]),
        Pitfall(
            "mitigations switched off", "mitigations", .warning, "mitigations=auto",
            [
                "/proc/cmdline": "quiet mitigations=off",
                "/sys/devices/system/cpu/vulnerabilities/spectre_v2": "Vulnerable",
            ]),
        Pitfall(
            "SMT", "smt", .note, "cpu/smt/control", ["/sys/devices/system/cpu/smt/active": "1"]),
        Pitfall("KSM", "ksm", .warning, "echo 2 |", ["/sys/kernel/mm/ksm/run": "1"]),
        Pitfall(
            "swap", "swap", .note, "sudo swapoff -a",
            ["/proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2"]),
        Pitfall(
            "guests get virtualization", "nested", .note, "options kvm_intel nested=0",
            ["/sys/module/kvm_intel/parameters/nested": "Y"]),
        Pitfall(
            "unknown registers are ignored", "ignore-msrs", .warning, "echo N |",
            ["/sys/module/kvm/parameters/ignore_msrs": "Y"]),
        Pitfall(
            "core files of confined processes", "core-files", .warning, "fs.suid_dumpable=0",
            ["/proc/sys/fs/suid_dumpable": "1"]),
        Pitfall(
            "slow cgroups", "favordynmods", .note, "remount,favordynmods /sys/fs/cgroup",
            ["/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0"]),
        Pitfall(
            "a mitigation that is not needed", "nx-huge-pages", .note, "echo never |",
            ["/sys/module/kvm/parameters/nx_huge_pages": "N"]),
        Pitfall(
            "no second-level paging", "nested-paging", .warning, "ept=1",
            ["/sys/module/kvm_intel/parameters/ept": "N"]),
        Pitfall(
            "long halt polling", "halt-polling", .note, "echo 200000 |",
            ["/sys/module/kvm/parameters/halt_poll_ns": "1000000"]),
        Pitfall(
            "short timers", "timer-period", .note, "echo 200 |",
            ["/sys/module/kvm/parameters/min_timer_period_us": "20"]),
        Pitfall(
            "no transparent huge pages", "thp", .note,
            "echo advise | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled",
            [
                "/sys/kernel/mm/transparent_hugepage/shmem_enabled":
                    "always within_size advise [never] deny force"
            ]),
        Pitfall(
            "huge pages denied to files in memory", "thp", .note, "echo advise |",
            [
                "/sys/kernel/mm/transparent_hugepage/shmem_enabled":
                    "always within_size advise never [deny] force"
            ]),
        Pitfall(
            "a kernel without huge pages", "thp", .note, "",
            ["/sys/kernel/mm/transparent_hugepage/shmem_enabled": nil]),
        Pitfall(
            "a slow clock", "clock", .warning, "echo tsc |",
            ["/sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"]),
        Pitfall(
            "a low frequency", "frequency", .note, "echo performance |",
            ["/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave"]),
        Pitfall(
            "NUMA balancing", "numa", .note, "kernel.numa_balancing=0",
            [
                "/proc/sys/kernel/numa_balancing": "1",
                "/sys/devices/system/node/node1/cpulist": "4-7",
            ]),
        Pitfall("few open files", "open-files", .warning, "ulimit -n 65536") {
            $0.fileLimit = .init(soft: 1024, hard: 1 << 20)
        },
        Pitfall("few open files for good", "open-files", .warning, "limits.d") {
            $0.fileLimit = .init(soft: 256, hard: 1024)
        },
        Pitfall(
            "few mappings", "mappings", .note, "vm.max_map_count=65530",
            ["/proc/sys/vm/max_map_count": "1000"]),
        Pitfall(
            "no overcommitment", "overcommit", .warning, "vm.overcommit_memory=0",
            ["/proc/sys/vm/overcommit_memory": "2"]),
        Pitfall(
            "little memory", "memory", .warning, "ps -eo rss",
            ["/proc/meminfo": "MemAvailable:   100000 kB"]),
        Pitfall(
            "few threads", "processes", .note, "ulimit -u",
            ["/proc/self/limits": "Max processes             100        200      processes"]),
    ]

    @Test func `A good host has nothing to be mended`() throws {
        let diagnosis = try FakeHost().diagnosis()
        let poor = diagnosis.findings.filter { $0.level != .good }
        #expect(poor.isEmpty, "\(poor)")
        #expect(diagnosis.kvm == .hardware)
        #expect(diagnosis.canRun)
    }

    @Test(arguments: pitfalls)
    func `A pitfall is the one thing that is named, with what mends it`(
        _ pitfall: Pitfall
    ) throws {
        let diagnosis = try FakeHost(pitfall.changes).diagnosis(pitfall.features)
        let poor = diagnosis.findings.filter { $0.level != .good }
        #expect(poor.map(\.name) == [pitfall.name])
        let finding = try #require(poor.first)
        #expect(finding.level == pitfall.level)
        let commands = finding.remedy.joined(separator: "\n")
        #expect(commands.contains(pitfall.remedy) || pitfall.remedy.isEmpty, "\(commands)")
        #expect(commands.isEmpty == pitfall.remedy.isEmpty)
        #expect(diagnosis.canRun == (pitfall.level != .broken))
    }

    @Test func `Each finding has a name of its own, and no other host has other names`() throws {
        let names = try FakeHost().diagnosis().findings.map(\.name)
        #expect(Set(names).count == names.count)
        let here = HostSurvey.here(kvm: KVMState(HostFiles())).diagnosis.findings.map(\.name)
        #expect(Set(here).subtracting(["nested-amd"]) == Set(names))
    }

    @Test(
        arguments: [
            (["/sys/module/kvm_pvm/refcnt": "0"], "pvm", "soft"),
            (["/dev/kvm": nil], "none", "soft"),
            (["/proc/cpuinfo": "flags\t: vmx hypervisor"], "nested", "kvm"),
            ([:], "hardware", "kvm"),
        ] as [([String: String?], String, String)])
    func `The engine follows from the kind of KVM`(
        _ changes: [String: String?], _ kvm: String, _ engine: String
    ) throws {
        let json = try FakeHost(changes).diagnosis().json
        #expect(json["kvm"] == .string(kvm))
        #expect(json["engine"] == .string(engine))
        #expect(json["can_run"] == .bool(true))
    }

    @Test func `How long it took to find out what KVM is stands beside what auto takes`() throws {
        let tried = try FakeHost().diagnosis(trial: 4_321_987)
        #expect(tried.text.contains("takes kvm; what KVM is was found out in 4321 µs\n"))
        #expect(tried.json["kvm_trial_us"] == .integer(4321))
        let remembered = try FakeHost().diagnosis()
        #expect(remembered.text.contains("takes kvm\n"))
        #expect(remembered.json["kvm_trial_us"] == nil)
    }

    @Test func `A device that cannot be opened says why`() throws {
        let host = try FakeHost()
        // Not even root can write to a directory.
        let device = host.root.appending(path: "/dev/kvm").path
        try FileManager.default.removeItem(atPath: device)
        try FileManager.default.createDirectory(
            atPath: device, withIntermediateDirectories: false)
        let kvm = host.diagnosis().kvm
        let reason = "/dev/kvm cannot be opened: Is a directory"
        #expect(kvm == .unavailable(reason: reason, remedy: []))
    }

    @Test(arguments: [
        ("kvm:x:106:", "sudo usermod -aG kvm \"$USER\" && newgrp kvm"),
        ("users:x:100:", "sudo chown \"$USER\" /dev/kvm"),
    ])
    func `Permission is had by the device's group where there is one`(
        _ group: String, _ command: String
    ) throws {
        let host = try FakeHost(["/etc/group": group])
        let files = HostFiles(root: host.root.path)
        #expect(KVMState.permission(files, .accessDenied).last == command)
    }

    @Test(
        arguments: [
            (.anotherHypervisor, ["/sys/module/vboxdrv/refcnt": "1"], ["vboxdrv"]),
            (.anotherHypervisor, ["/sys/module/vmmon/refcnt": "1"], ["vmmon"]),
            (.anotherHypervisor, [:], []), (.oldKernel, [:], ["dist-upgrade"]), (.other, [:], []),
        ] as [(KVMState.Obstacle, [String: String?], [String])])
    func `What keeps KVM from making machines comes with what mends it`(
        _ obstacle: KVMState.Obstacle, _ changes: [String: String?], _ commands: [String]
    ) throws {
        let host = try FakeHost(changes)
        let state = withExtendedLifetime(host) {
            KVMState.refused("it does not", by: obstacle, HostFiles(root: host.root.path))
        }
        guard case .unavailable("it does not", let remedy) = state else {
            Issue.record("\(state)")
            return
        }
        #expect(remedy.count == commands.count)
        for (line, word) in zip(remedy, commands) { #expect(line.contains(word)) }
    }

    @Test func `What is missing makes the host unfit, by name`() throws {
        let diagnosis = try FakeHost().diagnosis(missing: ["no guest kernel found"])
        #expect(!diagnosis.canRun)
        #expect(diagnosis.text.contains("fail files"))
        #expect(diagnosis.text.contains("no guest kernel found"))
        #expect(diagnosis.text.hasSuffix("A machine cannot run here.\n"))
    }

    @Test func `The text has a line for each finding and each command`() throws {
        let diagnosis = try FakeHost(["/sys/kernel/mm/ksm/run": "1"]).diagnosis()
        let lines = diagnosis.text.split(separator: "\n")
        let commands = diagnosis.findings.flatMap(\.remedy)
        let groups = Set(diagnosis.findings.map(\.group))
        #expect(lines.count == diagnosis.findings.count + commands.count + groups.count + 1)
        #expect(lines.contains { $0.hasSuffix("$ echo 2 | sudo tee /sys/kernel/mm/ksm/run") })
    }
}
