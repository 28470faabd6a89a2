// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support
import Testing

/// HTTP as clients really speak it, and as nobody should.
@Suite struct APIWireTests {
    @Test func `Requests in one go are answered in order on one connection`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        for _ in 0..<50 {
            try client.send("GET", "/version")
            try client.send("PUT", "/entropy", "{}")
            try client.send("GET", "/nothing")
        }
        for _ in 0..<50 {
            #expect(try client.reply().body == #"{"firecracker_version":"1.17.0"}"#)
            #expect(try client.reply().status == 204)
            #expect(try client.reply().status == 400)
        }
    }

    @Test func `A request may come byte by byte`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        for byte in "PUT /entropy HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" {
            try client.send(String(byte))
            usleep(500)
        }
        let reply = try client.reply()
        #expect(reply.status == 204)
        #expect(reply.fields["connection"] == "keep-alive")
        #expect(reply.fields["content-length"] == nil)
    }

    @Test func `Who asks before sending is told to go on`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        try client.send(
            "PUT /entropy HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        usleep(50_000)
        try client.send("{}")
        #expect(try client.reply().status == 204)
    }

    @Test func `A body above the limit is refused before it comes`() throws {
        let monitor = try APIMonitor(["--http-api-max-payload-size", "250"])
        let client = try monitor.client()
        try client.send("PUT /mmds/config HTTP/1.1\r\nContent-Length: 260\r\n\r\nsome body")
        let reply = try client.reply()
        #expect(reply.status == 400)
        #expect(
            reply.fault
                == "Request payload with size 260 is larger than the limit of 250 allowed by"
                + " server.\nAll previous unanswered requests will be dropped.")
        #expect(reply.fields["connection"] == "close")
        #expect(try client.isEnded())
        // Metadata have the same limit, unless told otherwise.
        let other = try monitor.client()
        let long = String(repeating: "x", count: 200)
        #expect(try other.ask("PUT", "/mmds", "{\"a\":\"\(long)\"}").status == 204)
        #expect(try other.ask("PATCH", "/mmds", "{\"b\":\"\(long)\"}").status == 413)
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET / HTTP/1.1\r\nx\r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nx: " + String(repeating: "y", count: 70_000),
    ])
    func `What is no request is refused, and others go on`(_ text: String) throws {
        let monitor = try APIMonitor()
        let other = try monitor.client()
        let client = try monitor.client()
        try client.send(text)
        #expect(try client.reply().status == 400)
        #expect(try client.isEnded())
        #expect(try other.ask("GET", "/version").status == 200)
    }

    @Test func `HEAD has no body, and unknown methods are refused`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        #expect(try client.ask("HEAD", "/version").status == 400)
        for method in ["POST", "OPTIONS", "TRACE", "X"] {
            let reply = try client.ask(method, "/version")
            #expect(reply.status == 400)
            #expect(
                reply.fault == "Invalid request method and/or path: \(method) version.")
        }
        try client.send("GET /version HTTP/1.0\r\n\r\n")
        #expect(try client.reply().fields["connection"] == "close")
        #expect(try client.isEnded())
    }

    /// As many clients as there is room for, each of which was answered.
    private func fill(_ monitor: APIMonitor) throws -> [APIClient] {
        try (0..<32).map { _ in
            let client = try monitor.client()
            #expect(try client.ask("GET", "/version").status == 200)
            return client
        }
    }

    @Test func `More clients than there is room for are told so`() throws {
        let monitor = try APIMonitor()
        var clients = try fill(monitor)
        for client in clients { try client.send("GET /version HTTP/1.1\r\n") }
        let more = try monitor.client()
        #expect(try more.reply().status == 503)
        #expect(try more.isEnded())
        clients.removeLast(10)
        #expect(
            RunningProgram.wait(seconds: 30) {
                (try? monitor.client().ask("GET", "/version").status) == 200
            })
        try clients[0].send("\r\n")
        #expect(try clients[0].reply().status == 200)
    }

    @Test func `A new client gets the place of the one that was idle longest`() throws {
        let monitor = try APIMonitor()
        let clients = try fill(monitor)
        #expect(try clients[0].ask("GET", "/version").status == 200)
        // Neither is idle: one is in the middle, the other has just asked.
        try clients[1].send("GET /version HTTP/1.1\r\n")
        try clients[2].send("GET", "/version")
        #expect(try monitor.client().ask("GET", "/version").status == 200)
        #expect(try clients[3].isEnded())
        try clients[1].send("\r\n")
        for client in [clients[1], clients[2]] { #expect(try client.reply().status == 200) }
        #expect(try clients[0].ask("GET", "/version").status == 200)
    }

    @Test func `A client that stops in the middle of a request loses its place`() throws {
        let monitor = try APIMonitor(["--http-api-timeout", "1500"])
        let idle = try monitor.client()
        let halves = ["GET /version HTTP/1.1\r\n", "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
        let clients = try (0..<16).map { number in
            let half = halves[number % 2]
            let client = try monitor.client()
            try client.send(half)
            return client
        }
        let late = try monitor.client()
        try late.send(halves[0])
        #expect(try idle.ask("GET", "/version").status == 200)

        // What this one sends while the monitor is busy with something else is in time.
        monitor.process.send(SIGSTOP)
        usleep(1_600_000)
        try late.send("\r\n")
        monitor.process.send(SIGCONT)
        #expect(try late.reply().status == 200)
        for client in clients { #expect(try client.isEnded()) }
        #expect(try idle.ask("GET", "/version").status == 200)
        #expect((1...10).contains(monitor.process.outputText.count(of: Self.halfRequest)))
        // Each is a line of the log, of which ten at once are enough.
        let name = "swiftlet_logger_rate_limited_log_count_total "
        let text = try idle.ask("GET", "/metrics").body
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name) })
        let held = try #require(Int(line.dropFirst(name.count)))
        #expect((1...6).contains(held))
    }

    private static let halfRequest = "ended a connection that stopped in the middle of a request"
    private static let halfAnswer = "ended a connection whose client took no more of its answer"

    /// Nothing of theirs is half done, so the log does not blame them.
    @Test func `A client that stays after the end loses its place in silence`() throws {
        let monitor = try APIMonitor(["--http-api-timeout", "300"])
        let polite = try monitor.client()
        try polite.send("GET /version HTTP/1.1\r\nConnection: close\r\n\r\n")
        #expect(try polite.reply().status == 200)
        #expect(try polite.isEnded())
        let refused = try monitor.client()
        try refused.send("nonsense\r\n\r\nand more")
        #expect(try refused.reply().status == 400)
        #expect(try refused.isEnded())
        // The last one to be ended, and the only one of which the log speaks.
        let half = try monitor.client()
        try half.send("GET /version HTTP/1.1\r\n")
        #expect(try half.isEnded())
        // Their sockets are gone: nobody reads what is sent there.
        for client in [polite, refused] { #expect(throws: Errno.self) { try client.send("x") } }
        let log = monitor.process.outputText
        #expect(log.count(of: Self.halfRequest) == 1)
        #expect(log.count(of: Self.halfAnswer) == 0)
    }

    @Test func `A client that takes no more of its answers loses its place`() throws {
        let monitor = try APIMonitor(["--http-api-timeout", "300"])
        let lazy = try monitor.client()
        let batch = String(repeating: "GET /vm/config HTTP/1.1\r\n\r\n", count: 200)
        #expect(
            RunningProgram.wait(seconds: 30) {
                for _ in 0..<1000 where (try? lazy.sendAtOnce(batch)) != true { break }
                return monitor.process.outputText.contains(Self.halfAnswer)
            })
        #expect(!monitor.process.outputText.contains(Self.halfRequest))
    }

    /// Far more answers than the socket and the monitor keep, so that requests wait for room.
    @Test(arguments: ["", "GET /version HTTP/1.1\r\n"])
    func `What a client has sent before its end is answered`(_ rest: String) throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        let batch = String(repeating: "GET /vm/config HTTP/1.1\r\n\r\n", count: 200)
        for _ in 0..<15 { try client.send(batch) }
        try client.send(rest)
        client.endSending()
        for _ in 0..<3000 { #expect(try client.reply().status == 200) }
        #expect(try client.isEnded())
        #expect(try monitor.client().ask("GET", "/version").status == 200)
    }

    @Test func `A client that asks without end leaves others their turns`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        let other = try monitor.client()
        for client in [client, other] { _ = try client.ask("GET", "/version") }
        // All of it lies in the socket before any is answered.
        monitor.process.send(SIGSTOP)
        let batch = String(repeating: "GET /version HTTP/1.1\r\n\r\n", count: 200)
        var count = 0
        while try client.sendAtOnce(batch) { count += 200 }
        try #require(count >= 1000)
        try other.send("GET", "/metrics")
        monitor.process.send(SIGCONT)
        let text = try other.reply().body
        let name = #"swiftlet_api_call_duration_seconds_count{method="GET"} "#
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name) })
        #expect(try #require(Int(line.dropFirst(name.count))) < 400)
        for _ in 0..<count { #expect(try client.reply().status == 200) }
        #expect(try client.ask("GET", "/version").status == 200)
    }

    @Test func `A client that reads nothing costs a bounded amount of memory`() throws {
        let monitor = try APIMonitor()
        let lazy = try monitor.client()
        let before = try monitor.residentSize()
        // Far more answers than the socket and the monitor keep; then nobody takes more.
        let batch = String(repeating: "GET /vm/config HTTP/1.1\r\n\r\n", count: 200)
        var refusals = 0
        for _ in 0..<20_000 where refusals < 20 {
            if try !lazy.sendAtOnce(batch) {
                refusals += 1
                usleep(20_000)
            }
        }
        // The monitor has stopped reading, for ever.
        #expect(refusals == 20)
        #expect(try monitor.client().ask("GET", "/version").status == 200)
        #expect(try monitor.residentSize() - before < 8 << 10)
    }

    @Test func `A thousand requests leave no trace in memory`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        for _ in 0..<1000 { _ = try client.ask("GET", "/vm/config") }
        let before = try monitor.residentSize()
        for round in 0..<3000 {
            _ = try client.ask("PUT", "/mmds", "{\"round\":\(round)}")
            if round % 10 == 0 { _ = try monitor.client().ask("GET", "/") }
        }
        #expect(try monitor.residentSize() - before < 256)
    }

    // MARK: The command line

    @Test(
        arguments: [
            (["--frob"], 153), (["--api-sock"], 153), (["--id", "a_b"], 153),
            (["--no-api"], 153), (["--level", "loud"], 152),
            (["--no-api", "--config-file", "/nonexistent"], 152),
            (["--api-sock", "/nonexistent/s"], 1),
            (["--log-path", "/nonexistent/l", "--api-sock", "/nonexistent/s"], 1),
            (["--metadata", "/nonexistent", "--api-sock", "/nonexistent/s"], 152),
        ] as [([String], Int)])
    func `A start that cannot be ends with Firecracker's status`(
        _ arguments: [String], _ status: Int
    ) throws {
        let end = try Program.run(try Built.file("bin/swiftlet-vmm"), arguments, seconds: 30)
        #expect(end.status == status, "\(end.errorText)")
        #expect(end.errorText.hasPrefix("swiftlet-vmm: "))
    }

    @Test func `A socket that is in use stays another's`() throws {
        let monitor = try APIMonitor()
        let end = try Program.run(
            try Built.file("bin/swiftlet-vmm"), ["--api-sock", monitor.socket], seconds: 30)
        #expect(end.status == 1)
        #expect(end.errorText.contains("Check that it is not already used."))
        #expect(try monitor.client().ask("GET", "/version").status == 200)
    }

    @Test func `The program says who it is by the name it was started under`() throws {
        let link = FileManager.default.temporaryDirectory
            .appending(path: UUID().uuidString).appending(path: "firecracker")
        try FileManager.default.createDirectory(
            at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: link.deletingLastPathComponent()) }
        try FileManager.default.createSymbolicLink(
            atPath: link.path, withDestinationPath: try Built.file("bin/swiftlet-vmm"))
        let theirs = try Program.run(link.path, ["--version"], seconds: 30)
        #expect(theirs.outputText.hasPrefix("Firecracker v1.17.0\n"))
        let ours = try Program.run(try Built.file("bin/swiftlet-vmm"), ["--version"], seconds: 30)
        #expect(ours.outputText.hasPrefix("Swiftlet v"))
        let monitor = try APIMonitor(program: link.path)
        let reply = try monitor.client().ask("GET", "/")
        #expect(reply.json["app_name"] as? String == "Firecracker")
        #expect(reply.fields["server"] == "Firecracker API")
    }

    @Test func `A configuration file and metadata are taken with an API beside them`() throws {
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let folder = FileManager.default.temporaryDirectory
        let config = folder.appending(path: "swiftlet-config-\(UUID().uuidString)")
        let metadata = folder.appending(path: "swiftlet-metadata-\(UUID().uuidString)")
        defer { for url in [config, metadata] { try? FileManager.default.removeItem(at: url) } }
        try Data(
            """
            {"boot-source": {"kernel_image_path": "\(kernel.path)"},
             "machine-config": {"vcpu_count": 2, "mem_size_mib": 64}}
            """.utf8
        ).write(to: config)
        try Data(#"{"key":"value"}"#.utf8).write(to: metadata)
        let monitor = try APIMonitor([
            "--config-file", config.path, "--metadata", metadata.path,
        ])
        let client = try monitor.client()
        #expect(
            RunningProgram.wait(seconds: 60) {
                (try? client.ask("GET", "/").json["state"] as? String) == "Running"
            })
        #expect(try client.ask("GET", "/mmds").body == #"{"key":"value"}"#)
        #expect(try client.ask("GET", "/machine-config").json["vcpu_count"] as? Int == 2)
    }

    @Test func `Threads have Firecracker's names`() throws {
        let (monitor, client, _) = try APITests.running()
        #expect(try client.ask("GET", "/version").status == 200)
        let folder = "/proc/\(monitor.process.identifier)/task"
        var names: [String] = []
        // A thread has the name of the one that made it until it runs.
        let areNamed = RunningProgram.wait(seconds: 30) {
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            names = threads.compactMap {
                try? String(contentsOfFile: "\(folder)/\($0)/comm", encoding: .utf8)
                    .trimmingCharacters(in: .newlines)
            }
            return names.contains("fc_api") && names.contains("fc_vcpu 0")
        }
        #expect(areNamed, "\(names)")
    }
}

extension String {
    fileprivate func count(of part: String) -> Int { components(separatedBy: part).count - 1 }
}
