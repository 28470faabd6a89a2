// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Control

@Suite struct MetricsTests {
    /// The line that a flush writes, parsed.
    static func line(_ metrics: Metrics, id: String? = nil) throws -> JSON {
        var bytes: [UInt8] = []
        metrics.flush(time: 5, id: id, properties: nil) { line in
            bytes = line
            return true
        }
        #expect(bytes.last == 0x0a)
        #expect(bytes.dropLast().allSatisfy { $0 != 0x0a })
        return try JSONParser.parse(bytes)
    }

    @Test func `A line has every group and name of the schema`() throws {
        let line = try Self.line(Metrics(), id: "vm")
        #expect(line["utc_timestamp_ms"] == .integer(5))
        #expect(line["id"] == .string("vm"))
        for group in MetricsSchema.groups {
            let object = try #require(line[group.name])
            for metric in group.metrics {
                let value = try #require(object[metric.name], "\(group.name).\(metric.name)")
                if metric.kind == .latency {
                    for name in ["min_us", "max_us", "sum_us"] { #expect(value[name] != nil) }
                } else {
                    #expect(value == .integer(0))
                }
            }
        }
    }

    @Test func `A counter tells what was added, a gauge what it is`() throws {
        let metrics = Metrics()
        let counter = try #require(metrics.counter("put_api_requests", "actions_count"))
        let gauge = try #require(metrics.counter("latencies_us", "pause_vm"))
        counter.add(3)
        gauge.store(9)
        metrics.storeLatency("vcpu", "exit_io_in_agg", least: 1, most: 5, sum: 7)
        let first = try Self.line(metrics)
        #expect(first["put_api_requests"]?["actions_count"] == .integer(3))
        #expect(first["vcpu"]?["exit_io_in_agg"]?.text == #"{"min_us":1,"max_us":5,"sum_us":7}"#)
        counter.add()
        metrics.storeLatency("vcpu", "exit_io_in_agg", least: 1, most: 6, sum: 10)
        let second = try Self.line(metrics)
        #expect(second["put_api_requests"]?["actions_count"] == .integer(1))
        #expect(second["latencies_us"]?["pause_vm"] == .integer(9))
        #expect(second["vcpu"]?["exit_io_in_agg"]?.text == #"{"min_us":1,"max_us":6,"sum_us":3}"#)
    }

    @Test func `Counts of a line that is lost come with the next one`() throws {
        let metrics = Metrics()
        metrics.counter("vmm", "panic_count")?.store(1)
        metrics.counter("vsock", "conns_added")?.add(2)
        metrics.flush(time: 0, id: nil, properties: nil) { _ in false }
        #expect(try Self.line(metrics)["vsock"]?["conns_added"] == .integer(2))
        #expect(try Self.line(metrics)["vsock"]?["conns_added"] == .integer(0))
    }

    @Test func `A device has a group of its own, once`() throws {
        let metrics = Metrics()
        metrics.addDevice("block_root", like: MetricsSchema.block)
        metrics.counter("block_root", "read_count")?.add(4)
        metrics.addDevice("block_root", like: MetricsSchema.block)
        #expect(try Self.line(metrics)["block_root"]?["read_count"] == .integer(4))
        #expect(metrics.counter("block_root", "nothing") == nil)
    }

    @Test func `A draft is a line in which digits are set afterwards`() throws {
        let metrics = Metrics()
        metrics.counter("vsock", "conns_added")?.add(2)
        metrics.addDevice("block_seccomp", like: MetricsSchema.block)
        let properties = [JSON.Member("signals", .string("\"signals\":{\"sigbus\":0"))]
        let draft = metrics.draft(id: "seccomp", properties: properties)
        var bytes = draft.bytes
        bytes.replaceSubrange(draft.time..<draft.time + 13, with: Array("1234567890123".utf8))
        for (group, name) in [("seccomp", "num_faults"), ("signals", "sigill")] {
            bytes[try #require(draft.digit(group, name))] = UInt8(ascii: "1")
        }
        let line = try JSONParser.parse(bytes)
        #expect(line["utc_timestamp_ms"] == .integer(1_234_567_890_123))
        #expect(line["seccomp"]?["num_faults"] == .integer(1))
        #expect(line["signals"]?["sigill"] == .integer(1))
        #expect(line["signals"]?["sigbus"] == .integer(0))
        #expect(line["vsock"]?["conns_added"] == .integer(2))
        #expect(line["properties"]?["signals"] == .string("\"signals\":{\"sigbus\":0"))
        // A number that has been set, and one that there is not.
        #expect(draft.digit("vsock", "conns_added") == nil)
        #expect(draft.digit("signals", "sigusr1") == nil)
        // It is told by the next line that is written.
        #expect(try Self.line(metrics)["vsock"]?["conns_added"] == .integer(2))
    }

    /// Every number of every group, so that none is taken for another.
    @Test(arguments: [0, 5, 1_700_000_000_000] as [UInt64])
    func `The draft after a line is what would be written next`(_ time: UInt64) throws {
        let metrics = Metrics()
        metrics.addDevice("block_vsock", like: MetricsSchema.block)
        metrics.withGroups { groups in
            for (index, counter) in groups.flatMap(\.entries).flatMap(\.counters).enumerated() {
                counter.store(UInt64(index * 37 + 1))
            }
        }
        let properties = [JSON.Member("api_server", .string("\"api_server\":{"))]
        for isWritten in [false, true] {
            let draft = metrics.flush(time: time, id: "vsock", properties: properties) { _ in
                isWritten
            }
            let anew = metrics.draft(id: "vsock", properties: properties)
            #expect(try JSONParser.parse(draft.bytes) == JSONParser.parse(anew.bytes))
            #expect(draft.time == anew.time)
            let digits = draft.bytes[draft.time..<draft.time + 13]
            #expect(String(decoding: digits, as: UTF8.self) == "1000000000000")
        }
        #expect(try Self.line(metrics)["vsock"]?["conns_added"] == .integer(0))
    }

    @Test func `Every counter of an operation is in the schema`() {
        let metrics = Metrics()
        for operation in APIOperation.allCases {
            guard let metric = operation.metric else { continue }
            #expect(
                metrics.counter(metric.group, metric.name + "_count") != nil, "\(operation)")
            if operation.route.method != .get {
                #expect(
                    metrics.counter(metric.group, metric.name + "_fails") != nil, "\(operation)")
            }
        }
    }

