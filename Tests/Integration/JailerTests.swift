// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support
import Testing

/// A machine that runs, in a jail, from outside: what the threat model says of it.
@Suite(.serialized) struct JailerTests {
    /// The rows of the table below `## A jailed machine`.
    static func table() throws -> [(name: String, value: String)] {
        let text = try Checkout.text(of: "docs/threat-model.md")
        let section = try #require(text.components(separatedBy: "## A jailed machine").last)
        return section.split(separator: "\n").compactMap { line in
            guard let match = line.wholeMatch(of: #/\| `([^`]+)` \|(.*)\|/#) else { return nil }
            return (String(match.1), match.2.trimmingCharacters(in: .whitespaces))
        }
    }

    /// A network namespace that has a name, until this is forgotten.
    private final class NamedNetwork {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-netns-\(UUID().uuidString)").path
        let identity: String

        init() throws {
            try Data().write(to: URL(filePath: path))
            let made = try Program.run("unshare", ["--net=" + path, "true"])
            try #require(made.status == 0, "\(made.errorText)")
            let link = try Program.run("stat", ["--format=%i", path])
            identity = link.outputText.trimmingCharacters(in: .newlines)
        }

        deinit {
            _ = try? Program.run("umount", [path])
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// What `/proc` shows, in the table's words.
    private struct Sight {
        let monitor: JailedMonitor
        let network: NamedNetwork

        func value(of name: String) throws -> String {
            let words = name.split(separator: " ", maxSplits: 1).map(String.init)
            switch words[0] {
            case "task": return try task(words[1])
            case "status":
                return try monitor.status(words[1])
                    .replacingOccurrences(of: "\(monitor.identifier)", with: "PID")
            case "fd":
                return words[1] == "others" ? try descriptors() : try monitor.link("fd/" + words[1])
            case "limits":
                let limits = try monitor.text("limits")
                let line = try #require(
                    limits.split(separator: "\n").first { $0.hasPrefix(words[1]) })
                let values = line.dropFirst(words[1].count).split(separator: " ").prefix(2)
                return Set(values).joined(separator: " ")
            case "cgroup":
                let lines = try monitor.text("cgroup").split(separator: "\n")
                let parts = lines.map { $0.split(separator: ":", maxSplits: 2) }
                return String(try #require(parts.first { $0[1] == words[1] })[2])
            case "mountinfo":
                return try monitor.text("mountinfo").split(separator: "\n")
                    .map { String($0.split(separator: " ")[4]) }.joined(separator: ", ")
            case "environ": return try monitor.text("environ").filter { $0 != "\0" }
            case "root": return try names(in: "root").joined(separator: ", ")
            case "cwd": return try monitor.link("cwd")
            default: return try namespace(name)
            }
        }

        private func names(in folder: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(
                atPath: "/proc/\(monitor.identifier)/\(folder)"
            ).sorted()
        }

        /// What holds for each thread.
        private func task(_ field: String) throws -> String {
            let tasks = try monitor.tasks()
            let values = try tasks.map { task in
                field == "names"
                    ? try monitor.text("task/\(task)/comm").trimmingCharacters(in: .newlines)
                    : try monitor.status(field, of: task)
            }
            return Set(values).sorted().joined(separator: ", ")
        }

        private func namespace(_ name: String) throws -> String {
            let link = try monitor.link(name)
            if name == "ns/net", link.contains(network.identity) { return "that of NETNS" }
            let here = try FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/self/" + name)
            return link == here ? "the host's" : "its own"
        }

        /// Kinds of what is open besides the standard three.
        private func descriptors() throws -> String {
            let numbers = try names(in: "fd").filter { !["0", "1", "2"].contains($0) }
            let kinds = try numbers.map { number in
                let target = try monitor.link("fd/" + number)
                return target.hasPrefix("socket:")
                    ? "socket" : target.replacingOccurrences(of: " (deleted)", with: "")
            }
            return Set(kinds).sorted().joined(separator: ", ")
        }
    }

    @Test(
        .enabled(if: JailFolder.isRoot, JailFolder.reason),
        .enabled(
            if: JailerCgroupTests.memory != nil,
            "version 1 of control groups has no memory here, which the table speaks of"))
    func `What /proc shows of a jailed machine is what the threat model says`() throws {
        let jail = try JailFolder()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        try jail.prepare()
        try FileManager.default.copyItem(atPath: kernel.path, toPath: jail.path("kernel"))
        Posix.chown(jail.path("kernel"), JailFolder.user, JailFolder.group)
        let network = try NamedNetwork()
        let monitor = try JailedMonitor(
            jail,
            [
                "--netns", network.path, "--cgroup", "memory.limit_in_bytes=268435456",
                "--daemonize", "--new-pid-ns",
            ])
        defer {
            monitor.send(SIGKILL)
            let group = JailerCgroupTests.memory.map { "\($0.path)/firecracker/\(jail.id)" } ?? ""
            #expect(RunningProgram.wait(seconds: 10) { Posix.rmdir(group) == 0 })
            Posix.rmdir(URL(filePath: group).deletingLastPathComponent().path)
        }
        let client = try monitor.client()
        for (target, body) in [
            ("/boot-source", #"{"kernel_image_path":"/kernel"}"#),
            ("/actions", APITests.started),
        ] {
            let reply = try client.ask("PUT", target, body)
            try #require(reply.status == 204, "\(reply)")
        }

        let sight = Sight(monitor: monitor, network: network)
        let table = try Self.table()
        #expect(table.count >= 30)
        for (name, pattern) in table {
            let wanted =
                pattern.replacingOccurrences(of: "UID", with: "\(JailFolder.user)")
                .replacingOccurrences(of: "GID", with: "\(JailFolder.group)")
                .replacingOccurrences(of: "/ID", with: "/" + jail.id)
            #expect(try sight.value(of: name) == wanted, "\(name)")
        }
        // What names the sockets and the file of its number are part of the contract.
        #expect(try client.ask("GET", "/").json["id"] as? String == jail.id)
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `A configuration file boots in a jail without an API`() throws {
        let jail = try JailFolder()
        try jail.prepare()
        let config: [String: Any] = [
            "boot-source": [
                "kernel_image_path": "/vmlinux", "initrd_path": "/initrd",
                "boot_args": "console=ttyS0 reboot=k panic=-1 swiftlet.ready=poweroff",
            ]
        ]
        try JSONSerialization.data(withJSONObject: config)
            .write(to: jail.root.appending(path: "vm.json"))
        for (name, file) in [("vmlinux", "vmlinux"), ("initrd", "initramfs.cpio")] {
            try FileManager.default.copyItem(
                atPath: try Built.file("bin/guest/" + file), toPath: jail.path(name))
        }
        let result = try jail.run(
            [], ["--no-api", "--config-file", "/vm.json", "--engine", "soft"])
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.outputText.contains("Linux version"))
        #expect(result.outputText.contains("[\(jail.id):"), "log lines name the machine")
    }
}
