// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The monitor of a running machine, seen from outside.
@Suite(.serialized) struct ConfinementTests {
    /// A machine that runs until this is forgotten.
    private struct RunningMachine {
        let client: RunningProgram
        let monitor: Int32

        init() throws {
            client = try RunningProgram(
                try Built.file("bin/swiftlet"),
                [
                    "run", "--cpus", "2", "--", "sh", "-c",
                    "echo ready; while true; do sleep 1; done",
                ],
                environment: ["SWIFTLET_TEST_SECRET": "1"])
            let client = client
            #expect(RunningProgram.wait(seconds: 60) { client.outputText == "ready\n" })
            let children = try FileManager.default.contentsOfDirectory(
                atPath: "/proc/\(client.identifier)/task"
            ).flatMap { task in
                try String(
                    contentsOfFile: "/proc/\(client.identifier)/task/\(task)/children",
                    encoding: .utf8
                ).split(separator: " ")
            }
            monitor = try #require(children.compactMap { Int32($0) }.first)
        }

        func text(_ path: String) throws -> String {
            try String(contentsOfFile: "/proc/\(monitor)/\(path)", encoding: .utf8)
        }

        /// The threads, by their names.
        func threads() throws -> [String: String] {
            var threads: [String: String] = [:]
            for task in try FileManager.default.contentsOfDirectory(
                atPath: "/proc/\(monitor)/task")
            {
                let name = try text("task/\(task)/comm").trimmingCharacters(in: .newlines)
                threads[name] = try text("task/\(task)/status")
            }
            return threads
        }
    }

    @Test func `Each thread is bound, without capabilities and without the right to more`() throws {
        let threads = try RunningMachine().threads()
        #expect(Set(threads.keys) == ["swiftlet-vmm", "fc_vcpu 0", "fc_vcpu 1"])
        for (name, status) in threads {
            let lines = Set(status.split(separator: "\n"))
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                #expect(lines.contains("\(set):\t0000000000000000"), "\(name)")
            }
            #expect(lines.contains("NoNewPrivs:\t1"), "\(name)")
            #expect(lines.contains("Seccomp:\t2"), "\(name)")
            #expect(lines.contains("Seccomp_filters:\t1"), "\(name)")
        }
    }

    @Test func `The monitor has no environment, no core file, and only descriptors of its own`()
        throws
    {
        let machine = try RunningMachine()
        #expect(try machine.text("environ").utf8.allSatisfy { $0 == 0 })
        let core = try machine.text("limits").firstMatch(of: #/Max core file size +(\d+) +(\d+)/#)
        #expect(core?.1 == "0" && core?.2 == "0")
        let folder = "/proc/\(machine.monitor)/fd"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            let target = try FileManager.default.destinationOfSymbolicLink(
                atPath: "\(folder)/\(name)")
            let isOwn = ["pipe:", "socket:", "anon_inode:", "/memfd:"].contains {
                target.hasPrefix($0)
            }
            #expect(isOwn || target == "/dev/null", "\(target)")
        }
    }

    /// A monitor that is started by itself with a configuration that ends soon.
    private func monitor(
        _ options: [String], commandLine: String = "console=ttyS0 reboot=k panic=-1"
    ) throws -> Program {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-config-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let config: [String: Any] = [
            "boot-source": [
                "kernel_image_path": try Built.file("bin/guest/vmlinux"),
                "initrd_path": try Built.file("bin/guest/initramfs.cpio"),
                "boot_args": commandLine + " swiftlet.ready=poweroff",
            ],
            "machine-config": ["vcpu_count": 1, "mem_size_mib": 128],
        ]
        try JSONSerialization.data(withJSONObject: config).write(to: file)
        return try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--no-api", "--engine", "soft", "--config-file", file.path] + options, seconds: 60)
    }

    private func withPolicy<Result>(
        _ text: String, _ body: (String) throws -> Result
    ) throws -> Result {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-policy-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        return try body(file.path)
    }

    private func policies(without call: String) throws -> String {
        try ["vcpu", "loop", "device", "worker", "api", "setup"].map { role in
            let lines = try Checkout.text(of: "Policy/\(role).policy").split(separator: "\n")
            return "[\(role)]\n"
                + lines.filter { !$0.hasPrefix(call + " ") }.joined(separator: "\n") + "\n"
        }.joined()
    }

    @Test func `A call that is missing in the filter ends the monitor with 148 and its name`()
        throws
    {
        let metrics = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-metrics-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: metrics) }
        let result = try withPolicy(try policies(without: "epoll_wait")) {
            try monitor(["--seccomp-filter", $0, "--metrics-path", metrics])
        }
        #expect(result.status == 148)
        let sentence = "the system call epoll_wait (232) is forbidden to a loop thread\n"
        #expect(result.errorText == "swiftlet-vmm: seccomp: " + sentence)
        let counts = try MonitorEndTests.lastLine(metrics)["seccomp"] as? [String: Int]
        #expect(counts == ["num_faults": 1])
    }

    @Test func `A filter of one's own works, and so does none`() throws {
        let own = try withPolicy(try policies(without: "nothing")) {
            try monitor(["--seccomp-filter", $0])
        }
        #expect(own.status == 0, "\(own.errorText)")
        let none = try monitor(["--no-seccomp"])
        #expect(none.status == 0, "\(none.errorText)")
        let strict = try monitor([])
        #expect(strict.status == 0, "\(strict.errorText)")
    }

    @Test(arguments: [
        ("[vcpu]\nread", "'read' gives no reason; write 'name checks ; reason'"),
        ("[vcpu]\nreed ; x", "there is no system call 'reed'"),
        ("[vcpu]\nread ; x", "the section '[loop]' is missing"),
        ("", "the section '[vcpu]' is missing"),
    ])
    func `A bad filter is refused with 152`(_ text: String, _ sentence: String) throws {
        try withPolicy(text) { path in
            let result = try monitor(["--seccomp-filter", path])
            #expect(result.status == 152)
            #expect(result.errorText == "swiftlet-vmm: seccomp filter \(path): \(sentence)\n")
        }
        let missing = try monitor(["--seccomp-filter", "/nonexistent"])
        #expect(missing.status == 152)
        #expect(missing.errorText.contains("seccomp filter /nonexistent cannot be read"))
    }

    @Test func `The two options exclude each other`() throws {
        let result = try monitor(["--no-seccomp", "--seccomp-filter", "/nonexistent"])
        #expect(result.status == 153)
        #expect(result.errorText.contains("cannot be used together with"))
    }

    /// Everything that the monitor does in its life, under strace.
    @Test func `No policy allows a call that the monitor never makes`() throws {
        let result = try Program.run("Policy/audit", ["Policy/tour"], seconds: 600)
        #expect(result.status == 0, "\(result.outputText)\(result.errorText.suffix(2000))")
    }
}
