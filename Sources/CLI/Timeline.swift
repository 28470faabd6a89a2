// SPDX-License-Identifier: Apache-2.0
import Control

/// What `-v` tells: when the run got how far, and what the guest did until then.
struct Timeline {
    /// Moments are nanoseconds on the host's monotonic clock.
    let start: UInt64
    var machineStarted: UInt64?
    var agentReady: UInt64?
    var commandEnded: UInt64?
    var machineEnded: UInt64?
    var report: MachineReport?

    init(start: UInt64) { self.start = start }

    var text: String {
        var lines = ["swiftlet: milliseconds since the start of the process"]
        let moments: [(UInt64?, String, UInt64?)] = [
            (start, "process start", nil),
            (machineStarted, "monitor started", nil),
            (report?.created, "VM created", nil),
            (report?.firstInstruction, "first guest instruction", nil),
            (report?.userEntry, "kernel entry to init", report?.userEntryInstructions),
            (report?.bootTimer, "boot timer written", report?.bootTimerInstructions),
            (agentReady, "agent ready", nil),
            (commandEnded, "command done", nil),
            (machineEnded, "machine ended", report?.instructions),
        ]
        for (moment, name, instructions) in moments {
            guard let moment else { continue }
            var line = Self.milliseconds(moment > start ? moment - start : 0) + "  " + name
            if let instructions { line += ", \(Self.grouped(instructions)) guest instructions" }
            lines.append(line)
        }
        if let engine = report?.engine { lines.append("  engine: \(engine)") }
        if let completed = report?.completed {
            lines.append("  completed by the software processor: \(completed)")
        }
        if let seclusion = report?.seclusion { lines.append("  \(seclusion)") }
        if let exits = report?.exits { lines.append("  \(Self.grouped(exits)) exits") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Milliseconds with one digit behind the point, ten characters wide.
    static func milliseconds(_ nanoseconds: UInt64) -> String {
        let tenths = nanoseconds / 100_000 + nanoseconds % 100_000 / 50_000
        let text = "\(tenths / 10).\(tenths % 10)"
        return String(repeating: " ", count: max(0, 10 - text.count)) + text
    }

    /// A number with a comma between thousands.
    static func grouped(_ number: UInt64) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
