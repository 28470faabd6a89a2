// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// What the monitor's options and requests make of its log and its metrics.
@Suite struct LogAndMetricsTests {
    static let flush = #"{"action_type":"FlushMetrics"}"#

    /// Lines of a file.
    private func lines(_ path: String) throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// A path for a file that the caller removes.
    private func path() -> String {
        FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-telemetry-\(UUID().uuidString)").path
    }

    @Test func `Lines carry the machine's name and the operator's properties, to the last one`()
        throws
    {
        let monitor = try APIMonitor(["--id", "vm-7"])
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        let path = monitor.path("metrics")
        for (target, body) in [
            (
                "/metrics",
                "{\"metrics_path\":\"\(path)\",\"emit_id\":true,"
                    + #""properties":{"pool":"blue","zone":"b"}}"#
            ),
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"),
            ("/actions", APITests.started), ("/actions", Self.flush),
        ] { #expect(try client.ask("PUT", target, body).status == 204, "\(target)") }
        func check() throws {
            let line = try MonitorEndTests.lastLine(path)
            #expect(line["id"] as? String == "vm-7")
            #expect(line["properties"] as? [String: String] == ["pool": "blue", "zone": "b"])
        }
        try check()
        let count = try lines(path).count
        // What was made ready for this signal.
        monitor.process.send(SIGILL)
        #expect(try monitor.process.end(seconds: 30).status == 157)
        #expect(try lines(path).count == count + 1)
        try check()
    }

    @Test func `Without being asked for they are not there`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (monitor, client, _) = try APITests.running(["--id", "vm-7", "--metrics-path", path])
        defer { withExtendedLifetime(monitor) {} }
        #expect(try client.ask("PUT", "/actions", Self.flush).status == 204)
        let line = try MonitorEndTests.lastLine(path)
        #expect(line["utc_timestamp_ms"] != nil)
        #expect(line["id"] == nil)
        #expect(line["properties"] == nil)
    }

    @Test func `A line comes each interval without being asked for`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let begun = ContinuousClock.now
        let monitor = try APIMonitor(["--metrics-path", path, "--metrics-interval", "1"])
        #expect(try monitor.client().ask("PUT", "/entropy", "{}").status == 204)
        let came = RunningProgram.wait(seconds: 30) { ((try? lines(path).count) ?? 0) >= 2 }
        #expect(came)
        // No sooner than it should: the first line after a second, and so on.
        let count = try lines(path).count
        #expect(Double(count) <= (ContinuousClock.now - begun) / .seconds(1))
        for line in try lines(path) {
            let json = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(json?["utc_timestamp_ms"] != nil)
        }
        #expect(try monitor.client().ask("GET", "/version").status == 200)
    }

    @Test func `The log shows levels, and only the module that was asked for`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let monitor = try APIMonitor([
            "--id", "vm-7", "--log-path", path, "--show-level", "--module",
            "swiftlet_vmm::APIAnswerer",
        ])
        let client = try monitor.client()
        #expect(try client.ask("GET", "/version").status == 200)
        #expect(try client.ask("GET", "/nothing").status == 400)
        let first = try lines(path)
        #expect(first.contains { $0.contains("[vm-7:fc_api:INFO] The API server received a Get") })
        #expect(first.contains { $0.contains("[vm-7:fc_api:ERROR] Received Error.") })
        #expect(!first.contains { $0.contains("API server started.") })
        for line in first { #expect(line.contains(#/ \[vm-7:fc_api:(INFO|WARN|ERROR)\] /#)) }

        #expect(try client.ask("PUT", "/logger", #"{"module":"elsewhere"}"#).status == 204)
        let before = try lines(path).count
        #expect(try client.ask("GET", "/version").status == 200)
        #expect(try lines(path).count == before)
        let all = #"{"module":"swiftlet_vmm","show_level":false,"show_log_origin":true}"#
        #expect(try client.ask("PUT", "/logger", all).status == 204)
        #expect(try client.ask("GET", "/version").status == 200)
        let last = try #require(try lines(path).last)
        let place = #/ \[vm-7:fc_api:swiftlet_vmm/APIAnswerer\.swift:\d+\] /#
        #expect(last.contains(place), "\(last)")
    }

    @Test(arguments: [("Info", false), ("Debug", true)])
    func `A configuration of processors is in the log for who asks`(
        _ level: String, _ isThere: Bool
    ) throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let monitor = try APIMonitor(["--log-path", path, "--level", level])
        let body = #"{"cpuid_modifiers":[]}"#
        #expect(try monitor.client().ask("PUT", "/cpu-config", body).status == 204)
        let text = try lines(path).joined()
        #expect(text.contains("cpuid_modifiers") == isThere)
        #expect(text.contains("configure log-level to DEBUG.") == !isThere)
    }

    @Test(arguments: [("Info", false), ("Debug", true), ("Trace", true)])
    func `A start says what it made to who asks, and its engine to all`(
        _ level: String, _ isThere: Bool
    ) throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let monitor = try APIMonitor(["--log-path", path, "--level", level, "--show-level"])
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        let vsock = "{\"guest_cid\":3,\"uds_path\":\"\(monitor.path("v"))\"}"
        for (target, body) in [
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"), ("/vsock", vsock),
            ("/entropy", "{}"), ("/actions", APITests.started),
        ] { #expect(try client.ask("PUT", target, body).status == 204, "\(target)") }
        let text = try lines(path).joined(separator: "\n")
        #expect(text.contains(":INFO] The guest's engine is soft."))
        for part in [
            ":DEBUG] The guest's vCPUs: 1, memory: 128 MiB, kernel: \(kernel.path), initrd: none.",
            ":DEBUG] A virtio device, entropy, is at 0xc0001000, interrupt 5.",
            ":DEBUG] A virtio device, vsock, is at 0xc0002000, interrupt 6.",
            ":DEBUG] Total previous API call duration: ",
        ] { #expect(text.contains(part) == isThere, "\(part)") }
        #expect(text.contains(":DEBUG]") == isThere)
    }
}
