// SPDX-License-Identifier: Apache-2.0

/// A line of metrics in which a few numbers are still to be set, by overwriting single digits.
package struct MetricsDraft: Sendable {
    /// The line with its newline.
    package let bytes: [UInt8]

    /// Where the thirteen digits of the time are.
    package let time: Int

    /// Milliseconds of as many digits as there will be until 2286.
    fileprivate static var someTime: UInt64 { 1_000_000_000_000 }

    fileprivate init(_ bytes: [UInt8]) {
        self.bytes = bytes
        time = Self.end(of: "{\"utc_timestamp_ms\":", in: bytes[...]) ?? 0
    }

    /// Where the digit of a number is that is still 0; nil: there is none.
    package func digit(_ group: String, _ name: String) -> Int? {
        // What people write into their lines comes before all groups, and a name stands once in one.
        guard let inside = Self.lastEnd(of: "\"\(group)\":{", in: bytes),
            let place = Self.end(of: "\"\(name)\":", in: bytes[inside...]),
            bytes[place] == UInt8(ascii: "0")
        else { return nil }
        return place
    }

    private static func lastEnd(of text: String, in bytes: [UInt8]) -> Int? {
        var rest = bytes[...]
        var last: Int?
        while let end = end(of: text, in: rest) {
            last = end
            rest = bytes[end...]
        }
        return last
    }

    /// The index behind the first `text` in `bytes`; nil also if nothing comes after it.
    private static func end(of text: String, in bytes: ArraySlice<UInt8>) -> Int? {
        let wanted = Array(text.utf8)
        var start = bytes.startIndex
        while start + wanted.count < bytes.endIndex {
            if bytes[start] == wanted[0], bytes[start..<start + wanted.count] == wanted[...] {
                return start + wanted.count
            }
            start += 1
        }
        return nil
    }
}

extension Metrics {
    /// What ``flush(time:id:properties:write:)`` would write, as a draft.
    package func draft(id: String?, properties: [JSON.Member]?) -> MetricsDraft {
        var bytes: [UInt8] = []
        // As nothing is written, nothing counts as told.
        _ = flush(time: MetricsDraft.someTime, id: id, properties: properties) { line in
            bytes = line
            return false
        }
        return MetricsDraft(bytes)
    }
}
