// SPDX-License-Identifier: Apache-2.0

/// A keyword and its value, which hold in place of what a tar header says. pax(1), "pax Extended
/// Header".
struct PaxRecord: Equatable {
    var keyword: String
    /// Text as its writer had it, which need not be UTF-8; empty: the header holds again.
    var value: [UInt8]

    /// What the keywords of files with holes begin with.
    static var holes: String { "GNU.sparse." }
    /// Those that are answered to.
    static var keywords: Set<String> {
        ["path", "linkpath", "size", "uid", "gid", "mtime", holes]
    }

    init(_ keyword: String, _ value: [UInt8]) {
        self.keyword = keyword
        self.value = value
    }

    init(_ keyword: String, _ value: String) { self.init(keyword, Array(value.utf8)) }

    /// `LENGTH KEYWORD=VALUE` and a line's end, the length being that of all of it.
    func encode(into bytes: inout [UInt8]) {
        let rest = keyword.utf8.count + value.count + 3
        var length = rest + String(rest).utf8.count
        length = rest + String(length).utf8.count
        bytes += Array("\(length) \(keyword)=".utf8) + value + [UInt8(ascii: "\n")]
    }

    /// All records of `bytes`; nil if that is not what they are.
    static func all(_ bytes: ArraySlice<UInt8>) -> [PaxRecord]? {
        var records: [PaxRecord] = []
        var rest = bytes
        while !rest.isEmpty {
            guard let length = length(&rest), rest.count >= length else { return nil }
            let record = rest.prefix(length - 1)
            guard rest[record.endIndex] == UInt8(ascii: "\n"),
                let sign = record.firstIndex(of: UInt8(ascii: "=")), sign > record.startIndex
            else { return nil }
            records.append(
                PaxRecord(
                    String(decoding: record[..<sign], as: UTF8.self), Array(record[(sign + 1)...])))
            rest = rest.dropFirst(length)
        }
        return records
    }

    /// Takes the decimal length and the blank behind it; how many bytes of the record are left.
    private static func length(_ rest: inout ArraySlice<UInt8>) -> Int? {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard (1...8).contains(digits.count),
            let length = Int(String(decoding: digits, as: UTF8.self)),
            rest.dropFirst(digits.count).first == UInt8(ascii: " ")
        else { return nil }
        rest = rest.dropFirst(digits.count + 1)
        let left = length - digits.count - 1
        return left > 0 ? left : nil
    }
}

extension [PaxRecord] {
    /// Lets `record` hold in place of an earlier one. Those that nobody asks for are forgotten, so
    /// that there are only as many as keywords.
    mutating func set(_ record: PaxRecord) {
        var record = record
        if record.keyword.hasPrefix(PaxRecord.holes) { record.keyword = PaxRecord.holes }
        guard PaxRecord.keywords.contains(record.keyword) else { return }
        removeAll { $0.keyword == record.keyword }
        append(record)
    }
}

// MARK: - Values

extension PaxRecord {
    /// The value as a decimal number.
    var number: UInt64? {
        guard let first = value.first, first != UInt8(ascii: "+") else { return nil }
        return UInt64(String(decoding: value, as: UTF8.self))
    }

    /// The value as seconds since 1970 with a fraction, rounded down.
    var time: (seconds: Int64, nanoseconds: UInt32)? {
        let isNegative = value.first == UInt8(ascii: "-")
        let parts = value.dropFirst(isNegative ? 1 : 0).split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let isDecimal = parts.allSatisfy {
            $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
        guard isDecimal, let whole = parts.first,
            let seconds = Int64(String(decoding: whole, as: UTF8.self))
        else { return nil }
        var nanoseconds: UInt32 = 0
        var hasMore = false
        if parts.count > 1 {
            let digits = parts[1].prefix(9) + repeatElement(UInt8(ascii: "0"), count: 9)
            for digit in digits.prefix(9) { nanoseconds = nanoseconds * 10 + UInt32(digit & 15) }
            hasMore = parts[1].dropFirst(9).contains { $0 != UInt8(ascii: "0") }
        }
        guard isNegative else { return (seconds, nanoseconds) }
        // Down means away from zero here.
        if hasMore { nanoseconds += 1 }
        guard nanoseconds > 0 else { return (-seconds, 0) }
        guard nanoseconds < 1_000_000_000 else { return (-seconds - 1, 0) }
        return (-seconds - 1, 1_000_000_000 - nanoseconds)
    }

    /// A moment as a value.
    static func time(_ seconds: Int64, _ nanoseconds: UInt32) -> String {
        guard nanoseconds > 0 else { return "\(seconds)" }
        guard seconds >= 0 else {
            let fraction = padded(1_000_000_000 - nanoseconds)
            return "-\((seconds + 1).magnitude).\(fraction)"
        }
        return "\(seconds).\(padded(nanoseconds))"
    }

    private static func padded(_ nanoseconds: UInt32) -> String {
        let digits = String(nanoseconds)
        return String(repeating: "0", count: max(9 - digits.count, 0)) + digits
    }
}
