// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The text that Prometheus reads: its exposition format, version 0.0.4.
package struct PrometheusText {
    package private(set) var text = ""

    package init() {}

    /// Appends a histogram whose buckets are not cumulative.
    ///
    /// - Parameters:
    ///   - label: Such as `method="PUT"`, to tell it from others of the same name.
    ///   - bounds: In nanoseconds; `counts` has one more.
    ///   - sum: In nanoseconds.
    package mutating func add(
        histogram name: String, label: String, bounds: [UInt64], counts: [UInt64], sum: UInt64
    ) {
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total &+= count
            let bound = index < bounds.count ? Self.seconds(bounds[index]) : "+Inf"
            text += "\(name)_bucket{\(label),le=\"\(bound)\"} \(total)\n"
        }
        text += "\(name)_sum{\(label)} \(Self.seconds(sum))\n"
        text += "\(name)_count{\(label)} \(total)\n"
    }

    package mutating func add(_ name: String, _ type: String, _ value: UInt64) {
        declare(name, type)
        text += "\(name) \(value)\n"
    }

    /// Appends a counter with a line for each value of one label; nothing if there is none.
    ///
    /// - Parameter counts: By values of the label, in which there is no quotation mark or backslash.
    package mutating func add(counter name: String, label: String, counts: [String: UInt64]) {
        guard !counts.isEmpty else { return }
        declare(name, "counter")
        for (value, count) in counts.sorted(by: { $0.key < $1.key }) {
            text += "\(name){\(label)=\"\(value)\"} \(count)\n"
        }
    }

    package mutating func declare(_ name: String, _ type: String) {
        text += "# TYPE \(name) \(type)\n"
    }

    /// Nanoseconds as seconds, exactly.
    private static func seconds(_ nanoseconds: UInt64) -> String {
        let fraction = String(nanoseconds % 1_000_000_000 + 1_000_000_000).dropFirst()
        var text = "\(nanoseconds / 1_000_000_000).\(fraction)"
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }
}

extension Metrics {
    /// All numbers since the start, and the histogram of API calls.
    package var prometheusText: PrometheusText {
        var text = PrometheusText()
        withGroups { groups in
            for group in groups {
                for entry in group.entries { entry.write(to: &text, group.name) }
            }
        }
        let name = "swiftlet_api_call_duration_seconds"
        text.declare(name, "histogram")
        for call in apiCalls {
            let reading = call.histogram.reading
            text.add(
                histogram: name, label: "method=\"\(call.method)\"", bounds: call.histogram.bounds,
                counts: reading.counts, sum: reading.sum)
        }
        return text
    }
}

extension Metrics.Entry {
    fileprivate func write(to text: inout PrometheusText, _ group: String) {
        let full = "swiftlet_\(group)_\(name)"
        switch kind {
        case .counter: text.add(full + "_total", "counter", counters[0].current)
        case .gauge: text.add(full, "gauge", counters[0].current)
        case .latency:
            text.add(full + "_sum_us_total", "counter", counters[0].current)
            text.add(full + "_min_us", "gauge", counters[1].current)
            text.add(full + "_max_us", "gauge", counters[2].current)
        }
    }
}
