// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// What a careless or hostile client, a full disk, a host without descriptors and SIGKILL do to a
/// monitor: it lives and says what is wrong, or ends and leaves nothing that is in the way.
@Suite struct HostFacingTests {
    /// Open descriptors of a monitor.
    /// Processor time of a monitor so far, in clock ticks of 10 ms.
    private func ticks(_ monitor: APIMonitor) throws -> Int {
        let stat = try String(
            contentsOfFile: "/proc/\(monitor.process.identifier)/stat", encoding: .utf8)
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
    }

    // MARK: Clients

    /// Bodies that are refused, and what the refusal says.
    static let bodies: [(path: String, body: String, says: String)] = [
        ("/entropy", #"{"x":1}"#, "unknown field `x`"),
        ("/vsock", #"{"guest_cid":3,"guest_cid":4,"uds_path":"v"}"#, "duplicate field"),
        ("/mmds", String(repeating: "[", count: 10_000), "deserializing"),
        ("/mmds", #"{"a":"# + String(repeating: "{\"a\":", count: 5000), "deserializing"),
        ("/machine-config", #"{"vcpu_count":NaN,"mem_size_mib":128}"#, "line 1"),
        ("/machine-config", #"{"vcpu_count":1e999,"mem_size_mib":128}"#, "line 1"),
        (
            "/machine-config", #"{"vcpu_count":1,"mem_size_mib":99999999999999999999999}"#,
            "line 1"
        ),
        ("/machine-config", #"{"vcpu_count":-1,"mem_size_mib":128}"#, "line 1"),
        ("/boot-source", #"{"kernel_image_path":"/etc/passwd\u0000.bin"}"#, ""),
        ("/boot-source", #"{"kernel_image_path":""}"#, ""),
        ("/boot-source", #"{"kernel_image_path":"\ud800"}"#, ""),
        ("/drives/..", #"{"drive_id":"..","path_on_host":"x","is_root_device":false}"#, "IDs"),
        ("/drives/a%2fb", #"{"drive_id":"a/b","path_on_host":"x","is_root_device":false}"#, "IDs"),
        ("/drives/d", #"{"drive_id":"d","path_on_host":"/dev","is_root_device":false}"#, ""),
        ("/actions", #"{"action_type":"Explode"}"#, "unknown variant"),
        ("/entropy", "{", "line 1"), ("/entropy", "\u{fe}\u{ff}", ""), ("/entropy", "null", ""),
    ]

    @Test func `Bodies that nobody should send are refused one by one, on one connection`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        for (path, body, says) in Self.bodies {
            let reply = try client.ask("PUT", path, body)
            #expect(reply.status == 400, "\(path) \(body.prefix(60)): \(reply)")
            let isSaid = says.isEmpty || reply.fault.contains(says)
            #expect(isSaid, "\(path) \(body.prefix(60)): \(reply)")
        }
        #expect(try client.ask("GET", "/vm/config").status == 200)
    }

    @Test func `Clients that stop in the middle of a request hold up nobody and cost nothing`()
        throws
    {
        let monitor = try APIMonitor()
        var slow: [APIClient] = []
        for _ in 0..<31 {
            let client = try monitor.client()
            try client.send("PUT /mmds HTTP/1.1\r\nContent-Length: 40000\r\n\r\n{")
            slow.append(client)
        }
        let client = try monitor.client()
        #expect(try client.ask("GET", "/version").status == 200)
        let before = try ticks(monitor)
        for round in 0..<20 {
            for client in slow { try client.send(" ") }
            #expect(try client.ask("GET", "/version").status == 200, "round \(round)")
            usleep(20_000)
        }
        #expect(try ticks(monitor) - before < 30)
        #expect(try monitor.residentSize() < 32 << 10)
    }

    @Test func `Ten thousand connections come and go and leave no descriptor`() throws {
        let monitor = try APIMonitor()
        let first = try monitor.client()
        _ = try first.ask("GET", "/version")
        let open = try withExtendedLifetime(first) { try monitor.descriptorCount() }
        first.endSending()
        // What is open once the monitor knows that the first client is gone.
        var before = open
        #expect(
            RunningProgram.wait(seconds: 60) {
                before = (try? monitor.descriptorCount()) ?? open
                return before < open
            })
        for round in 0..<10_000 {
            guard let client = try? monitor.client() else {
                // More are waiting than the kernel keeps.
                usleep(1000)
                continue
            }
            if round % 3 == 0 { try? client.send("GET /version HTTP/1.1\r\n") }
        }
        #expect(
            RunningProgram.wait(seconds: 60) {
                (try? monitor.client().ask("GET", "/version").status) == 200
            })
        var left: Int?
        let isBack = RunningProgram.wait(seconds: 30) {
            left = try? monitor.descriptorCount()
            return left == before
        }
        #expect(isBack, "\(before) and now \(left.map(String.init) ?? "unknown")")
    }

    @Test func `Without descriptors callers wait, and it costs no time`() throws {
        let limited = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-limited-\(UUID().uuidString)")
        let text = "#!/bin/sh\nulimit -n 16\nexec \(try Built.file("bin/swiftlet-vmm")) \"$@\"\n"
        try Data(text.utf8).write(to: limited)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: limited.path)
        defer { try? FileManager.default.removeItem(at: limited) }
        let monitor = try APIMonitor(program: limited.path)
        let first = try monitor.client()
        #expect(try first.ask("GET", "/version").status == 200)
        var others: [APIClient] = []
        for _ in 0..<20 { others.append(try monitor.client()) }
        usleep(300_000)
        let before = try ticks(monitor)
        usleep(1_000_000)
        #expect(try ticks(monitor) - before < 10)
        #expect(try first.ask("GET", "/version").status == 200)
        // A machine cannot be made, and that is said; then there is room again.
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let boot = "{\"kernel_image_path\":\"\(kernel.path)\"}"
        #expect(try first.ask("PUT", "/boot-source", boot).status == 400)
        others.removeAll()
        #expect(
            RunningProgram.wait(seconds: 30) {
                (try? monitor.client().ask("GET", "/version").status) == 200
            })
        #expect(try first.ask("PUT", "/boot-source", boot).status == 204)
    }

    // MARK: Files

    @Test func `A full disk costs the log's lines and the metrics', nothing else`() throws {
        let monitor = try APIMonitor(["--log-path", "/dev/full", "--metrics-path", "/dev/full"])
        let client = try monitor.client()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
        #expect(try client.ask("PUT", "/actions", APITests.started).status == 204)
        let reply = try client.ask("PUT", "/actions", #"{"action_type":"FlushMetrics"}"#)
        #expect(reply.status == 400)
        #expect(reply.fault.contains("No space left on device (os error 28)"), "\(reply)")
        let text = try client.ask("GET", "/metrics").body
        for name in ["missed_metrics_count", "missed_log_count"] {
            let line = text.split(separator: "\n").first {
                $0.hasPrefix("swiftlet_logger_\(name)_total ")
            }
            #expect(line.map { !$0.hasSuffix(" 0") } == true, "\(name)")
        }
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)
    }

    @Test func `A named pipe that nobody reads holds up nothing`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-pipes-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let paths = ["log", "metrics"].map { folder.appending(path: $0).path }
        try #require(try Program.run("mkfifo", paths).status == 0)
        let monitor = try APIMonitor(["--log-path", paths[0], "--metrics-path", paths[1]])
        let client = try monitor.client()
        for _ in 0..<1000 { #expect(try client.ask("GET", "/version").status == 200) }
        let text = try client.ask("GET", "/metrics").body
        #expect(!text.contains("swiftlet_logger_missed_log_count_total 0\n"))
    }

    /// Things at the socket's path that a start must neither follow nor remove.
    @Test(arguments: ["link", "dangling", "file", "pipe", "folder"])
    func `What is at the socket's path already stays, and the start is refused`(
        _ kind: String
    ) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-path-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "s").path
        let target = folder.appending(path: "target")
        if kind != "dangling" { try Data("kept".utf8).write(to: target) }
        switch kind {
        case "link", "dangling":
            try FileManager.default.createSymbolicLink(
                atPath: path, withDestinationPath: target.path)
        case "pipe": try #require(try Program.run("mkfifo", [path]).status == 0)
        case "folder":
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        default: try Data("kept".utf8).write(to: URL(filePath: path))
        }
        let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber]
        let end = try Program.run(
            try Built.file("bin/swiftlet-vmm"), ["--api-sock", path], seconds: 30)
        #expect(end.status == 1)
        #expect(end.errorText.contains("Check that it is not already used"), "\(end.errorText)")
        let after = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber]
        #expect(before as? Int == after as? Int)
        if kind == "dangling" { #expect(!FileManager.default.fileExists(atPath: target.path)) }
    }

    // MARK: Ends

    @Test func `Killed at any moment it leaves its sockets and nothing else`() throws {
        for round in 0..<25 {
            let monitor = try APIMonitor()
            let kernel = try LongModeKernel(LongModeKernel.busy)
            let client = try monitor.client()
            let vsock = monitor.path("v")
            for (target, body) in [
                ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"),
                ("/vsock", "{\"guest_cid\":3,\"uds_path\":\"\(vsock)\"}"),
            ] { _ = try client.ask("PUT", target, body) }
            try client.send("PUT", "/actions", APITests.started)
            usleep(UInt32.random(in: 0...30_000))
            if round % 2 == 0 { try? client.send("PATCH", "/vm", #"{"state":"Paused"}"#) }
            usleep(UInt32.random(in: 0...5000))
            monitor.process.send(SIGKILL)
            #expect(try monitor.process.end(seconds: 30).status == 128 + 9)
            let left = try FileManager.default.contentsOfDirectory(atPath: monitor.folder.path)
            #expect(Set(left).isSubset(of: ["s", "v"]), "\(left)")
            let children = try Program.run("pgrep", ["-f", monitor.socket])
            #expect(children.outputText.isEmpty, "\(children.outputText)")
        }
    }
}
