// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux

@testable import Client

/// Files of a host that is not there, below a directory that goes with this value.
final class FakeHost {
    let root: URL

    /// A host with hardware virtualization about which nothing is to be said.
    static let good: [String: String] = [
        "/dev/kvm": "", "/dev/net/tun": "", "/dev/userfaultfd": "",
        "/etc/group": "root:x:0:\nkvm:x:106:\n",
        "/proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet",
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme sse2 vmx\n",
        "/proc/meminfo": "MemTotal:       16316412 kB\nMemAvailable:   12049288 kB\n",
        "/proc/self/limits":
            "Max processes             63449                63449      processes\n",
        "/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,favordynmods 0 0\n",
        "/proc/self/status": "Name:\tswiftlet\nCapEff:\t000001ffffffffff\n",
        "/proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
        "/proc/sys/fs/suid_dumpable": "0",
        "/proc/sys/kernel/io_uring_disabled": "0",
        "/proc/sys/kernel/numa_balancing": "0",
        "/proc/sys/kernel/osrelease": "6.12.48-amd64",
        "/proc/sys/vm/max_map_count": "65530",
        "/proc/sys/vm/overcommit_memory": "0",
        "/sys/class/dmi/id/sys_vendor": "LENOVO",
        "/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_driver": "acpi-cpufreq",
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil",
        "/sys/devices/system/cpu/smt/active": "0",
        "/sys/devices/system/cpu/vulnerabilities/itlb_multihit": "Not affected",
        "/sys/devices/system/cpu/vulnerabilities/spectre_v2": "Mitigation: Retpolines",
        "/sys/devices/system/node/node0/cpulist": "0-3",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "256",
        "/sys/kernel/mm/ksm/run": "0",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled":
            "always within_size [advise] never deny force",
        "/sys/module/kvm/parameters/halt_poll_ns": "200000",
        "/sys/module/kvm/parameters/ignore_msrs": "N",
        "/sys/module/kvm/parameters/min_timer_period_us": "200",
        "/sys/module/kvm/parameters/nx_huge_pages": "never",
        "/sys/module/kvm_intel/parameters/ept": "Y",
        "/sys/module/kvm_intel/parameters/nested": "N",
    ]

    /// The good host with some files changed; nil: the file is not there.
    init(_ changes: [String: String?] = [:]) throws {
        root = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-host-\(UUID().uuidString)")
        var files: [String: String?] = Self.good
        for (path, text) in changes { files[path] = text }
        for case (let path, let text?) in files {
            let file = root.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data((text + "\n").utf8).write(to: file)
        }
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    /// What the doctor says of it.
    func diagnosis(
        _ features: KernelFeatures = KernelFeatures(), trial: UInt64? = nil,
        missing: [String] = []
    ) -> HostDiagnosis {
        // The files go with this value.
        withExtendedLifetime(self) {
            let files = HostFiles(root: root.path)
            return HostSurvey(
                files: files, features: features, kvm: KVMState(files), trial: trial,
                missing: missing
            ).diagnosis
        }
    }
}
