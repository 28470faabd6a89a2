// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support
import Testing

/// What of the host the monitor of `swiftlet run` still has around it.
@Suite(.serialized) struct NamespaceTests {
    private static let script = "echo ready; while true; do sleep 1; done"

    /// The monitor of a running `swiftlet`, and what `/proc` shows of it.
    private struct Monitor {
        let client: RunningProgram
        let identifier: Int32

        init(_ client: RunningProgram) throws {
            self.client = client
            #expect(
                RunningProgram.wait(seconds: 60) { client.outputText == "ready\n" },
                "\(String(decoding: client.error, as: UTF8.self))")
            let tasks = try FileManager.default.contentsOfDirectory(
                atPath: "/proc/\(client.identifier)/task")
            let children = try tasks.flatMap { task in
                try String(
                    contentsOfFile: "/proc/\(client.identifier)/task/\(task)/children",
                    encoding: .utf8
                ).split(separator: " ")
            }
            identifier = try #require(children.compactMap { Int32($0) }.first)
        }

        /// Those of its namespaces that are not ours.
        func own() throws -> Set<String> {
            Set(
                try ["user", "mnt", "net", "pid", "ipc", "uts"].filter { name in
                    try FileManager.default.destinationOfSymbolicLink(
                        atPath: "/proc/\(identifier)/ns/\(name)")
                        != FileManager.default.destinationOfSymbolicLink(
                            atPath: "/proc/self/ns/\(name)")
                })
        }

        func text(_ name: String) throws -> String {
            try String(contentsOfFile: "/proc/\(identifier)/\(name)", encoding: .utf8)
        }

