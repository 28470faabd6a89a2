// SPDX-License-Identifier: Apache-2.0

/// Which lines are logged and how they look. The form is Firecracker's:
/// `2026-01-31T23:59:59.123456789 [id:thread:LEVEL:file:line] message`.
package struct LogStyle: Hashable, Sendable {
    package var id: String
    package var level = LogLevel.info
    package var showsLevel = false
    package var showsOrigin = false
    /// Only modules whose name begins so; nil: all.
    package var module: String?

    /// Longest message in bytes, so that a line goes into a pipe as a whole.
    package static var messageLimit: Int { 3072 }

    package init(id: String) { self.id = id }

    /// Takes over what `config` names. A level that it does not name is Info again.
    package mutating func apply(_ config: LoggerConfig) {
        level = config.level ?? .info
        showsLevel = config.showsLevel ?? showsLevel
        showsOrigin = config.showsOrigin ?? showsOrigin
        module = config.module ?? module
    }

    /// Where a line comes from.
    package struct Origin: Hashable, Sendable {
        /// As the compiler names it: `Module/File.swift`.
        package var file: String
        package var line: Int

        package init(file: String, line: Int) {
            self.file = file
            self.line = line
        }
    }

    /// Whether a line is wanted.
    package func isWanted(_ level: LogLevel, module: String) -> Bool {
        guard level <= self.level, level != .off else { return false }
        return self.module.map { module.hasPrefix($0) } ?? true
    }

    /// The bytes of one line.
    ///
    /// - Parameter time: Nanoseconds since 1970, of the wall clock to be shown.
    package func line(
        _ message: String, _ level: LogLevel, thread: String, origin: Origin, time: UInt64
    ) -> [UInt8] {
        var place = "\(id):\(thread)"
        if showsLevel { place += ":\(level.name)" }
        if showsOrigin { place += ":\(origin.file):\(origin.line)" }
        var line = Array("\(Self.timestamp(time)) [\(place)] ".utf8)
        Self.append(message, to: &line)
        line.append(0x0a)
        return line
    }

    /// Nobody gets to write a second line, or to talk to a terminal: controls of ASCII and of Latin 1
    /// (U+0080 to U+009F, which follow 0xc2) become question marks.
    private static func append(_ message: String, to line: inout [UInt8]) {
        let bytes = Array(message.utf8)
        var end = min(bytes.count, messageLimit)
        // Not in the midst of a character.
        if end < bytes.count { while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 } }
        var index = 0
        while index < end {
            let byte = bytes[index]
            index += 1
            if byte == 0xc2, index < end, bytes[index] < 0xa0 {
                index += 1
                line.append(UInt8(ascii: "?"))
            } else {
                line.append(byte < 0x20 || byte == 0x7f ? UInt8(ascii: "?") : byte)
            }
        }
    }

    /// A moment of the proleptic Gregorian calendar, with nanoseconds.
    package static func timestamp(_ time: UInt64) -> String {
        let seconds = time / 1_000_000_000
        let days = Int(seconds / 86400)
        // Counted from 1 March of the year 0, a leap day is the last of its year.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
        let clock = seconds % 86400
        return "\(padded(year, 4))-\(padded(month < 10 ? month + 3 : month - 9, 2))-"
            + "\(padded(day, 2))T\(padded(Int(clock / 3600), 2)):"
            + "\(padded(Int(clock / 60 % 60), 2)):\(padded(Int(clock % 60), 2))."
            + padded(Int(time % 1_000_000_000), 9)
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

/// Lets ten lines through at once and one each half second after that, for each place in the code.
package struct LogLimiter: Sendable {
    /// Nanoseconds between two lines in the long run, and what may be ahead of that.
    static var interval: UInt64 { 500_000_000 }
    static var burst: UInt64 { 5_000_000_000 }

    /// When the next line would come at the even rate.
    private var due: UInt64 = 0
    /// Lines held back since the last one that was let through.
    private var held: UInt64 = 0

    package init() {}

    /// Whether a line may pass at `now` (nanoseconds), and how many were held back before it.
    package mutating func pass(at now: UInt64) -> (passes: Bool, held: UInt64) {
        let next = max(due, now) &+ Self.interval
        guard next &- now <= Self.burst else {
            held &+= 1
            return (false, held)
        }
        due = next
        defer { held = 0 }
        return (true, held)
    }
}
