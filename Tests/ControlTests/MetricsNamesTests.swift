// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Control

/// Firecracker's metrics: each of them is counted, or is known to stay 0.
@Suite struct MetricsNamesTests {
    /// What stays 0, by group; docs/api.md says why.
    static let unused: [String: Set<String>] = [
        "rtc": ["error_count", "missed_read_count", "missed_write_count"],
        "signals": ["sigpipe"],
        "latencies_us": [
            "full_create_snapshot", "diff_create_snapshot", "load_snapshot",
            "vmm_full_create_snapshot", "vmm_diff_create_snapshot", "vmm_load_snapshot",
        ],
        "block": ["remaining_reqs_count"], "net": ["tx_remaining_reqs_count"],
        "vsock": ["killq_resync"], "uart": ["flush_count"], "logger": ["metrics_fails"],
    ]

    /// Names that are put together where they are stored, or are a signal's own.
    static let composed: [String: Set<String>] = [
        "latencies_us": ["pause_vm", "resume_vm"],
        "vcpu": [
            "exit_io_in", "exit_io_out", "exit_mmio_read", "exit_mmio_write", "exit_io_in_agg",
            "exit_io_out_agg", "exit_mmio_read_agg", "exit_mmio_write_agg",
        ],
    ]

    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The strings that `text` has.
    static func literals(_ text: Substring) -> [String] {
        text.matches(of: #/"([a-z0-9_]+)"/#).map { String($0.1) }
    }

    /// Names by group, as the devices give their counts.
    static func ofDevices() throws -> [String: Set<String>] {
        let text = try text("Sources/Machine/DeviceReadings.swift")
        var names: [String: Set<String>] = [:]
        for part in text.split(separator: "DeviceReading(\n").dropFirst() {
            let literals = literals(part)
            guard let group = literals.first else { continue }
            names[group, default: []].formUnion(literals.dropFirst())
        }
        for group in ["block", "net", "pmem", "vsock", "entropy", "balloon", "memory_hotplug"] {
            #expect(names[group] != nil, "\(group)")
            names[group]?.insert("activate_fails")
        }
        return names
    }

    /// Names by group of what requests are counted by.
    static var ofRequests: [String: Set<String>] {
        var names: [String: Set<String>] = [:]
        for metric in APIOperation.allCases.compactMap(\.metric) {
            names[metric.group, default: []]
                .formUnion(["_count", "_fails"].map { metric.name + $0 })
        }
        return names
    }

    /// All strings of the monitor's own.
    static func ofMonitor() throws -> Set<String> {
        let folder = root.appending(path: "Sources/vmm")
        var names: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            names.formUnion(literals(try text("Sources/vmm/" + file)[...]))
        }
        return names.union(literals(try text("Sources/Machine/MachineStatus.swift")[...]))
    }

    @Test func `Each metric is counted or stays 0, and never both`() throws {
        let devices = try Self.ofDevices()
        let monitor = try Self.ofMonitor()
        for group in MetricsSchema.groups {
            var counted = devices[group.name] ?? Self.ofRequests[group.name] ?? monitor
            counted.formUnion(Self.composed[group.name] ?? [])
            for metric in group.metrics {
                let isUnused = Self.unused[group.name]?.contains(metric.name) ?? false
                #expect(
                    counted.contains(metric.name) != isUnused, "\(group.name).\(metric.name)")
            }
        }
    }

    @Test func `Each count of a device has its place in a line`() throws {
        for (group, names) in try Self.ofDevices() {
            let schema = MetricsSchema.groups.first { $0.name == group }
            #expect(names.subtracting(schema?.metrics.map(\.name) ?? []) == [], "\(group)")
        }
    }

    @Test func `What stays 0 is documented`() throws {
        let page = try Self.text("docs/api.md")
        for (group, names) in Self.unused where group != "rtc" && group != "latencies_us" {
            for name in names { #expect(page.contains("`\(group).\(name)`"), "\(group).\(name)") }
        }
    }
}
