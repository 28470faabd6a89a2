// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One number that any thread may change without waiting.
package final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)

    /// Adds `amount`.
    package func add(_ amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }
    /// Replaces the number; for a total that is counted elsewhere, and for gauges.
    package func store(_ new: UInt64) { value.store(new, ordering: .relaxed) }
    package var current: UInt64 { value.load(ordering: .relaxed) }
}

/// How often something took how long. Any thread may record without waiting.
package final class Histogram: Sendable {
    /// Upper bounds in nanoseconds, ascending; what is longer goes into one more bucket.
    package let bounds: [UInt64]
    private let counts: [Counter]
    private let sum = Counter()

    package init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = (0...bounds.count).map { _ in Counter() }
    }

    /// From 50 µs to 1 s.
    package static var apiBounds: [UInt64] {
        [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 700_000, 1_000_000]
            .map { $0 * 1000 }
    }

    /// Counts one that took `nanoseconds`.
    package func record(_ nanoseconds: UInt64) {
        counts[bounds.firstIndex { nanoseconds <= $0 } ?? bounds.count].add()
        sum.add(nanoseconds)
    }

    /// How many fell into each bucket, and the sum of all in nanoseconds.
    package var reading: (counts: [UInt64], sum: UInt64) {
        (counts.map(\.current), sum.current)
    }
}

/// All numbers of a monitor, by group and name. Looking one up takes a lock; counting does not.
package final class Metrics: Sendable {
    struct Entry {
        let name: String
        let kind: MetricsSchema.Kind
        /// The number; for a latency its sum, then least and most.
        let counters: [Counter]
        /// What the line before last said of each.
        var flushed: [UInt64]
    }

    struct Group {
        let name: String
        var entries: [Entry]
    }

    /// Both are made when somebody asks first: nobody asks most monitors.
    private let groups = Mutex<[Group]>([])
    private let calls = Mutex<[(method: String, histogram: Histogram)]>([])

    package init() {}

    /// Calls `body` with all groups.
    func withGroups<Result: Sendable>(_ body: (inout [Group]) -> Result) -> Result {
        groups.withLock { groups in
            if groups.isEmpty { groups = MetricsSchema.groups.map(Self.group) }
            return body(&groups)
        }
    }

    /// Times of API calls, by method.
    package var apiCalls: [(method: String, histogram: Histogram)] {
        calls.withLock { calls in
            if calls.isEmpty {
                calls = ["GET", "PUT", "PATCH", "DELETE", "other"].map {
                    ($0, Histogram(bounds: Histogram.apiBounds))
                }
            }
            return calls
        }
    }

    private static func group(_ schema: MetricsSchema.Group) -> Group {
        Group(
            name: schema.name,
            entries: schema.metrics.map { metric in
                let count = metric.kind == .latency ? 3 : 1
                return Entry(
                    name: metric.name, kind: metric.kind,
                    counters: (0..<count).map { _ in Counter() },
                    flushed: Array(repeating: 0, count: count))
            })
    }

    /// Adds a group for one device, such as `block_rootfs`, unless it is there.
    package func addDevice(_ name: String, like schema: MetricsSchema.Group) {
        let new = Self.group(schema)
        withGroups { groups in
            guard !groups.contains(where: { $0.name == name }) else { return }
            groups.append(Group(name: name, entries: new.entries))
        }
    }

    /// The number called `name`, or nil if there is none. For a latency: its sum in microseconds.
    package func counter(_ group: String, _ name: String) -> Counter? {
        counters(group, name)?[0]
    }

    /// Replaces least, most and sum of a latency; all in microseconds.
    package func storeLatency(
        _ group: String, _ name: String, least: UInt64, most: UInt64, sum: UInt64
    ) {
        guard let counters = counters(group, name), counters.count == 3 else { return }
        counters[0].store(sum)
        counters[1].store(least)
        counters[2].store(most)
    }

    private func counters(_ group: String, _ name: String) -> [Counter]? {
        withGroups { groups in
            groups.first { $0.name == group }?.entries.first { $0.name == name }?.counters
        }
    }

    /// Counts one API call.
    package func recordCall(_ method: HTTPMethod, _ nanoseconds: UInt64) {
        let all = apiCalls
        let call = all.first { $0.method == method.name } ?? all[all.count - 1]
        call.histogram.record(nanoseconds)
    }

    // MARK: The line

    /// One line of JSON with what was counted since the last one that was written.
    ///
    /// - Parameters:
    ///   - time: Milliseconds since 1970.
    ///   - id: The machine's name, if it is to be there.
    ///   - write: Puts the line away; false if it is lost, and then its counts come again.
    /// - Returns: The line that comes next, as a draft.
    @discardableResult
    package func flush(
        time: UInt64, id: String?, properties: [JSON.Member]?, write: ([UInt8]) -> Bool
    ) -> MetricsDraft {
        withGroups { groups in
            var members: [(String, JSON?)] = [
                ("utc_timestamp_ms", .integer(time)), ("id", id.map(JSON.string)),
                ("properties", properties.map { JSON(.object($0)) }),
            ]
            var readings: [[[UInt64]]] = []
            for group in groups {
                let reading = group.entries.map { $0.counters.map(\.current) }
                members.append(
                    (
                        group.name,
                        .object(zip(group.entries, reading).map { ($0.name, $0.json($1)) })
                    ))
                readings.append(reading)
            }
            let line = JSON.object(members).bytes + [0x0a]
            guard write(line) else { return MetricsDraft(line) }
            for (index, reading) in readings.enumerated() {
                for (entry, values) in reading.enumerated() {
                    groups[index].entries[entry].flushed = values
                }
            }
            return MetricsDraft(after: line, of: groups)
        }
    }
}

extension Metrics.Entry {
    /// This metric's value in a line.
    fileprivate func json(_ values: [UInt64]) -> JSON {
        switch kind {
        case .gauge: .integer(values[0])
        case .counter: .integer(values[0] &- flushed[0])
        case .latency:
            .object([
                ("min_us", .integer(values[1])), ("max_us", .integer(values[2])),
                ("sum_us", .integer(values[0] &- flushed[0])),
            ])
        }
    }
}
