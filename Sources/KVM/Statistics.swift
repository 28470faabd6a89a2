// SPDX-License-Identifier: Apache-2.0
import Linux

/// The kernel's counts for a vCPU. KVM API, KVM_GET_STATS_FD.
enum Statistics {
    /// More than any kernel has.
    private static var limit: Int { 64 << 10 }

    /// The first value of the statistic called `name`; nil if there is none.
    static func value(_ name: String, of file: consuming FileDescriptor) -> UInt64? {
        var bytes = [UInt8](repeating: 0, count: limit)
        guard let count = try? file.read(into: &bytes) else { return nil }
        return value(name, in: bytes[..<count])
    }

    /// A header of six words: flags, length of names, number of descriptions, and where
    /// identification, descriptions and values begin. A description is four words (the third: where
    /// its value is among the values) and the name.
    static func value(_ name: String, in bytes: ArraySlice<UInt8>) -> UInt64? {
        func word(_ place: Int) -> Int? {
            guard place >= 0, place <= bytes.count - 4 else { return nil }
            return (0..<4).reduce(0) { $0 | Int(bytes[bytes.startIndex + place + $1]) << ($1 * 8) }
        }
        guard let nameSize = word(4), let count = word(8), let first = word(16),
            let values = word(20), nameSize < bytes.count, count < bytes.count
        else { return nil }
        let wanted = Array(name.utf8) + [0]
        for number in 0..<count {
            let place = first + number * (16 + nameSize)
            guard let offset = word(place + 8), place + 16 + nameSize <= bytes.count else {
                return nil
            }
            let start = bytes.startIndex + place + 16
            guard bytes[start..<(start + nameSize)].starts(with: wanted) else { continue }
            guard let low = word(values + offset), let high = word(values + offset + 4) else {
                return nil
            }
            return UInt64(low) | UInt64(high) << 32
        }
        return nil
    }
}
