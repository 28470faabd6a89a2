// SPDX-License-Identifier: Apache-2.0

/// Numbers in Prometheus's text form, as `GET /metrics` gives them.
package struct PrometheusReading: Hashable, Sendable {
    private var values: [String: Double] = [:]

    /// Lines that are none are passed over.
    package init(_ text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: space)...])
            else { continue }
            values[String(line[..<space])] = value
        }
    }

    /// Largest number that is believed: one that can be added to and multiplied by ten. A guest may
    /// have taken over the monitor that says it.
    private static var limit: UInt64 { 1 << 60 }

    /// The sum of all that have this name, whatever their labels; nil: there is none.
    package func sum(_ name: String) -> UInt64? {
        let found = values.filter { $0.key == name || $0.key.hasPrefix(name + "{") }.values
        guard !found.isEmpty else { return nil }
        return UInt64(exactly: found.reduce(0, +).rounded()).map { min($0, Self.limit) }
    }
}
