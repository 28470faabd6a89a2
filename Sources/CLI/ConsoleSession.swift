// SPDX-License-Identifier: Apache-2.0
import Client
import Control
import Linux

/// A kernel without an agent, with its serial console on our streams.
final class ConsoleSession {
    private let options: RunCommand
    private let deadline: UInt64?
    private var input: Input
    private let usesRawTerminal: Bool
    private var raw: RawTerminal?
    private var typed = OutputQueue(-1)
    private var status: CInt?

    init(_ options: RunCommand, since start: UInt64) {
        self.options = options
        deadline = options.timeout.map { start &+ $0.nanoseconds }
        usesRawTerminal = Terminal.isTerminal(Input.descriptor)
        input = Input(isOpen: true, isRaw: usesRawTerminal)
    }

    /// Runs it; the exit status.
    func run(
        _ configuration: MicroVM.Configuration, _ timeline: inout Timeline
    ) throws(ClientError) -> CInt {
        defer { raw = nil }
        Signal.pipe.ignore()
        let signals = try Patience.signals()
        let keyboard: Pipe
        do throws(Errno) {
            keyboard = try Pipe()
        } catch {
            throw ClientError(.system, "cannot make a pipe: \(error)")
        }
        let machine = try ConsoleMachine(
            configuration, input: keyboard.reader.rawValue, output: 1)
        timeline.machineStarted = Clock.monotonic
        takeTerminal()
        typed = OutputQueue(keyboard.writer.rawValue)
        while status == nil {
            step(machine, signals)
        }
        timeline.report = machine.stop(gracePeriod: options.verbose ? 1_000_000_000 : 0)
        timeline.machineEnded = Clock.monotonic
        return try ending(machine, timeline.report)
    }

    private func takeTerminal() {
        guard usesRawTerminal else { return }
        CurrentProcess.complain("swiftlet: Ctrl-] three times ends the machine\n")
        // A terminal that cannot be made raw is used as it is.
        raw = try? RawTerminal(Input.descriptor)
    }

    private func step(_ machine: ConsoleMachine, _ signals: borrowing SignalReader) {
        var set = PollSet()
        set.add(signals.descriptor.rawValue, .readable)
        machine.register(in: &set)
        typed.register(in: &set)
        if !typed.isFull { input.register(in: &set) }
        set.wait(until: deadline)
        while let signal = signals.next() {
            if signal != .windowChange { status = ExitStatus.killed(by: signal) }
        }
        if let ending = Patience().hasRunOut(deadline) { status = status ?? ending }
        switch input.read(set, limit: 4096) {
        case .bytes(let bytes): typed.append(bytes)
        case .escape: status = ExitStatus.killed(by: .kill)
        case .end, nil: break
        }
        typed.flush()
        if machine.serve(set) { status = status ?? Self.endedByItself }
    }

    /// Stands for the end that the report tells of.
    private static var endedByItself: CInt { -1 }

    private func ending(
        _ machine: ConsoleMachine, _ report: MachineReport?
    ) throws(ClientError) -> CInt {
        guard let status, status == Self.endedByItself else { return status ?? 0 }
        raw = nil
        switch report?.end {
        case .powerOff, .reset: return 0
        case .debugExit: return CInt((report?.value ?? 0) & 0xff)
        default: throw machine.failure
        }
    }
}