    @Test func `Prometheus reads a counter by its label, in order`() {
        var text = PrometheusText()
        text.add(counter: "name_total", label: "opcode", counts: ["cc": 2, "0f 01": 30])
        text.add(counter: "none_total", label: "opcode", counts: [:])
        #expect(
            text.text == "# TYPE name_total counter\nname_total{opcode=\"0f 01\"} 30\n"
                + "name_total{opcode=\"cc\"} 2\n")
    }

    @Test func `Prometheus reads totals and a cumulative histogram`() {
        let metrics = Metrics()
        metrics.counter("vsock", "conns_added")?.add(2)
        metrics.recordCall(.put, 60_000)
        metrics.recordCall(.put, 2_000_000_000)
        metrics.recordCall(.other("POST"), 1)
        let text = metrics.prometheusText.text
        let lines = Set(text.split(separator: "\n"))
        for line in [
            "# TYPE swiftlet_vsock_conns_added_total counter",
            "swiftlet_vsock_conns_added_total 2",
            "swiftlet_api_call_duration_seconds_bucket{method=\"PUT\",le=\"0.00005\"} 0",
            "swiftlet_api_call_duration_seconds_bucket{method=\"PUT\",le=\"0.0001\"} 1",
            "swiftlet_api_call_duration_seconds_bucket{method=\"PUT\",le=\"1\"} 1",
            "swiftlet_api_call_duration_seconds_bucket{method=\"PUT\",le=\"+Inf\"} 2",
            "swiftlet_api_call_duration_seconds_sum{method=\"PUT\"} 2.00006",
            "swiftlet_api_call_duration_seconds_count{method=\"PUT\"} 2",
            "swiftlet_api_call_duration_seconds_count{method=\"other\"} 1",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
        // Each line is a comment, or a name and a number.
        for line in lines where !line.hasPrefix("#") {
            #expect(line.split(separator: " ").last.flatMap { Double($0) } != nil, "\(line)")
        }
    }
}

