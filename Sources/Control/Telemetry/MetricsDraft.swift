// SPDX-License-Identifier: Apache-2.0

/// A line of metrics in which a few numbers are still to be set, by overwriting single digits.
package struct MetricsDraft: Sendable {
    /// The line with its newline.
    package let bytes: [UInt8]

    /// Where the thirteen digits of the time are.
    package let time: Int

    /// Milliseconds of as many digits as there will be until 2286.
    private static var someTime: [UInt8] { Array("1000000000000".utf8) }

    /// `line` again, which is lost.
    init(_ line: [UInt8]) {
        var bytes = line
        time = Self.end(of: "{\"utc_timestamp_ms\":", in: bytes[...]) ?? 0
        bytes.replaceSubrange(Self.digits(in: bytes, at: time), with: Self.someTime)
        self.bytes = bytes
    }

    /// The line after `line`, which is written: what is counted from line to line is 0.
    ///
    /// To write it anew would cost as much as the line did.
    init(after line: [UInt8], of groups: [Metrics.Group]) {
        let draft = MetricsDraft(line)
        time = draft.time
        var bytes = draft.bytes
        if let first = groups.first {
            var place = Self.lastEnd(of: "\"\(first.name)\":{", in: bytes)
            for entry in groups.lazy.flatMap(\.entries) {
                guard let start = place else { break }
                place = Self.end(of: "\"\(entry.name)\":", in: bytes[start...])
                if case .latency = entry.kind, let inside = place {
                    place = Self.end(of: "\"sum_us\":", in: bytes[inside...])
                }
                if entry.kind != .gauge, let place { Self.clear(&bytes, at: place) }
            }
        }
        self.bytes = bytes
    }

    private static func digits(in bytes: [UInt8], at place: Int) -> Range<Int> {
        let end = bytes[place...].firstIndex { !(0x30...0x39).contains($0) }
        return place..<(end ?? bytes.count)
    }

    /// Sets a number to 0 and keeps its length: a space is allowed behind a number.
    private static func clear(_ bytes: inout [UInt8], at place: Int) {
        for index in digits(in: bytes, at: place) { bytes[index] = UInt8(ascii: " ") }
        bytes[place] = UInt8(ascii: "0")
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
        // As nothing is written, nothing counts as told.
        flush(time: 0, id: id, properties: properties) { _ in false }
    }
}
