// SPDX-License-Identifier: Apache-2.0

/// The names in a directory, as many at a time as the kernel hands over. getdents64(2).
struct DirectoryListing {
    /// Bytes asked for at a time: more than any record has.
    private static var capacity: Int { 4096 }
    private static var lengthOffset: Int { 16 }
    private static var nameOffset: Int { 19 }

    private var records: [UInt8] = []
    private var position = 0
    private var end = 0

    /// Asks for more; 0 at the end of the directory, or a negated errno.
    mutating func fill(from directory: Int32) -> Int32 {
        if records.isEmpty { records = [UInt8](repeating: 0, count: Self.capacity) }
        let count = TreeSystem.list(directory, into: &records)
        position = 0
        end = min(Int(max(count, 0)), records.count)
        return count
    }

    /// The next name that was handed over, `.` and `..` apart; nil: ask for more.
    mutating func next() -> [UInt8]? {
        while end &- position > Self.nameOffset {
            let low = Int(records[position &+ Self.lengthOffset])
            let length = low | Int(records[position &+ Self.lengthOffset &+ 1]) << 8
            guard length > Self.nameOffset, length <= end &- position else { break }
            let record = records[position..<position &+ length]
            position = position &+ length
            let name = Array(record.dropFirst(Self.nameOffset).prefix { $0 != 0 })
            if TreeEntry.isName(name) { return name }
        }
        position = end
        return nil
    }
}
