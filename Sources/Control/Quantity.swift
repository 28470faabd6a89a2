// SPDX-License-Identifier: Apache-2.0

/// Why a size or a time on the command line cannot be read; the text says what would be right.
package struct QuantityError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

/// An amount of memory in whole MiB, as people write it: `128M`, `6G`, or a plain number of MiB.
package struct MemorySize: Hashable, Sendable {
    package let mebibytes: UInt64

    /// Reads a whole number followed by `M`, `G`, `MiB`, `GiB`, or nothing, in either case.
    ///
    /// - Parameters:
    ///   - range: What is allowed, in MiB.
    ///   - owner: Who has so much, for the error's text.
    ///   - noun: Of what.
    package init(
        _ text: String, in range: ClosedRange<UInt64> = MachineConfig.linuxMemoryRange,
        of owner: String = "a machine", noun: String = "memory"
    ) throws(QuantityError) {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
        let unit = text.utf8.dropFirst(digits.count)
        let factor: UInt64
        switch String(decoding: unit, as: UTF8.self).lowercased() {
        case "", "m", "mib": factor = 1
        case "g", "gib": factor = 1024
        default: throw Self.malformed(text, noun)
        }
        guard !digits.isEmpty else { throw Self.malformed(text, noun) }
        // A number too big for 64 bits is out of range like any other.
        let number = UInt64(String(decoding: digits, as: UTF8.self)) ?? .max
        let (size, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow, range.contains(size) else {
            throw QuantityError(
                description: "\(owner) has from \(range.lowerBound)M to"
                    + " \(range.upperBound / 1024)G of \(noun), not \(JSONError.printable(text))")
        }
        mebibytes = size
    }

    private static func malformed(_ text: String, _ noun: String) -> QuantityError {
        QuantityError(
            description: "'\(JSONError.printable(text))' is no amount of \(noun); write 128M, 6G,"
                + " or a whole number of MiB")
    }
}

/// A length of time as people write it: `500ms`, `10s`, `1.5m`, `2h`, or a plain number of seconds.
package struct TimeSpan: Hashable, Sendable {
    /// Above 0, at most a year.
    package let nanoseconds: UInt64

    /// Reads a decimal number with at most nine digits after its point, and `ms`, `s`, `m`, `h` or
    /// nothing behind it.
    package init(_ text: String) throws(QuantityError) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit: UInt64
        switch text.dropFirst(number.count) {
        case "ms": unit = 1_000_000
        case "", "s": unit = 1_000_000_000
        case "m": unit = 60_000_000_000
        case "h": unit = 3600_000_000_000
        default: throw Self.malformed(text)
        }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.count < 12 }),
            let whole = UInt64(parts[0])
        else { throw Self.malformed(text) }
        var span = Int128(whole) * Int128(unit)
        if parts.count == 2 {
            guard parts[1].count <= 9, let fraction = UInt64(parts[1]) else {
                throw Self.malformed(text)
            }
            var scale: Int128 = 1
            for _ in parts[1] { scale *= 10 }
            span += Int128(fraction) * Int128(unit) / scale
        }
        guard span > 0, span <= 366 * 86400 * 1_000_000_000 else {
            throw QuantityError(
                description: "a time limit is more than zero and at most a year, not"
                    + " \(JSONError.printable(text))")
        }
        nanoseconds = UInt64(span)
    }

    private static func malformed(_ text: String) -> QuantityError {
        QuantityError(
            description: "'\(JSONError.printable(text))' is no length of time; write 500ms, 10s,"
                + " 1.5m, 2h, or a number of seconds")
    }
}
