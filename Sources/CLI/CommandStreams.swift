// SPDX-License-Identifier: Apache-2.0
import Agent
import Client
import Linux

/// Our streams, signals and terminal, tied to a command in a guest from its start to its end.
final class CommandStreams {
    let request: ExecRequest
    private let hasTerminal: Bool
    private let usesRawTerminal: Bool
    private let deadline: UInt64?
    private var output = OutputQueue(1)
    private var errorOutput = OutputQueue(2)
    private var input: Input
    private var raw: RawTerminal?
    private var execution: Execution?
    private var patience = Patience()
    /// The status to end with, once it is known.
    private(set) var status: CInt?

    /// - Parameter deadline: ``Linux/Clock/monotonic`` at which all ends.
    init(
        _ words: [String], _ options: CommandOptions, deadline: UInt64?
    ) throws(ClientError) {
        self.deadline = deadline
        hasTerminal = options.terminal
        let typed = Terminal.isTerminal(Input.descriptor)
        // To whom it makes no difference gives -t alone, as to ssh.
        guard typed || !(options.interactive && options.terminal) else {
            throw ClientError(
                .badConfiguration,
                "the input device is not a TTY: give -i without -t, or -t without -i")
        }
        usesRawTerminal = hasTerminal && typed
        let forwards = !typed || options.interactive || hasTerminal
        input = Input(isOpen: forwards, isRaw: usesRawTerminal)
        request = try options.command(words).request(
            terminal: hasTerminal ? Self.terminalSize ?? .plain : nil, wantsInput: forwards)
    }

    var isStarted: Bool { execution != nil }

    /// Ties the command to the streams; `begin` asks for it.
    func start(_ begin: (ExecRequest) throws(ClientError) -> Execution) throws(ClientError) {
        if usesRawTerminal {
            do throws(Errno) {
                raw = try RawTerminal(Input.descriptor)
            } catch {
                throw ClientError(.system, "cannot take the terminal: \(error)")
            }
        }
        execution = try begin(request)
    }

    /// Waits until something happens, to the streams or to what `others` watches, and answers it.
    func step(
        _ signals: borrowing SignalReader, others: (inout PollSet) -> Void = { _ in }
    ) throws(ClientError) -> PollSet {
        var set = PollSet()
        set.add(signals.descriptor.rawValue, .readable)
        others(&set)
        execution?.register(in: &set, wantsOutput: !output.isFull && !errorOutput.isFull)
        output.register(in: &set)
        errorOutput.register(in: &set)
        let room = execution?.inputRoom ?? 0
        if room > 0 { input.register(in: &set) }
        set.wait(until: patience.end(before: deadline))

        while let signal = signals.next() { try take(signal) }
        if let ending = patience.hasRunOut(deadline) { end(ending) }
        try moveInput(set, room: room)
        execution?.serve(set)
        try takeEvents()
        writeOutput()
        return set
    }

    /// Ends with `status`, unless another is known already.
    func end(_ status: CInt) { self.status = self.status ?? status }

    /// The guest is gone: what it had sent still counts.
    func takeLastWords() { execution?.takeLastWords(takeEvents) }

    /// Gives the terminal its former mode back, and what waits to whoever reads it, if that need not
    /// wait.
    func release() {
        raw = nil
        output.flush()
        errorOutput.flush()
    }

    /// As ``release()``, however long it takes.
    func finish() {
        output.drain()
        errorOutput.drain()
        raw = nil
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
                end(ending.status)
            }
        }
    }

    private func writeOutput() {
        output.flush()
        errorOutput.flush()
        // As a command of the host's would end when nobody reads it any more.
        if output.isBroken { end(ExitStatus.killed(by: .pipe)) }
    }

    private func take(_ signal: Signal) throws(ClientError) {
        if signal == .windowChange {
            if hasTerminal, let size = Self.terminalSize { try execution?.resize(size) }
            return
        }
        guard let execution, patience.allows(signal) else {
            return end(ExitStatus.killed(by: signal))
        }
        try execution.send(signal: UInt8(signal.rawValue))
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
}

extension TerminalSize {
    /// What a terminal without a size is taken for.
    static var plain: Self { Self(rows: 24, columns: 80) }
}
