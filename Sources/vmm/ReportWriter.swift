// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine
import Synchronization

/// Says once how the machine ended, be it the guest or a signal that ended it.
final class ReportWriter: Sendable {
    private let machine: Machine
    private let descriptor: CInt?
    private let seclusion: Seclusion?
    private let isWritten = Mutex(false)

    init(_ machine: Machine, _ seclusion: Seclusion?, descriptor: CInt?) {
        self.machine = machine
        self.seclusion = seclusion
        self.descriptor = descriptor
    }

    /// Says that somebody stopped the monitor.
    func writeStopped() { write(MachineReport(end: .stopped)) }

    func write(_ end: MachineEnd) {
        var report: MachineReport
        switch end {
        case .powerOff: report = MachineReport(end: .powerOff)
        case .reset: report = MachineReport(end: .reset)
        case .debugExit(let value):
            report = MachineReport(end: .debugExit)
            report.value = value
        case .shutdown(let text):
            report = MachineReport(end: .shutdown)
            report.message = text
        case .memoryLost(let text), .failed(let text):
            report = MachineReport(end: .failed)
            report.message = text
        }
        write(report)
    }

    /// The most frequent first; nil if there is none.
    private static func list(_ counts: [String: UInt64]) -> String? {
        guard !counts.isEmpty else { return nil }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(64)
            .map { "\($0.key): \($0.value)" }.joined(separator: ", ")
    }

    private func write(_ end: MachineReport) {
        guard let descriptor else { return }
        let timeline = machine.timeline
        var report = end
        report.created = timeline.created
        report.firstInstruction = timeline.firstInstruction
        report.userEntry = timeline.userEntry
        report.userEntryInstructions = timeline.userEntryInstructions
        report.bootTimer = timeline.bootTimer
        report.bootTimerProcessorTime = timeline.bootTimerProcessorTime
        report.bootTimerInstructions = timeline.bootTimerInstructions
        report.instructions = timeline.instructions
        report.exits = timeline.exits
        report.engine = machine.engine.description
        report.completed = Self.list(timeline.completed)
        report.seclusion = seclusion?.description
        let line = report.json.bytes + [UInt8(ascii: "\n")]
        isWritten.withLock { isWritten in
            guard !isWritten else { return }
            isWritten = true
            CurrentProcess.writeAll(line, to: descriptor)
        }
    }
}
