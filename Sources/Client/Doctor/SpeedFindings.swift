// SPDX-License-Identifier: Apache-2.0
import Linux

extension HostSurvey {
    /// What makes machines slow to start or to run.
    var speedFindings: [Finding] {
        [
            dynamicCgroups, hugePageMitigation, secondLevelPaging, haltPolling, timerPeriod,
            transparentHugePages, clockSource, governor, balancing,
        ]
    }

    /// Since Linux 6.0 a task that joins a cgroup may wait 20 to 40 ms, as KVM_CREATE_VM's do.
    private var dynamicCgroups: Finding {
        let all = mounts(of: "cgroup2") + mounts(of: "cgroup")
        let name = "favordynmods"
        let point = all.first?.point ?? "/sys/fs/cgroup"
        if all.isEmpty || all.contains(where: { $0.options.contains("favordynmods") })
            || kernelVersion < (6, 0)
        {
            return Finding(.speed, name, .good, "moving threads between cgroups is quick")
        }
        return Finding(
            .speed, name, .note, "making a KVM machine can wait 20 ms and more for cgroups",
            remedy: ["sudo mount -o remount,favordynmods \(point)"])
    }

    private var kernelVersion: (Int, Int) {
        let numbers = (files.text("/proc/sys/kernel/osrelease") ?? "")
            .split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : (0, 0)
    }

    private var hugePageMitigation: Finding {
        let value = files.text("/sys/module/kvm/parameters/nx_huge_pages")
        let name = "nx-huge-pages"
        guard let value, value != "never", kvm.isFast else {
            return Finding(.speed, name, .good, "not in the way")
        }
        let hole = files.text("/sys/devices/system/cpu/vulnerabilities/itlb_multihit") ?? ""
        if hole != "Not affected" {
            return Finding(.speed, name, .good, "needed on this processor (\(value))")
        }
        return Finding(
            .speed, name, .note,
            "'\(value)': each KVM machine starts a thread against a hole this processor does not have",
            remedy: ["echo never | sudo tee /sys/module/kvm/parameters/nx_huge_pages"])
    }

    private var secondLevelPaging: Finding {
        for (module, parameter) in [("kvm_intel", "ept"), ("kvm_amd", "npt")] {
            let path = "/sys/module/\(module)/parameters/\(parameter)"
            if let value = files.text(path), value == "N" || value == "0" {
                return Finding(
                    .speed, "nested-paging", .warning,
                    "switched off: every page table of a guest is kept twice",
                    remedy: [
                        "sudo modprobe -r \(module) && sudo modprobe \(module) \(parameter)=1"
                    ])
            }
        }
        return Finding(.speed, "nested-paging", .good, "not switched off")
    }

    private var haltPolling: Finding {
        let path = "/sys/module/kvm/parameters/halt_poll_ns"
        guard let value = files.number(path), value > 200_000 else {
            return Finding(.speed, "halt-polling", .good, "at most 200 µs")
        }
        return Finding(
            .speed, "halt-polling", .note,
            "idle guests keep a processor busy for \(value / 1000) µs before they sleep",
            remedy: ["echo 200000 | sudo tee \(path)"])
    }

    private var timerPeriod: Finding {
        let path = "/sys/module/kvm/parameters/min_timer_period_us"
        guard let value = files.number(path), value < 200 else {
            return Finding(.speed, "timer-period", .good, "guests' timers cannot flood the host")
        }
        return Finding(
            .speed, "timer-period", .note,
            "a guest may make the host's timers fire every \(value) µs",
            remedy: ["echo 200 | sudo tee \(path)"])
    }

    /// Guests' memory is a file in memory, for which `enabled` says nothing. Linux,
    /// Documentation/admin-guide/mm/transhuge.rst.
    private var transparentHugePages: Finding {
        let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
        let value = files.text(path) ?? ""
        let isOff = ["[never]", "[deny]"].contains { value.contains($0) }
        guard isOff || value.isEmpty else {
            return Finding(.speed, "thp", .good, "guests' memory may use huge pages")
        }
        return Finding(
            .speed, "thp", .note,
            "switched off for files in memory, which guests' is: they take more faults to start",
            remedy: value.isEmpty ? [] : ["echo advise | sudo tee \(path)"])
    }

    private var clockSource: Finding {
        let folder = "/sys/devices/system/clocksource/clocksource0"
        let current = files.text(folder + "/current_clocksource") ?? "unknown"
        if ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"].contains(current) {
            return Finding(.speed, "clock", .good, "\(current), read without a system call")
        }
        let hasTSC = (files.text(folder + "/available_clocksource") ?? "")
            .split(separator: " ").contains("tsc")
        return Finding(
            .speed, "clock", .warning, "\(current): each look at the time is a system call",
            remedy: hasTSC ? ["echo tsc | sudo tee \(folder)/current_clocksource"] : [])
    }

    private var governor: Finding {
        let folder = "/sys/devices/system/cpu/cpufreq"
        let slow = files.names(in: folder).filter {
            files.text("\(folder)/\($0)/scaling_governor") == "powersave"
                && files.text("\(folder)/\($0)/scaling_driver") != "intel_pstate"
        }
        return slow.isEmpty
            ? Finding(.speed, "frequency", .good, "the processor may run as fast as it can")
            : Finding(
                .speed, "frequency", .note, "the processor is held at its lowest frequency",
                remedy: ["echo performance | sudo tee \(folder)/policy*/scaling_governor"])
    }

    private var balancing: Finding {
        let nodes = files.names(in: "/sys/devices/system/node").filter {
            $0.hasPrefix("node") && $0.dropFirst(4).allSatisfy(\.isNumber)
        }
        guard nodes.count > 1, files.number("/proc/sys/kernel/numa_balancing") == 1 else {
            return Finding(.speed, "numa", .good, "guests' pages are left where they are")
        }
        return Finding(
            .speed, "numa", .note, "pages are unmapped to see who uses them: guests stall",
            remedy: ["sudo sysctl -w kernel.numa_balancing=0"])
    }
}
