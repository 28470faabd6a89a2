// SPDX-License-Identifier: Apache-2.0
import Client
import Control
import Linux

/// How amounts are told to people.
enum Wording {
    /// A length of time, in the one unit that fits: `5 minutes`.
    static func span(_ nanoseconds: UInt64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        switch seconds {
        case 0: return "less than a second"
        case 1..<120: return count(seconds, "second")
        case ..<7200: return count(seconds / 60, "minute")
        case ..<172_800: return count(seconds / 3600, "hour")
        case ..<1_209_600: return count(seconds / 86_400, "day")
        case ..<5_184_000: return count(seconds / 604_800, "week")
        case ..<63_072_000: return count(seconds / 2_592_000, "month")
        default: return count(seconds / 31_536_000, "year")
        }
    }

    /// How long ago a moment was, in nanoseconds since 1970.
    static func since(_ moment: UInt64) -> String {
        let now = Clock.realtime
        return span(now > moment ? now - moment : 0)
    }

    private static func count(_ number: UInt64, _ unit: String) -> String {
        "\(number) \(unit)\(number == 1 ? "" : "s")"
    }

    /// Bytes with three digits that count: `12.3 MiB`.
    static func bytes(_ count: UInt64) -> String {
        var unit = 0
        var tenths = count * 10
        while tenths >= 10_240, unit < units.count - 1 {
            tenths = (tenths + 512) / 1024
            unit += 1
        }
        let isWhole = unit == 0 || tenths >= 1000
        let number = isWhole ? "\((tenths + 5) / 10)" : "\(tenths / 10).\(tenths % 10)"
        return "\(number) \(units[unit])"
    }

    private static var units: [String] { ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] }

    /// Thousandths as per cent with one digit: `12.5%`.
    static func percent(_ thousandths: UInt64) -> String {
        "\(thousandths / 10).\(thousandths % 10)%"
    }

    /// A command on one line of at most `limit` characters; a dash for none.
    static func command(_ words: [String], limit: Int) -> String {
        guard !words.isEmpty else { return "-" }
        let text = JSONError.printable(words.joined(separator: " "), limit: 4096)
        return text.count <= limit ? text : String(text.prefix(limit - 1)) + "…"
    }
}

extension DetachedMachine.Status {
    /// The one word for it in JSON.
    var name: String {
        switch self {
        case .starting: "starting"
        case .running: "running"
        case .paused: "paused"
        case .ended: "ended"
        }
    }

    /// For a table: `running 5 minutes`, `ended (0) 3 hours ago`.
    func text(_ state: MachineState?) -> String {
        switch self {
        case .starting: return name
        case .running, .paused:
            let span = state?.started.map { " " + Wording.since($0) } ?? ""
            return "running" + span + (self == .paused ? " (paused)" : "")
        case .ended(let status):
            guard let ended = state?.ended else { return "\(name) (\(status))" }
            return "\(name) (\(status)) \(Wording.since(ended)) ago"
        }
    }
}

extension DetachedMachine {
    /// All that is known of it.
    func json(_ state: MachineState?, _ status: Status) -> JSON {
        let members: [(String, JSON?)] = (state?.members ?? []).filter { $0.0 != "phase" }
        return .object(
            record.members + [("state", .string(status.name))] + members
                + [("directory", .string(directory))])
    }
}
