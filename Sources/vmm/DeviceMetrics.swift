// SPDX-License-Identifier: Apache-2.0
import Control
import Machine

extension Metrics {
    /// Takes over what devices have counted: each in a group of its own if there may be several of
    /// its kind, and all of a kind together.
    func store(_ readings: [DeviceReading]) {
        for (group, all) in Dictionary(grouping: readings, by: \.group) {
            if let schema = Self.schemas[group] {
                for reading in all {
                    guard let id = reading.id else { continue }
                    addDevice("\(group)_\(id)", like: schema)
                    store([reading], in: "\(group)_\(id)")
                }
            }
            store(all, in: group)
        }
        counter("interrupts", "triggers")?.store(readings.reduce(0) { $0 &+ $1.interrupts })
        counter("interrupts", "config_updates")?
            .store(readings.reduce(0) { $0 &+ $1.configurationChanges })
    }

    /// Kinds of which there may be several.
    private static var schemas: [String: MetricsSchema.Group] {
        ["block": MetricsSchema.block, "net": MetricsSchema.net, "pmem": MetricsSchema.pmem]
    }

    private func store(_ readings: [DeviceReading], in group: String) {
        var sums: [String: UInt64] = [:]
        var times: [String: [LatencyReading]] = [:]
        for reading in readings {
            for (name, value) in reading.counts { sums[name, default: 0] &+= value }
            for (name, latency) in reading.latencies { times[name, default: []].append(latency) }
        }
        for (name, value) in sums { counter(group, name)?.store(value) }
        for (name, all) in times {
            let counted = all.filter { $0.count > 0 }
            storeLatency(
                group, name, least: (counted.map(\.least).min() ?? 0) / 1000,
                most: (counted.map(\.most).max() ?? 0) / 1000,
                sum: counted.reduce(0) { $0 &+ $1.sum } / 1000)
        }
    }
}

extension PrometheusText {
    /// How long requests to devices took.
    mutating func add(_ readings: [DeviceReading]) {
        let name = "swiftlet_device_request_duration_seconds"
        declare(name, "histogram")
        for reading in readings {
            let device = reading.group + (reading.id.map { "_" + $0 } ?? "")
            for (kind, latency) in reading.latencies {
                let kind = kind.hasSuffix("_agg") ? String(kind.dropLast(4)) : kind
                add(
                    histogram: name, label: "device=\"\(device)\",kind=\"\(kind)\"",
                    bounds: latency.bounds, counts: latency.buckets, sum: latency.sum)
            }
        }
    }
}
