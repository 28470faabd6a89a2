// SPDX-License-Identifier: Apache-2.0
import Linux

extension HostSurvey {
    /// What runs out first when many machines run.
    var limitFindings: [Finding] { [openFiles, mappings, overcommit, memory, processes] }

    /// A monitor with vsock connections, drives and interfaces holds some hundred.
    private static var fewestFiles: UInt64 { 4096 }

    private var openFiles: Finding {
        let limit = features.fileLimit
        if limit.soft >= Self.fewestFiles {
            return Finding(.limits, "open-files", .good, "\(limit.soft) a process")
        }
        let remedy =
            limit.hard >= Self.fewestFiles
            ? ["ulimit -n \(min(limit.hard, 65536))"]
            : [
                "echo \"$USER - nofile 65536\" | sudo tee /etc/security/limits.d/swiftlet.conf"
            ]
        return Finding(
            .limits, "open-files", .warning,
            "\(limit.soft) a process: a guest with many connections runs out", remedy: remedy)
    }

    private var mappings: Finding {
        guard let count = files.number("/proc/sys/vm/max_map_count"), count < 65530 else {
            return Finding(.limits, "mappings", .good, "enough a process")
        }
        return Finding(
            .limits, "mappings", .note, "\(count) a process: less than Linux's own default",
            remedy: ["sudo sysctl -w vm.max_map_count=65530"])
    }

    private var overcommit: Finding {
        guard files.number("/proc/sys/vm/overcommit_memory") == 2 else {
            return Finding(.limits, "overcommit", .good, "guests pay for memory as they use it")
        }
        return Finding(
            .limits, "overcommit", .warning,
            "forbidden: each machine is charged for all its memory at once",
            remedy: ["sudo sysctl -w vm.overcommit_memory=0"])
    }

    private var memory: Finding {
        let line = files.lines("/proc/meminfo").first { $0.hasPrefix("MemAvailable:") }
        let words = line?.split(separator: " ") ?? []
        guard words.count > 1, let kibibytes = Int(words[1]) else {
            return Finding(.limits, "memory", .note, "/proc/meminfo does not say how much is free")
        }
        let mebibytes = kibibytes >> 10
        return mebibytes >= 256
            ? Finding(.limits, "memory", .good, "\(mebibytes) MiB are available")
            : Finding(
                .limits, "memory", .warning,
                "only \(mebibytes) MiB are available: a machine of"
                    + " 256 MiB may be killed", remedy: ["ps -eo rss,args --sort=-rss | head"])
    }

    private var processes: Finding {
        guard let text = files.text("/proc/self/limits"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Max processes") }),
            let soft = line.dropFirst("Max processes".count).split(separator: " ").first
                .flatMap({ Int($0) }), soft < 1024
        else { return Finding(.limits, "processes", .good, "enough a user") }
        return Finding(
            .limits, "processes", .note,
            "\(soft) threads a user: each machine takes three and more",
            remedy: ["ulimit -u 4096"])
    }
}
