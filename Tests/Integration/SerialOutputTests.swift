// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support
import Testing

/// `PUT /serial`: where the guest's output goes, and how much of it.
@Suite struct SerialOutputTests {
    /// Sends 200 times `x` through the serial port, then spins.
    static let talking: [UInt8] = [
        0xb9, 0xc8, 0, 0, 0, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x78, 0xee, 0xff, 0xc9, 0x75, 0xfb, 0xeb,
        0xfe,
    ]

    /// A monitor whose guest talks, with `serial` as its console.
    private func start(_ monitor: APIMonitor, _ serial: String) throws -> LongModeKernel {
        let kernel = try LongModeKernel(Self.talking)
        let client = try monitor.client()
        for (path, body) in [
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"), ("/serial", serial),
            ("/actions", APITests.started),
        ] {
            let reply = try client.ask("PUT", path, body)
            try #require(reply.status == 204, "\(path): \(reply)")
        }
        return kernel
    }

    /// What the monitor counts of the serial port.
    private func counts(_ monitor: APIMonitor) throws -> [String: Int] {
        let flush = #"{"action_type":"FlushMetrics"}"#
        #expect(try monitor.client().ask("PUT", "/actions", flush).status == 204)
        let line = try MonitorEndTests.lastLine(monitor.path("metrics"))
        return try #require(line["uart"] as? [String: Int])
    }

    /// A monitor that writes metrics into its folder.
    private func monitor() throws -> APIMonitor {
        let monitor = try APIMonitor()
        let body = "{\"metrics_path\":\"\(monitor.path("metrics"))\"}"
        #expect(try monitor.client().ask("PUT", "/metrics", body).status == 204)
        return monitor
    }

    @Test func `The console goes to a file, behind what is there`() throws {
        let monitor = try monitor()
        let file = URL(filePath: monitor.path("console"))
        try Data("before\n".utf8).write(to: file)
        let kernel = try start(monitor, "{\"serial_out_path\":\"\(file.path)\"}")
        defer { withExtendedLifetime(kernel) {} }
        let wanted = "before\n" + String(repeating: "x", count: 200)
        let came = RunningProgram.wait(seconds: 30) {
            (try? String(contentsOf: file, encoding: .utf8)) == wanted
        }
        #expect(came, "\((try? String(contentsOf: file, encoding: .utf8)) ?? "no file")")
        #expect(!monitor.process.outputText.contains("xx"))
        let counts = try counts(monitor)
        #expect(counts["write_count"] == 200)
        #expect(counts["rate_limiter_dropped_bytes"] == 0)
    }

    @Test func `The console goes to a named pipe that somebody reads`() throws {
        let monitor = try monitor()
        let path = monitor.path("pipe")
        try #require(Posix.mkfifo(path, 0o600) == 0)
        // O_RDONLY and O_NONBLOCK.
        let pipe = try FileDescriptor.open(path, flags: 0o4000)
        let kernel = try start(monitor, "{\"serial_out_path\":\"\(path)\"}")
        defer { withExtendedLifetime(kernel) {} }
        var text: [UInt8] = []
        let came = RunningProgram.wait(seconds: 30) {
            var bytes = [UInt8](repeating: 0, count: 256)
            if let count = try? pipe.read(into: &bytes) { text += bytes[..<count] }
            return text.count >= 200
        }
        #expect(came)
        #expect(text == Array(repeating: UInt8(ascii: "x"), count: 200))
    }

    @Test func `Output above the console's limit is lost and counted`() throws {
        let monitor = try monitor()
        let path = monitor.path("console")
        let limit = #"{"size":100,"one_time_burst":20,"refill_time":36000000}"#
        let kernel = try start(
            monitor, "{\"serial_out_path\":\"\(path)\",\"rate_limiter\":\(limit)}")
        defer { withExtendedLifetime(kernel) {} }
        var lost = 0
        let areLost = RunningProgram.wait(seconds: 30) {
            lost += (try? counts(monitor))?["rate_limiter_dropped_bytes"] ?? 0
            return lost >= 80
        }
        #expect(areLost)
        #expect(lost == 80)
        #expect(
            RunningProgram.wait(seconds: 30) {
                (try? Data(contentsOf: URL(filePath: path)))?.count == 120
            })
        let text = try monitor.client().ask("GET", "/vm/config").json["serial"] as? [String: Any]
        #expect((text?["rate_limiter"] as? [String: Int])?["size"] == 100)
    }
}
