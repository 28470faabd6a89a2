// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

import struct Linux.FileDescriptor
import struct Linux.HostFiles

/// What a monitor leaves when it ends: its last line of metrics, and no socket.
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

    @Test(arguments: [(SIGTRAP, 133), (SIGABRT, 134), (SIGFPE, 136)])
    func `A signal that no processor or kernel of a sound host sends says so, too`(
        _ signal: Int32, _ status: Int
    ) throws {
        let (monitor, _, _) = try APITests.running()
        monitor.process.send(signal)
        let end = try monitor.process.end(seconds: 30)
        #expect(end.status == status)
        #expect(end.errorText.hasPrefix("swiftlet-vmm: the monitor was ended by SIG"))
    }

    /// The free memory at the end of the heap seems to be larger than all of it from now on.
    private func breakHeap(of process: Int32) throws {
        let maps = try #require(HostFiles().text("/proc/\(process)/maps"))
        let heap = try #require(maps.firstMatch(of: #/(?m)^(\w+)-(\w+) .*\[heap\]$/#))
        let start = try #require(UInt64(heap.1, radix: 16))
        let count = Int(try #require(UInt64(heap.2, radix: 16)) - start)
        let memory = try FileHandle(forUpdating: URL(filePath: "/proc/\(process)/mem"))
        try memory.seek(toOffset: start)
        let bytes = [UInt8](try #require(try memory.read(upToCount: count)))
        // Its size, and that what is before it is in use, reaches to the end. There may be such words of
        // earlier ends, too, in what has become free.
        let places = stride(from: 0, to: count, by: 16).filter { place in
            let size = bytes[(place + 8)..<(place + 16)].reversed().reduce(0) { $0 << 8 | Int($1) }
            return size & 7 == 1 && place + (size & ~7) == count
        }
        try #require(!places.isEmpty)
        for place in places {
            try memory.seek(toOffset: start + UInt64(place) + 8)
            try memory.write(contentsOf: [0xf1] + Array(repeating: 0xff, count: 7))
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to reach into the monitor"))
    func `A heap that is found broken ends the monitor with 134`() throws {
        let (monitor, client, _) = try APITests.running()
        try breakHeap(of: monitor.process.identifier)
        let body = "{\"key\":\"\(String(repeating: "x", count: 40000))\"}"
        for _ in 0..<20 {
            guard (try? client.ask("PUT", "/mmds", body)) != nil else { break }
        }
        let end = try monitor.process.end(seconds: 30)
        #expect(end.status == 134, "\(end.errorText)")
        let sentence = "\nswiftlet-vmm: the monitor was ended by SIGABRT\n"
        #expect(end.errorText.contains(sentence), "\(end.errorText)")
    }

    /// A named pipe that is full in the midst of a line, and is read then.
    @Test(arguments: [false, true])
    func `Half a line of metrics spoils no other`(isLast: Bool) throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-metrics-\(UUID().uuidString)").path
        try #require(Posix.mkfifo(path, 0o600) == 0)
        defer { Posix.unlink(path) }
        let pipe = try FileDescriptor.open(path, flags: O_RDONLY | O_NONBLOCK)
        func all() throws -> [UInt8] {
            var buffer = [UInt8](repeating: 0, count: 256 << 10)
            let count = try pipe.read(into: &buffer)
            return Array(buffer[..<count])
        }
        let setSize: Int32 = 1031  // F_SETPIPE_SZ
        let (monitor, client, _) = try APITests.running(["--metrics-path", path])
        let flush = #"{"action_type":"FlushMetrics"}"#
        try #require(fcntl(pipe.rawValue, setSize, Int32(4096)) == 4096)
        #expect(try client.ask("PUT", "/actions", flush).fault.contains("Failed to write metrics"))
        var bytes = try all()
        #expect(bytes.count == 4096)
        try #require(fcntl(pipe.rawValue, setSize, Int32(256 << 10)) == 256 << 10)
        if isLast {
            monitor.process.send(SIGILL)
            _ = try monitor.process.end(seconds: 30)
        } else {
            #expect(try client.ask("PUT", "/actions", flush).status == 204)
        }
        bytes += try all()
        #expect(bytes.last == 0x0a)
        let lines = bytes.split(separator: 0x0a)
        try #require(lines.count == 2)
        let line = try JSONSerialization.jsonObject(with: Data(lines[1])) as? [String: Any]
        #expect((line?["signals"] as? [String: Int])?["sigill"] == (isLast ? 1 : 0))
    }

    /// A monitor with a path for vsock, whose guest runs.
    private func withVsock(_ code: [UInt8]) throws -> (APIMonitor, LongModeKernel) {
        let monitor = try APIMonitor()
        let kernel = try LongModeKernel(code)
        let client = try monitor.client()
        for (path, body) in [
            ("/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}"),
            ("/vsock", "{\"guest_cid\":3,\"uds_path\":\"\(monitor.path("v"))\"}"),
        ] { #expect(try client.ask("PUT", path, body).status == 204) }
        _ = try? client.ask("PUT", "/actions", APITests.started)
        return (monitor, kernel)
    }

    @Test(arguments: [SIGTERM, SIGHUP])
    func `A monitor that is told to end takes its sockets along`(_ signal: Int32) throws {
        let (monitor, _) = try withVsock(LongModeKernel.busy)
        #expect(FileManager.default.fileExists(atPath: monitor.path("v")))
        monitor.process.send(signal)
        _ = try monitor.process.end(seconds: 30)
        #expect(try FileManager.default.contentsOfDirectory(atPath: monitor.folder.path) == [])
    }

    @Test func `A guest that ends its machine takes the monitor's sockets along`() throws {
        let (monitor, _) = try withVsock(LongModeKernel.resetting)
        #expect(try monitor.process.end(seconds: 60).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: monitor.folder.path) == [])
    }

    @Test func `A machine that cannot be made leaves no socket`() throws {
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-refused-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let socket = folder.appending(path: "v").path
        let file = folder.appending(path: "config")
        try Data(
            """
            {"boot-source": {"kernel_image_path": "\(kernel.path)"},
             "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
             "vsock": {"guest_cid": 3, "uds_path": "\(socket)"},
             "network-interfaces": [{"iface_id": "n", "host_dev_name": "no-such-tap"}]}
            """.utf8
        ).write(to: file)
        let end = try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--no-api", "--engine", "soft", "--config-file", file.path], seconds: 30)
        #expect(end.status == 152, "\(end.errorText)")
        #expect(end.errorText.contains("network: "), "\(end.errorText)")
        #expect(!FileManager.default.fileExists(atPath: socket))
    }
}
