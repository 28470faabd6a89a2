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

    /// The sum of all that have this name, whatever their labels; nil: there is none.
    package func sum(_ name: String) -> UInt64? {
        let found = values.filter { $0.key == name || $0.key.hasPrefix(name + "{") }.values
        return found.isEmpty ? nil : UInt64(exactly: found.reduce(0, +).rounded())
    }
}
