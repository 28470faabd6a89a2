// SPDX-License-Identifier: Apache-2.0
import Agent
import Client
import Control
import Linux

/// One command in one machine, from start to end, with our streams, signals and terminal.
final class CommandSession {
    private let options: RunCommand
    private let request: ExecRequest
    private let deadline: UInt64?
    private var output = OutputQueue(1)
    private var errorOutput = OutputQueue(2)
    private var input: Input
    private let usesRawTerminal: Bool
    private var raw: RawTerminal?
    private var execution: Execution?
    private var patience = Patience()
    /// The status to end with, once it is known.
    private var status: CInt?

    init(_ options: RunCommand, since start: UInt64) throws(ClientError) {
        self.options = options
        deadline = options.timeout.map { start &+ $0.nanoseconds }
        let typed = Terminal.isTerminal(Input.descriptor)
        usesRawTerminal = options.terminal && typed
        let forwards = !typed || options.interactive || options.terminal
        input = Input(isOpen: forwards, isRaw: usesRawTerminal)
        request = try options.requested.request(
            terminal: options.terminal ? Self.terminalSize ?? Self.plainSize : nil,
            wantsInput: forwards)
    }

    /// Runs it; the exit status.
    func run(
        _ configuration: MicroVM.Configuration, _ timeline: inout Timeline
    ) throws(ClientError) -> CInt {
        defer { raw = nil }
        Signal.pipe.ignore()
        let signals = try Patience.signals()
        let machine = try MicroVM(configuration)
        timeline.machineStarted = Clock.monotonic
        do throws(ClientError) {
            while status == nil {
                try step(machine, signals, &timeline)
            }
        } catch {
            // An agent goes away with its machine, most of the time, and that knows why.
            let isGone = error.kind == .agent || error.kind == .machineEnded
            let cause = isGone ? machine.failure(within: 2) : nil
            finish(machine, &timeline)
            throw cause ?? error
        }
        timeline.commandEnded = Clock.monotonic
        // Another signal, and the machine ends without more ado.
        if configuration.keepsData {
            raw = nil
            output.flush()
            errorOutput.flush()
            _ = machine.shutDown(
                seconds: Self.shutDownLimit, unless: signals.descriptor.rawValue
            ) {
                while let signal = signals.next() { if signal != .windowChange { return true } }
                return false
            }
        }
        finish(machine, &timeline)
        return status ?? ExitStatus.ownFailure
    }

    /// Waits for something to happen, and answers it.
    private func step(
        _ machine: MicroVM, _ signals: borrowing SignalReader, _ timeline: inout Timeline
    ) throws(ClientError) {
        var set = PollSet()
        set.add(signals.descriptor.rawValue, .readable)
        machine.register(in: &set)
        execution?.register(in: &set, wantsOutput: !output.isFull && !errorOutput.isFull)
        output.register(in: &set)
        errorOutput.register(in: &set)
        let room = execution?.inputRoom ?? 0
        if room > 0 { input.register(in: &set) }
        set.wait(milliseconds: patience.milliseconds(until: deadline))

        while let signal = signals.next() { try take(signal) }
        if let ending = patience.hasRunOut(deadline) { status = status ?? ending }
        try moveInput(set, room: room)
        execution?.serve(set)
        try takeEvents()
        writeOutput()
        let hasEnded = try machine.serve(set)
        if hasEnded, status == nil { try takeLastWords(of: machine) }
        if execution == nil, status == nil, machine.isReady {
            timeline.agentReady = Clock.monotonic
            try startCommand(on: machine)
        }
    }

    private func startCommand(on machine: MicroVM) throws(ClientError) {
        if usesRawTerminal {
            do throws(Errno) {
                raw = try RawTerminal(Input.descriptor)
            } catch {
                throw ClientError(.system, "cannot take the terminal: \(error)")
            }
        }
        execution = try machine.start(request)
    }

    private func moveInput(_ set: PollSet, room: Int) throws(ClientError) {
        guard room > 0, let execution else { return }
        switch input.read(set, limit: room) {
        case .bytes(let bytes): try execution.send(input: bytes[...])
        case .end: try execution.endInput()
        case .escape: status = ExitStatus.killed(by: .kill)
        case nil: return
        }
    }

    private func takeEvents() throws(ClientError) {
        guard let execution else { return }
        while let event = try execution.next() {
            switch event {
            case .output(let bytes): output.append(bytes)
            case .errorOutput(let bytes): errorOutput.append(bytes)
            case .started: continue
            case .ended(let ending):
                if case .notStarted(let message, _) = ending {
                    raw = nil
                    errorOutput.append(Array("swiftlet: \(message)\n".utf8))
                }
                status = status ?? ending.status
            }
        }
    }

    private func writeOutput() {
        output.flush()
        errorOutput.flush()
        // As a command of the host's would end when nobody reads it any more.
        if output.isBroken { status = status ?? ExitStatus.killed(by: .pipe) }
    }

    /// The machine is gone: what it had sent still counts.
    private func takeLastWords(of machine: MicroVM) throws(ClientError) {
        while let execution, status == nil {
            var set = PollSet()
            execution.register(in: &set, wantsOutput: true)
            set.wait(milliseconds: 0)
            execution.serve(set)
            do throws(ClientError) {
                try takeEvents()
            } catch {
                break
            }
        }
        guard status == nil else { return }
        guard let value = machine.debugExitValue else { throw machine.failure }
        status = CInt(value & 0xff)
    }

    private func take(_ signal: Signal) throws(ClientError) {
        if signal == .windowChange {
            if options.terminal, let size = Self.terminalSize { try execution?.resize(size) }
            return
        }
        guard let execution, patience.allows(signal) else {
            status = status ?? ExitStatus.killed(by: signal)
            return
        }
        try execution.send(signal: UInt8(signal.rawValue))
    }

    private func finish(_ machine: MicroVM, _ timeline: inout Timeline) {
        let grace: UInt64 = options.verbose ? 1_000_000_000 : 0
        timeline.report = machine.stop(gracePeriod: grace)
        timeline.machineEnded = Clock.monotonic
        output.drain()
        errorOutput.drain()
    }

    /// The size of our terminal, if there is one.
    private static var terminalSize: TerminalSize? {
        for descriptor: CInt in 0...2 {
            if let size = Terminal.size(of: descriptor) {
                return TerminalSize(rows: size.rows, columns: size.columns)
            }
        }
        return nil
    }

    /// Seconds that the guest has to bring its disks to rest.
    private static var shutDownLimit: Double { 30 }

    /// What a terminal without a size is taken for.
    private static var plainSize: TerminalSize { TerminalSize(rows: 24, columns: 80) }
}
