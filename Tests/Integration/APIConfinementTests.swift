// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// A monitor with an API, seen from outside: before the guest's first instruction and after it.
@Suite struct APIConfinementTests {
    /// The threads of a monitor: lines of their status, by name.
    private func threads(_ monitor: APIMonitor) throws -> [String: Set<Substring>] {
        let folder = "/proc/\(monitor.process.identifier)/task"
        var threads: [String: Set<Substring>] = [:]
        for task in try FileManager.default.contentsOfDirectory(atPath: folder) {
            func text(_ name: String) throws -> String {
                try String(contentsOfFile: "\(folder)/\(task)/\(name)", encoding: .utf8)
            }
            let name = try text("comm").trimmingCharacters(in: .newlines)
            // The kernel's own thread for KVM's huge pages.
            guard !name.hasPrefix("kvm-") else { continue }
            threads[name] = Set(try text("status").split(separator: "\n"))
        }
        return threads
    }

    /// A drive's file in the monitor's folder.
    private func disk(_ monitor: APIMonitor, _ name: String = "disk") throws -> String {
        let path = monitor.path(name)
        try Data(count: 1 << 20).write(to: URL(filePath: path))
        return path
    }

    /// - Parameter drive: The drive's file; nil: one in the monitor's folder.
    private func start(
        _ arguments: [String] = [], drive: String? = nil, engine: String = "Sync"
    ) throws -> (
        APIMonitor, APIClient, LongModeKernel
    ) {
        let monitor = try APIMonitor(arguments)
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        let path = try drive ?? disk(monitor)
        for (target, body) in [
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"),
            (
                "/drives/d",
                "{\"drive_id\":\"d\",\"is_root_device\":false,\"path_on_host\":\"\(path)\","
                    + "\"io_engine\":\"\(engine)\"}"
            ),
            ("/actions", APITests.started),
        ] {
            let reply = try client.ask("PUT", target, body)
            try #require(reply.status == 204, "\(reply)")
        }
        // A thread has the name and the walls of the one that made it until it runs.
        for _ in 0..<500 where try threads(monitor)["fc_vcpu 0"] == nil { usleep(10_000) }
        usleep(50_000)
        return (monitor, client, kernel)
    }

