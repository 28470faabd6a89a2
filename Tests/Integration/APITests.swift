// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// The API over its real socket, with the monitor of `bin/`.
@Suite struct APITests {
    static let started = #"{"action_type":"InstanceStart"}"#

    /// A monitor whose guest counts for ever.
    static func running(_ arguments: [String] = []) throws -> (
        APIMonitor, APIClient, LongModeKernel
    ) {
        let monitor = try APIMonitor(arguments)
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        #expect(
            try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
                .status == 204)
        #expect(try client.ask("PUT", "/actions", started).status == 204)
        return (monitor, client, kernel)
    }

    /// Guest instructions so far, as the metrics tell them.
    static func instructions(_ client: APIClient) throws -> Int {
        let text = try client.ask("GET", "/metrics").body
        let line = try #require(
            text.split(separator: "\n").first { $0.hasPrefix("swiftlet_guest_instructions_total ") }
        )
        return try #require(line.split(separator: " ").last.flatMap { Int($0) })
    }

    @Test func `Every operation answers before the start`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        let file = monitor.path("file")
        try Data(repeating: 0, count: 1 << 20).write(to: URL(filePath: file))
        let before = "The requested operation is not supported before starting the microVM."
        let rows: [(String, String, String?, Int, String)] = [
            ("GET", "/", nil, 200, ""), ("GET", "/version", nil, 200, ""),
            ("GET", "/machine-config", nil, 200, ""), ("GET", "/vm/config", nil, 200, ""),
            ("GET", "/metrics", nil, 200, ""), ("GET", "/mmds", nil, 200, ""),
            ("GET", "/balloon", nil, 400, "No balloon device found"),
            ("GET", "/balloon/statistics", nil, 400, before),
            ("GET", "/balloon/hinting/status", nil, 400, before),
            ("GET", "/hotplug/memory", nil, 400, before),
            ("PUT", "/actions", Self.started, 400, "without kernel configuration"),
            ("PUT", "/actions", #"{"action_type":"FlushMetrics"}"#, 400, before),
            ("PUT", "/actions", #"{"action_type":"SendCtrlAltDel"}"#, 400, before),
            ("PUT", "/actions", #"{"action_type":"PressPowerButton"}"#, 400, before),
            ("PUT", "/balloon", #"{"amount_mib":1,"deflate_on_oom":true}"#, 204, ""),
            ("GET", "/balloon", nil, 200, ""),
            ("PATCH", "/balloon", #"{"amount_mib":2}"#, 400, before),
            ("PATCH", "/balloon/statistics", #"{"stats_polling_interval_s":2}"#, 400, before),
            ("PATCH", "/balloon/hinting/start", nil, 400, before),
            ("PATCH", "/balloon/hinting/stop", nil, 400, before),
            ("PATCH", "/entropy", "{}", 400, before),
            ("PUT", "/boot-source", "{\"kernel_image_path\":\"\(file)\"}", 204, ""),
            (
                "PUT", "/boot-source", #"{"kernel_image_path":"foo.bar"}"#, 400,
                "The kernel file cannot be opened: No such file or directory (os error 2)"
            ),
            ("PUT", "/cpu-config", #"{"cpuid_modifiers":[]}"#, 204, ""),
            (
                "PUT", "/drives/d",
                "{\"drive_id\":\"d\",\"is_root_device\":false,\"path_on_host\":\"\(file)\"}", 204,
                ""
            ),
            (
                "PUT", "/drives/e",
                #"{"drive_id":"e","is_root_device":false,"path_on_host":"foo.bar"}"#, 400,
                "No such file or directory"
            ),
            ("PATCH", "/drives/d", #"{"drive_id":"d","path_on_host":"x"}"#, 400, before),
            ("DELETE", "/drives/d", nil, 400, before),
            ("PUT", "/pmem/p", "{\"id\":\"p\",\"path_on_host\":\"\(file)\"}", 204, ""),
            ("PATCH", "/pmem/p", #"{"id":"p"}"#, 400, before),
            ("DELETE", "/pmem/p", nil, 400, before),
            // With devices that are there: NetworkAPITests.
            (
                "PUT", "/network-interfaces/n", #"{"iface_id":"n","host_dev_name":"absent"}"#, 400,
                "Could not create the network device: Open tap device failed: "
            ),
            ("PATCH", "/network-interfaces/n", #"{"iface_id":"n"}"#, 400, before),
            ("DELETE", "/network-interfaces/n", nil, 400, before),
            ("PUT", "/logger", "{\"log_path\":\"\(monitor.path("log"))\"}", 204, ""),
            ("PUT", "/machine-config", #"{"vcpu_count":32,"mem_size_mib":65536}"#, 204, ""),
            ("PUT", "/machine-config", #"{"vcpu_count":1,"mem_size_mib":8}"#, 204, ""),
            ("PATCH", "/machine-config", #"{"vcpu_count":33}"#, 400, "Machine config error: "),
            ("PUT", "/metrics", "{\"metrics_path\":\"\(monitor.path("m"))\"}", 204, ""),
            (
                "PUT", "/metrics", "{\"metrics_path\":\"\(monitor.path("m"))\"}", 400,
                "Reinitialization of metrics not allowed."
            ),
            ("PUT", "/mmds", #"{"a":1}"#, 204, ""), ("PATCH", "/mmds", #"{"b":2}"#, 204, ""),
            (
                "PUT", "/mmds/config", #"{"network_interfaces":["n"],"version":"V2"}"#, 400,
                "does not correspond to any existing network interface"
            ),
            ("PUT", "/entropy", "{}", 204, ""), ("PUT", "/serial", "{}", 204, ""),
            ("PUT", "/hotplug/memory", #"{"total_size_mib":128}"#, 204, ""),
            ("PATCH", "/hotplug/memory", #"{"requested_size_mib":0}"#, 400, before),
            ("PUT", "/vsock", "{\"guest_cid\":3,\"uds_path\":\"\(monitor.path("v"))\"}", 204, ""),
            ("PATCH", "/vm", #"{"state":"Paused"}"#, 400, before),
            ("PUT", "/snapshot/create", #"{"snapshot_path":"s","mem_file_path":"m"}"#, 400, before),
            (
                "PUT", "/snapshot/load", #"{"snapshot_path":"s","mem_file_path":"m"}"#, 400,
                "not allowed after configuring boot-specific resources"
            ),
        ]
        for (method, path, body, status, fault) in rows {
            let reply = try client.ask(method, path, body)
            #expect(reply.status == status, "\(method) \(path): \(reply)")
            #expect(fault.isEmpty || reply.body.contains(fault), "\(method) \(path): \(reply)")
        }
        let config = try client.ask("GET", "/vm/config").json
        #expect((config["drives"] as? [[String: Any]])?.first?["drive_id"] as? String == "d")
        #expect(try client.ask("GET", "/mmds").body == #"{"a":1,"b":2}"#)
        // What starts with 64 GiB, a file of zeros for a kernel and no TAP device does not start,
        // and says so.
        let reply = try client.ask("PUT", "/actions", Self.started)
        #expect(reply.status == 400)
        #expect(reply.fault.hasPrefix("Start microvm error: "))
        #expect(try client.ask("GET", "/").json["state"] as? String == "Not started")
    }

    @Test func `A machine is started, paused and resumed, and no longer configured`() throws {
        let (monitor, client, _) = try Self.running(["--id", "api-1"])
        let info = try client.ask("GET", "/").json
        #expect(info["state"] as? String == "Running")
        #expect(info["id"] as? String == "api-1")
        #expect(info["vmm_version"] as? String == "1.17.0")
        let first = try Self.instructions(client)
        #expect(
            RunningProgram.wait(seconds: 60) {
                ((try? Self.instructions(client)) ?? 0) > first
            })
        for _ in 0..<5 {
            #expect(try client.ask("PATCH", "/vm", #"{"state":"Paused"}"#).status == 204)
            #expect(try client.ask("GET", "/").json["state"] as? String == "Paused")
            let before = try Self.instructions(client)
            usleep(50_000)
            #expect(try Self.instructions(client) == before)
            #expect(try client.ask("PATCH", "/vm", #"{"state":"Resumed"}"#).status == 204)
            #expect(
                RunningProgram.wait(seconds: 60) {
                    ((try? Self.instructions(client)) ?? 0) > before
                })
        }
        let after = "The requested operation is not supported after starting the microVM."
        for (method, path, body) in [
            ("PUT", "/boot-source", #"{"kernel_image_path":"k"}"#),
            ("PUT", "/machine-config", #"{"vcpu_count":1,"mem_size_mib":128}"#),
            ("PATCH", "/machine-config", #"{"vcpu_count":1}"#),
            ("PUT", "/logger", "{}"), ("PUT", "/metrics", #"{"metrics_path":"m"}"#),
            ("PUT", "/serial", "{}"), ("PUT", "/entropy", "{}"), ("PUT", "/cpu-config", "{}"),
            ("PUT", "/vsock", #"{"guest_cid":3,"uds_path":"v"}"#),
            ("PUT", "/balloon", #"{"amount_mib":1,"deflate_on_oom":true}"#),
            ("PUT", "/hotplug/memory", #"{"total_size_mib":128}"#),
            ("PUT", "/mmds/config", #"{"network_interfaces":["n"]}"#),
            ("PUT", "/snapshot/load", #"{"snapshot_path":"s","mem_file_path":"m"}"#),
            ("PUT", "/actions", Self.started),
        ] {
            #expect(try client.ask(method, path, body).fault == after, "\(method) \(path)")
        }
        #expect(
            try client.ask(
                "PUT", "/drives/d",
                #"{"drive_id":"d","is_root_device":false,"path_on_host":"f"}"#
            ).fault == "PCI is not enabled")
        #expect(
            try client.ask("PUT", "/snapshot/create", #"{"snapshot_path":"s","mem_file_path":"m"}"#)
                .fault.contains("must be paused"))
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)
        #expect(!FileManager.default.fileExists(atPath: monitor.socket))
    }

    @Test func `The guest's reset ends the monitor with 0 and its socket`() throws {
        let monitor = try APIMonitor()
        let kernel = try LongModeKernel(LongModeKernel.resetting)
        let client = try monitor.client()
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
        // The answer may or may not come before the end.
        _ = try? client.ask("PUT", "/actions", Self.started)
        let end = try monitor.process.end(seconds: 60)
        #expect(end.status == 0, "\(end.errorText)")
        #expect(end.outputText.contains("Firecracker exiting successfully. exit_code=0"))
        #expect(!FileManager.default.fileExists(atPath: monitor.socket))
    }

    /// Writes 123 to the boot timer; the rest of a kernel follows.
    private static let arrival: [UInt8] = [0xb8, 0, 0, 0, 0xc0, 0xc6, 0x00, 123]

    @Test(arguments: [LongModeKernel.busy, LongModeKernel.resetting])
    func `The log says how long the guest took from its start on`(_ rest: [UInt8]) throws {
        let monitor = try APIMonitor(["--boot-timer"])
        let kernel = try LongModeKernel(Self.arrival + rest)
        let client = try monitor.client()
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
        // Time in which nothing starts does not count.
        usleep(300_000)
        let start = ContinuousClock.now
        _ = try? client.ask("PUT", "/actions", Self.started)
        let form = #/Guest-boot-time =\s+(\d+) us\s+(\d+) ms,\s+(\d+) CPU us\s+(\d+) CPU ms/#
        let isTold = RunningProgram.wait(seconds: 60) {
            monitor.process.outputText.contains(form)
        }
        #expect(isTold, "\(monitor.process.outputText)")
        let limit = start.duration(to: .now) / .microseconds(1)
        let found = monitor.process.outputText.matches(of: form)
        #expect(found.count == 1)
        let time = try #require(found.first.flatMap { Double($0.1) })
        #expect(time > 0 && time <= limit)
    }

    @Test func `A start that fails costs nothing, and the next one may be right`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let put = { (path: String, body: String) in try client.ask("PUT", path, body) }
        let vsock = "{\"guest_cid\":3,\"uds_path\":\"\(monitor.path("v"))\"}"
        #expect(try put("/vsock", vsock).status == 204)
        #expect(try put("/entropy", "{}").status == 204)
        let serial = "{\"serial_out_path\":\"\(monitor.path("serial"))\"}"
        #expect(try put("/serial", serial).status == 204)
        #expect(try put("/boot-source", #"{"kernel_image_path":"/etc/passwd"}"#).status == 204)
        var counts: [Int] = []
        for _ in 0..<20 {
            let reply = try put("/actions", Self.started)
            #expect(reply.fault.hasPrefix("Start microvm error: kernel /etc/passwd: "), "\(reply)")
            #expect(!FileManager.default.fileExists(atPath: monitor.path("v")))
            counts.append(try monitor.descriptorCount())
        }
        #expect(Set(counts).count == 1, "\(counts)")
        #expect(
            try put("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}").status == 204)
        let reply = try put("/actions", Self.started)
        #expect(reply.status == 204, "\(reply)")
        #expect(FileManager.default.fileExists(atPath: monitor.path("v")))
    }

    @Test func `Log and metrics have Firecracker's form`() throws {
        let folder = FileManager.default.temporaryDirectory
        let log = folder.appending(path: "swiftlet-log-\(UUID().uuidString)").path
        let metrics = log + ".metrics"
        defer { for path in [log, metrics] { try? FileManager.default.removeItem(atPath: path) } }
        let (monitor, client, _) = try Self.running([
            "--id", "log-1", "--log-path", log, "--level", "Debug", "--metrics-path", metrics,
            "--start-time-us", "1",
        ])
        _ = try client.ask("PUT", "/vsock", "{\"a\": \"b\nc\"}")
        for path in ["/mmds", "/mmds/", "//mmds", "/mmds?x"] {
            _ = try client.ask("PUT", path, #"{"secret":"hidden"}"#)
        }
        _ = try client.ask("PUT", "/cpu-config", #"{"cpuid_modifiers":[]}"#)
        _ = try client.ask("PATCH", "/vm", #"{"state":"Paused"}"#)
        #expect(try client.ask("PUT", "/actions", #"{"action_type":"FlushMetrics"}"#).status == 204)
        let lines = try String(contentsOfFile: metrics, encoding: .utf8).split(separator: "\n")
        let line = try #require(lines.last)
        let numbers = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let puts = try #require(numbers["put_api_requests"] as? [String: Int])
        #expect(puts["actions_count"] == 2)
        #expect(puts["vsock_fails"] == 1)
        let latencies = try #require(numbers["latencies_us"] as? [String: Int])
        #expect(latencies["pause_vm"] ?? 0 > 0)
        let start = try #require(numbers["api_server"] as? [String: Int])
        #expect(start["process_startup_time_us"] ?? 0 > 0)
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)

        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(!text.contains("hidden"))
        for part in [
            "Running Firecracker v1.17.0", "[log-1:fc_api] API server started.",
            "The API server received a Put request on \"/boot-source\" with body"
                + " \"{\\\"kernel_image_path\\\":",
            "The API server received a Put request on \"/vsock\" with body"
                + " \"{\\\"a\\\": \\\"b\\nc\\\"}\".",
            "The API server received a Put request on \"/mmds\".",
            "The API server received a Put request on \"/cpu-config\" with body"
                + " \"{\\\"cpuid_modifiers\\\":[]}\".",
            "The request was executed successfully. Status code: 204 No Content.",
            "Received Error. Status code: 400 Bad Request. Message: An error occurred when",
            "Total previous API call duration: ", "'pause vm' API request took ",
            "Firecracker exiting successfully. exit_code=0",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        for line in text.split(separator: "\n") {
            #expect(line.contains(#/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9} \[log-1:[^\]]+\] ./#))
        }
    }
}