        /// Checks that there is nothing where it is.
        func expectEmptyWorld() throws {
            #expect(try text("mountinfo").split(separator: "\n").count == 1)
            let mount = try text("mountinfo")
            #expect(mount.contains(" / / ro,nosuid,nodev,noexec"), "\(mount)")
            let root = "/proc/\(identifier)/root"
            #expect(try FileManager.default.contentsOfDirectory(atPath: root) == [])
            let interfaces = try text("net/dev").split(separator: "\n").dropFirst(2)
            #expect(interfaces.count <= 1 && interfaces.allSatisfy { $0.contains("lo:") })
            #expect(try text("status").contains(#/NSpid:\t\d+\t1\n/#))
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to look into the monitor"))
    func `As root the monitor shares but the host's user namespace, and has an empty root`() throws
    {
        let monitor = try Monitor(
            try RunningProgram(
                try Built.file("bin/swiftlet"), ["run", "--", "sh", "-c", Self.script]))
        #expect(try monitor.own() == ["mnt", "net", "pid", "ipc", "uts"])
        try monitor.expectEmptyWorld()
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to look into the monitors"))
    func `Two monitors of root share an empty network, and nothing else`() throws {
        let monitors = try (0..<2).map { _ in
            try Monitor(
                try RunningProgram(
                    try Built.file("bin/swiftlet"), ["run", "--", "sh", "-c", Self.script]))
        }
        for name in ["mnt", "net", "pid", "ipc", "uts"] {
            let links = try monitors.map {
                try FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\($0.identifier)/ns/\(name)")
            }
            #expect((links[0] == links[1]) == (name == "net"), "\(name): \(links)")
        }
        for monitor in monitors { try monitor.expectEmptyWorld() }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, which alone shares"), arguments: [true, false])
    func `Only a monitor behind the policies is in the network of others`(_ isBound: Bool) throws {
        // outb %al, $0xf4.
        let kernel = try LongModeKernel([0xb0, 7, 0xe6, 0xf4])
        let path = kernel.path + ".json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let config = """
            {"boot-source":{"kernel_image_path":"\(kernel.path)"},
             "swiftlet":{"debug_exit":true,"report":3,"console":{}}}
            """
        try Data(config.utf8).write(to: URL(filePath: path))
        let words = ["--no-api", "--engine", "soft", "--config-file", path]
        let result = try Program.run(
            "sh",
            ["-c", "exec \"$@\" 3>&1", "-", try Built.file("bin/swiftlet-vmm")] + words
                + (isBound ? [] : ["--no-seccomp"]))
        #expect(result.status == 7, "\(result.errorText)")
        let own = isBound ? "mount, IPC, UTS; an empty network, shared" : "mount, network, IPC, UTS"
        #expect(
            result.outputText.contains("\"own namespaces: \(own)\""), "\(result.outputText)")
    }

    /// The programs where an ordinary user can read them.
    private final class Copy {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-user-\(UUID().uuidString)")

        init() throws {
            let manager = FileManager.default
            try manager.createDirectory(
                at: folder.appending(path: "guest"), withIntermediateDirectories: true)
            for name in ["swiftlet", "swiftlet-vmm", "guest/vmlinux", "guest/initramfs.cpio"] {
                try manager.copyItem(
                    atPath: try Built.file("bin/" + name), toPath: folder.path + "/" + name)
            }
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        /// The arguments of `setpriv` that run it as an ordinary user.
        func run(_ options: [String], _ command: [String]) -> [String] {
            let user = "\(JailFolder.user)"
            return ["--reuid", user, "--regid", user, "--clear-groups", folder.path + "/swiftlet"]
                + ["run", "--engine", "soft"] + options + ["--"] + command
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to become an ordinary user and to look"))
    func `As an ordinary user the monitor has all six namespaces, and an empty root`() throws {
        let copy = try Copy()
        let monitor = try Monitor(
            try RunningProgram("setpriv", copy.run([], ["sh", "-c", Self.script])))
        #expect(try monitor.own() == ["user", "mnt", "net", "pid", "ipc", "uts"])
        try monitor.expectEmptyWorld()
        // Its own user is all that there is.
        let map = try monitor.text("uid_map").split(whereSeparator: \.isWhitespace)
        #expect(map == ["\(JailFolder.user)", "\(JailFolder.user)", "1"])
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to become an ordinary user"))
    func `A run tells of its namespaces, in a word`() throws {
        let copy = try Copy()
        let result = try Program.run("setpriv", copy.run(["-v"], ["true"]))
        #expect(result.status == 0, "\(result.errorText)")
        #expect(
            result.errorText.contains("own namespaces: user, mount, network, IPC, UTS, process\n"),
            "\(result.errorText)")
    }

    /// A host that lets nobody have user namespaces, as far as a namespace can play one.
    @Test(.enabled(if: geteuid() == 0, "needs root, to play a host without namespaces"))
    func `Where the host forbids namespaces a machine runs, with one warning`() throws {
        let swiftlet = try Built.file("bin/swiftlet")
        let script = """
            echo 0 > /proc/sys/user/max_user_namespaces
            exec setpriv --bounding-set=-all --inh-caps=-all \(swiftlet) run -v -- echo hello
            """
        let result = try Program.run(
            "unshare", ["--user", "--map-root-user", "sh", "-c", script])
        #expect(result.outputText == "hello\n", "\(result.errorText)")
        let warnings = result.errorText.split(separator: "\n").filter { $0.contains("warning") }
        #expect(warnings.count == 1, "\(result.errorText)")
        #expect(warnings.first?.contains("has no namespaces of its own") == true)
    }

    @Test(
        .enabled(if: geteuid() == 0, "needs root, to play a host without namespaces"),
        arguments: [false, true])
    func `A monitor says in its log which walls are missing`(isForbidden: Bool) throws {
        let kernel = try LongModeKernel(LongModeKernel.resetting)
        let config = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-config-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: config) }
        try Data(
            """
            {"boot-source": {"kernel_image_path": "\(kernel.path)"},
             "machine-config": {"vcpu_count": 1, "mem_size_mib": 32}}
            """.utf8
        ).write(to: config)
        let monitor = try Built.file("bin/swiftlet-vmm")
        let command = "\(monitor) --no-api --engine soft --config-file \(config.path)"
        let script = """
            echo 0 > /proc/sys/user/max_user_namespaces
            exec setpriv --bounding-set=-all --inh-caps=-all \(command)
            """
        let end =
            isForbidden
            ? try Program.run("unshare", ["--user", "--map-root-user", "sh", "-c", script])
            : try Program.run("sh", ["-c", "exec " + command])
        #expect(end.status == 0, "\(end.errorText)")
        let log = end.outputText
        #expect(log.contains("has no namespaces of its own: ") == isForbidden, "\(log)")
        #expect(log.contains("has no Landlock") == (Landlock.version == nil), "\(log)")
    }

    @Test func `A monitor whose vsock is a file keeps calls through it`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-vsock-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for path in [folder.path + "/v", "v"] {
            let config: [String: Any] = [
                "boot-source": [
                    "kernel_image_path": try Built.file("bin/guest/vmlinux"),
                    "initrd_path": try Built.file("bin/guest/initramfs.cpio"),
                    "boot_args": "quiet reboot=k panic=-1 rootfstype=ramfs acpi=off",
                ],
                "vsock": ["guest_cid": 3, "uds_path": path],
            ]
            try JSONSerialization.data(withJSONObject: config)
                .write(to: folder.appending(path: "vm.json"))
            // Where the agent calls.
            let ready = folder.path + "/v_1025"
            let listener = try UnixSocket.listen(at: ready)
            let monitor = try RunningProgram(
                "sh",
                [
                    "-c", "cd \(folder.path) && exec \"$@\"", "-",
                    try Built.file("bin/swiftlet-vmm"), "--no-api", "--engine", "soft",
                    "--config-file", "vm.json",
                ])
            var isCalled = false
            #expect(
                RunningProgram.wait(seconds: 60) {
                    if (try? UnixSocket.accept(on: listener.rawValue)) != nil { isCalled = true }
                    return isCalled
                }, "\(path)")
            monitor.send(SIGTERM)
            _ = try monitor.end(seconds: 30)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/v"), "\(path)")
            try FileManager.default.removeItem(atPath: ready)
        }
    }
}