    @Test func `All threads are bound before the start, and more tightly after it`() throws {
        let monitor = try APIMonitor()
        _ = try monitor.client().ask("GET", "/version")
        var threads = try self.threads(monitor)
        #expect(Set(threads.keys) == ["swiftlet-vmm", "fc_api"])
        for (name, lines) in threads {
            #expect(lines.contains("NoNewPrivs:\t1"), "\(name)")
            #expect(lines.contains("Seccomp_filters:\t1"), "\(name)")
        }
        #expect(threads["swiftlet-vmm"]?.contains("CapEff:\t0000000000000000") == true)

        let (running, client, kernel) = try start()
        defer { withExtendedLifetime((running, client, kernel)) {} }
        threads = try self.threads(running)
        #expect(Set(threads.keys) == ["swiftlet-vmm", "fc_api", "block d", "fc_vcpu 0"])
        for (name, lines) in threads {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                #expect(lines.contains("\(set):\t0000000000000000"), "\(name)")
            }
            #expect(lines.contains("NoNewPrivs:\t1"), "\(name)")
            #expect(lines.contains("Seccomp:\t2"), "\(name)")
            let filters = name == "swiftlet-vmm" ? 1 : 2
            #expect(lines.contains("Seccomp_filters:\t\(filters)"), "\(name)")
        }
        let environment = try Data(
            contentsOf: URL(filePath: "/proc/\(running.process.identifier)/environ"))
        #expect(environment.allSatisfy { $0 == 0 })
    }

    @Test func `A running drive may get a file of its own folder, and no other`() throws {
        let (monitor, client, _) = try start()
        let patch = { (path: String) in
            try client.ask(
                "PATCH", "/drives/d", "{\"drive_id\":\"d\",\"path_on_host\":\"\(path)\"}")
        }
        let other = try disk(monitor, "other")
        #expect(try patch(other).status == 204)
        // The same file anew, as who has made it larger does.
        #expect(try patch(other).status == 204)
        #expect(try patch(monitor.path("disk")).status == 204)
        try FileManager.default.createDirectory(
            atPath: monitor.path("below"), withIntermediateDirectories: true)
        #expect(try patch(try disk(monitor, "below/disk")).status == 204)
        let link = monitor.path("link")
        try FileManager.default.createSymbolicLink(
            atPath: link, withDestinationPath: "/etc/passwd")
        for path in ["/etc/passwd", link, "/proc/self/mem", "/dev/zero"] {
            let reply = try patch(path)
            #expect(reply.status == 400, "\(path)")
            #expect(reply.fault.contains("Permission denied (os error 13)"), "\(reply)")
            #expect(reply.fault.contains("--allow-folder"), "\(reply)")
        }
        let gone = try patch(monitor.path("gone"))
        #expect(gone.status == 400)
        #expect(
            gone.fault == "Drive config error: Unable to patch the block device: Error manipulating"
                + " the backing file: No such file or directory (os error 2) \(monitor.path("gone"))"
                + " Please verify the request arguments.")
        #expect(try client.ask("GET", "/").json["state"] as? String == "Running")
    }

    /// Its folder is all of the host, by whatever name.
    @Test(.enabled(if: getuid() == 0), arguments: ["/", "/tmp/../"])
    func `A drive in the root of the host opens no other file`(_ folder: String) throws {
        let path = "\(folder)swiftlet-disk-\(UUID().uuidString)"
        defer { Posix.unlink(path) }
        try Data(count: 1 << 20).write(to: URL(filePath: path))
        let (monitor, client, kernel) = try start(drive: path)
        defer { withExtendedLifetime((monitor, kernel)) {} }
        for (other, status) in [(path, 204), ("/etc/passwd", 400), ("/usr/bin/env", 400)] {
            let reply = try client.ask(
                "PATCH", "/drives/d", "{\"drive_id\":\"d\",\"path_on_host\":\"\(other)\"}")
            #expect(reply.status == status, "\(reply)")
            #expect(status == 204 || reply.fault.contains("--allow-folder"), "\(reply)")
        }
    }

    /// Who may remove them there may remove all of the host's files.
    @Test(.enabled(if: getuid() == 0), arguments: ["/", "/tmp/../"])
    func `Sockets in the root of the host stay, as all other files do`(_ folder: String) throws {
        let name = "\(folder)swiftlet-socket-\(UUID().uuidString.prefix(8))"
        let sockets = ["\(name)-api", "\(name)-vsock"]
        defer { for path in sockets { Posix.unlink(path) } }
        let monitor = try APIMonitor(socket: sockets[0])
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        for (target, body) in [
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"),
            ("/vsock", "{\"guest_cid\":3,\"uds_path\":\"\(sockets[1])\"}"),
            ("/actions", APITests.started),
        ] {
            let reply = try client.ask("PUT", target, body)
            try #require(reply.status == 204, "\(reply)")
        }
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)
        for path in sockets { #expect(FileManager.default.fileExists(atPath: path), "\(path)") }
    }

    @Test func `An Async drive may get another file, and new limits, behind the filters`() throws {
        let (monitor, client, kernel) = try start(engine: "Async")
        defer { withExtendedLifetime(kernel) {} }
        let other = try disk(monitor, "other")
        for body in [
            "{\"drive_id\":\"d\",\"path_on_host\":\"\(other)\"}",
            #"{"drive_id":"d","rate_limiter":{"ops":{"size":1,"refill_time":1000}}}"#,
            "{\"drive_id\":\"d\",\"path_on_host\":\"\(monitor.path("disk"))\"}",
        ] {
            let reply = try client.ask("PATCH", "/drives/d", body)
            #expect(reply.status == 204, "\(reply)")
        }
        #expect(try client.ask("GET", "/").json["state"] as? String == "Running")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to become an ordinary user and to look"))
    func `What the kernel tells of a monitor is root's, not its user's`() throws {
        let manager = FileManager.default
        let folder = manager.temporaryDirectory
            .appending(path: "swiftlet-dump-\(UUID().uuidString.prefix(8))")
        try manager.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? manager.removeItem(at: folder) }
        let program = folder.appending(path: "swiftlet-vmm").path
        try manager.copyItem(atPath: try Built.file("bin/swiftlet-vmm"), toPath: program)
        #expect(Posix.chown(folder.path, JailFolder.user, JailFolder.user) == 0)
        let socket = folder.appending(path: "s").path
        let user = "\(JailFolder.user)"
        let monitor = try RunningProgram(
            "setpriv",
            ["--reuid", user, "--regid", user, "--clear-groups", program, "--api-sock", socket]
                + ["--engine", "soft"])
        try #require(RunningProgram.wait(seconds: 30) { (try? APIClient(socket)) != nil })
        let environment = "/proc/\(monitor.identifier)/environ"
        var owner: Int? { Posix.status(environment).map { Int($0.st_uid) } }
        // Before there is a guest, too: requests carry what nobody else is to see.
        #expect(owner == 0)

        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try APIClient(socket)
        let boot = "{\"kernel_image_path\":\"\(kernel.path)\"}"
        for (path, body) in [("/boot-source", boot), ("/actions", APITests.started)] {
            let reply = try client.ask("PUT", path, body)
            #expect(reply.status == 204, "\(reply)")
        }
        let status = try String(
            contentsOfFile: "/proc/\(monitor.identifier)/status", encoding: .utf8)
        #expect(status.contains("Uid:\t\(user)\t\(user)\t"))
        #expect(owner == 0)
    }

    @Test func `--allow-folder lets requests name files of other folders`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-allowed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "file")
        try Data(count: 1 << 20).write(to: file)
        let (monitor, client, kernel) = try start([
            "--allow-folder", folder.path, "--allow-folder", "/nonexistent",
        ])
        defer { withExtendedLifetime((monitor, kernel)) {} }
        let body = "{\"drive_id\":\"d\",\"path_on_host\":\"\(file.path)\"}"
        #expect(try client.ask("PATCH", "/drives/d", body).status == 204)
    }

    /// The policies as one file, without a line of one of them.
    private func policies(without call: String, for role: String) throws -> String {
        try ["vcpu", "loop", "device", "worker", "api", "setup"].map { section in
            let lines = try Checkout.text(of: "Policy/\(section).policy").split(separator: "\n")
            let kept = lines.filter { section != role || !$0.hasPrefix(call + " ") }
            return "[\(section)]\n" + kept.joined(separator: "\n") + "\n"
        }.joined()
    }

    @Test func `A filter of one's own binds a monitor with an API, and the log names the call`()
        throws
    {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-policy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let policy = folder.appending(path: "policy")
        let log = folder.appending(path: "log").path
        try Data(try policies(without: "openat", for: "api").utf8).write(to: policy)
        let (monitor, client, _) = try start([
            "--seccomp-filter", policy.path, "--log-path", log,
        ])
        let path = monitor.path("disk")
        _ = try? client.ask(
            "PATCH", "/drives/d", "{\"drive_id\":\"d\",\"path_on_host\":\"\(path)\"}")
        let end = try monitor.process.end(seconds: 30)
        #expect(end.status == 148)
        let sentence =
            "swiftlet-vmm: seccomp: the system call openat (257) is forbidden to an api thread\n"
        #expect(end.errorText == sentence)
        #expect(try String(contentsOfFile: log, encoding: .utf8).hasSuffix(sentence))
    }

    @Test func `--no-seccomp leaves the calls free and the other walls up`() throws {
        let (monitor, client, _) = try start(["--no-seccomp"])
        for (name, lines) in try threads(monitor) {
            #expect(lines.contains("Seccomp:\t0"), "\(name)")
            #expect(lines.contains("NoNewPrivs:\t1"), "\(name)")
            #expect(lines.contains("CapEff:\t0000000000000000"), "\(name)")
        }
        let body = #"{"drive_id":"d","path_on_host":"/etc/passwd"}"#
        #expect(try client.ask("PATCH", "/drives/d", body).status == 400)
    }

    @Test(arguments: [
        ("\n" + #"{"vmm": {"default_action": "trap"}}"#, "a filter in Firecracker's JSON is for"),
        ("\u{3}\u{0}\u{0}binary", "this is no text; a filter that Firecracker's seccompiler has"),
        ("a\u{0}b", "this is no text; a filter that Firecracker's seccompiler has compiled is for"),
    ])
    func `Firecracker's own lists are refused`(_ text: String, _ sentence: String) throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-filter-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        let end = try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--api-sock", "/nonexistent/s", "--seccomp-filter", file.path], seconds: 30)
        #expect(end.status == 152)
        #expect(end.errorText.contains(": \(sentence)"), "\(end.errorText)")
        #expect(end.errorText.contains("so leave --seccomp-filter out, or give policies"))
    }

    @Test(arguments: [(SIGTERM, 0), (SIGINT, 0), (SIGHUP, 156)])
    func `A signal ends it in order`(_ signal: Int32, _ status: Int) throws {
        let (monitor, client, _) = try start()
        _ = try client.ask("GET", "/version")
        monitor.process.send(signal)
        #expect(try monitor.process.end(seconds: 30).status == status)
        #expect(!FileManager.default.fileExists(atPath: monitor.socket))
    }
}