@Suite struct LogTests {
    private static let origin = LogStyle.Origin(file: "vmm/Session.swift", line: 7)

    private static func line(_ style: LogStyle, _ message: String = "text") -> String {
        String(
            decoding: style.line(
                message, .warn, thread: "fc_api", origin: origin,
                time: 1_700_559_566_123_456_789), as: UTF8.self)
    }

    @Test func `A line has Firecracker's form`() {
        var style = LogStyle(id: "vm")
        #expect(Self.line(style) == "2023-11-21T09:39:26.123456789 [vm:fc_api] text\n")
        style.showsLevel = true
        style.showsOrigin = true
        #expect(
            Self.line(style)
                == "2023-11-21T09:39:26.123456789 [vm:fc_api:WARN:vmm/Session.swift:7] text\n")
    }

    @Test func `A message cannot make a second line, nor a long one`() {
        let style = LogStyle(id: "vm")
        #expect(Self.line(style, "a\nb\u{1b}c\u{7f}").hasSuffix("] a?b?c?\n"))
        #expect(Self.line(style, String(repeating: "x", count: 9000)).utf8.count < 4096)
    }

    @Test func `A message keeps its characters, whole, but for all controls`() {
        let style = LogStyle(id: "vm")
        #expect(Self.line(style, "a\u{9b}2J\u{80}\u{9f}\u{85}").hasSuffix("] a?2J???\n"))
        #expect(Self.line(style, "\u{a0}é\u{7ff}€😀").hasSuffix("] \u{a0}é\u{7ff}€😀\n"))
        for text in ["é", "€", "😀"] {
            for shift in 0..<4 {
                let start = String(repeating: "x", count: shift)
                let message = start + String(repeating: text, count: 3072)
                let bytes = style.line(message, .warn, thread: "t", origin: Self.origin, time: 0)
                let line = String(validating: bytes, as: UTF8.self)
                #expect(line?.hasSuffix(text + "\n") == true)
                #expect(bytes.count > 3000 && bytes.count < 4096)
            }
        }
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000"), (951_782_399, "2000-02-28T23:59:59.000000000"),
            (951_782_400, "2000-02-29T00:00:00.000000000"),
            (951_868_800, "2000-03-01T00:00:00.000000000"),
            (1_704_067_199, "2023-12-31T23:59:59.000000000"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000"),
        ] as [(UInt64, String)])
    func `A moment is shown by the calendar`(_ seconds: UInt64, _ text: String) {
        #expect(LogStyle.timestamp(seconds * 1_000_000_000) == text)
    }

    @Test func `Levels and modules decide what is logged`() throws {
        var style = LogStyle(id: "vm")
        #expect(style.isWanted(.info, module: "a"))
        #expect(!style.isWanted(.debug, module: "a"))
        var config = LoggerConfig()
        config.level = .off
        style.apply(config)
        #expect(!style.isWanted(.error, module: "a"))
        config.level = .trace
        config.module = "vmm::API"
        style.apply(config)
        #expect(style.isWanted(.trace, module: "vmm::APIServer"))
        #expect(!style.isWanted(.trace, module: "vmm"))
        // A level that is not named is Info again, as theirs.
        style.apply(LoggerConfig())
        #expect(style.level == .info)
        #expect(style.module == "vmm::API")
    }

    @Test func `Ten lines pass at once, then one each half second`() {
        var limiter = LogLimiter()
        let start: UInt64 = 1_000_000_000_000
        let passed = (0..<100).filter { _ in limiter.pass(at: start).passes }
        #expect(passed.count == 10)
        let next = limiter.pass(at: start + 500_000_000)
        #expect(next.passes)
        #expect(next.held == 90)
        #expect(!limiter.pass(at: start + 500_000_000).passes)
        #expect(limiter.pass(at: start + 60_000_000_000).held == 1)
    }
}
