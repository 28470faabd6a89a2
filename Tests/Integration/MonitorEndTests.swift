// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// What a monitor leaves when it ends: its last line of metrics.
@Suite struct MonitorEndTests {
    /// The last line of a file of metrics.
    static func lastLine(_ path: String) throws -> [String: Any] {
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        let line = try #require(lines.last)
        return try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    static let signals = [
        (SIGBUS, 149, "sigbus"), (SIGSEGV, 150, "sigsegv"), (SIGXFSZ, 151, "sigxfsz"),
        (SIGXCPU, 154, "sigxcpu"), (SIGHUP, 156, "sighup"), (SIGILL, 157, "sigill"),
    ]

    @Test(arguments: signals)
    func `A signal that ends the monitor is counted in its metrics`(
        _ signal: Int32, _ status: Int, _ name: String
    ) throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-metrics-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (monitor, client, _) = try APITests.running(["--metrics-path", path])
        let flush = #"{"action_type":"FlushMetrics"}"#
        #expect(try client.ask("PUT", "/actions", flush).status == 204)
        let before = try Self.lastLine(path)
        #expect((before["signals"] as? [String: Int])?[name] == 0)
        monitor.process.send(signal)
        let end = try monitor.process.end(seconds: 30)
        #expect(end.status == status, "\(end.errorText)")

        let line = try Self.lastLine(path)
        #expect(Set(line.keys) == Set(before.keys))
        let counts = try #require(line["signals"] as? [String: Int])
        #expect(counts.filter { $0.value != 0 } == [name: 1])
        #expect((line["vmm"] as? [String: Int])?["panic_count"] == 0)
        #expect((line["seccomp"] as? [String: Int])?["num_faults"] == 0)
        let time = try #require(line["utc_timestamp_ms"] as? Int)
        #expect(time >= before["utc_timestamp_ms"] as? Int ?? .max)
        #expect(abs(Double(time) / 1000 - Date().timeIntervalSince1970) < 60)
    }
}
