// SPDX-License-Identifier: Apache-2.0
import Agent
import Client
import Control
import Linux

/// A detached machine's life: starts it, keeps what its command writes, passes signals on, and says
/// in the machine's directory what has become of it. Without a command the machine waits for those
/// that others run in it, until it is told to end.
///
/// A signal to this process is a signal to the command. ``DetachedMachine/endSignal`` ends the
/// machine, as its disks are brought to rest; SIGKILL ends all of it at once, as the monitor dies
/// with us.
final class Supervisor {
    private let seat: MachineSeat
    private let answer: SupervisorAnswer
    /// Nil: the machine is there for the commands that others run in it.
    private let request: ExecRequest?
    private let setup: MicroVM.Configuration
    private let deadline: UInt64?
    private let signals: SignalReader
    private var log: MachineLogWriter
    private var state: MachineState
    private var execution: Execution?
    private var status: CInt?

    init(
        _ seat: consuming MachineSeat, _ answer: SupervisorAnswer, _ options: RunCommand
    ) throws(ClientError) {
        guard let here = ProcessIdentity(running: CurrentProcess.identifier) else {
            throw ClientError(.system, "a supervisor needs /proc")
        }
        let state = MachineState(supervisor: here)
        try seat.write(state)
        // Nobody types, but a program that reads a terminal or a pipe finds it open.
        let wishes = options.commandOptions
        request =
            options.command.isEmpty
            ? nil
            : try wishes.command(options.command).request(
                terminal: wishes.terminal ? .plain : nil,
                wantsInput: wishes.interactive || wishes.terminal)
        setup = try options.machine()
        deadline = options.timeout.map { Clock.monotonic &+ $0.nanoseconds }
        self.answer = answer
        self.state = state
        do throws(Errno) {
            let log = try MachineLogWriter(in: seat.machine.directory)
            let signals = try SignalReader(
                DetachedMachine.passedSignals + [DetachedMachine.endSignal])
            self.log = log
            self.signals = signals
        } catch {
            throw seat.machine.error(.system, "cannot be supervised: \(error)")
        }
        self.seat = seat
    }

    /// Runs the machine to its end. If its command was never started, somebody who waits for that
    /// hears why, and the directory is for the next look to remove.
    func run() throws(ClientError) {
        let api = MicroVM.socketName()
        let machine = try MicroVM(setup, api: api)
        state.monitor = ProcessIdentity(running: machine.monitorIdentifier)
        state.vsock = machine.vsockName
        state.api = api
        try seat.write(state)
        do throws(ClientError) {
            while status == nil { try step(machine) }
        } catch {
            // An agent goes away with its machine, most of the time, and that knows why.
            let cause = machine.failure(within: 2) ?? error
            guard state.phase == .running else { throw cause }
            status = ExitStatus.ownFailure
            state.message = cause.message
        }
        // Commands of others are told that it ends, too.
        if state.phase == .running, setup.keepsData || request == nil {
            machine.shutDown(unless: signals.descriptor.rawValue) {
                while let signal = self.signals.next() {
                    if signal == DetachedMachine.endSignal { return true }
                }
                return false
            }
        }
        _ = machine.stop(gracePeriod: 0)
        try finish()
    }

    private func finish() throws(ClientError) {
        guard state.phase == .running else {
            return answer.refuse(
                "the machine was ended before its command was started",
                status: status ?? ExitStatus.ownFailure)
        }
        state.phase = .ended
        state.ended = Clock.realtime
        state.status = status
        try seat.write(state)
        if seat.machine.record.isTemporary { seat.remove() }
    }

    private func step(_ machine: MicroVM) throws(ClientError) {
        var set = PollSet()
        set.add(signals.descriptor.rawValue, .readable)
        machine.register(in: &set)
        execution?.register(in: &set, wantsOutput: true)
        if state.phase == .starting { answer.register(in: &set) }
        set.wait(until: deadline)

        while let signal = signals.next() { try take(signal) }
        if let deadline, Clock.monotonic >= deadline { status = status ?? ExitStatus.timedOut }
        if state.phase == .starting, answer.isUnwanted(set) {
            status = status ?? ExitStatus.killed(by: .hangUp)
        }
        execution?.serve(set)
        try takeEvents()
        if try machine.serve(set), status == nil {
            execution?.takeLastWords(takeEvents)
            if status == nil { status = try ownEnd(of: machine) }
        }
        if execution == nil, status == nil, machine.isReady { try begin(machine) }
    }

    /// The status of a machine that has ended without its command's.
    private func ownEnd(of machine: MicroVM) throws(ClientError) -> CInt {
        if request == nil, machine.isSwitchedOff { return 0 }
        return try machine.debugExitStatus()
    }

    /// The guest is ready for its command, or for those of others.
    private func begin(_ machine: MicroVM) throws(ClientError) {
        guard let request else {
            guard state.phase == .starting else { return }
            try machine.greetAgent()
            return try commandStarted()
        }
        let execution = try machine.start(request)
        try execution.askWhetherStarted()
        self.execution = execution
    }

    private func take(_ signal: Signal) throws(ClientError) {
        if let execution, signal != DetachedMachine.endSignal {
            try execution.send(signal: UInt8(signal.rawValue))
        } else if request == nil, state.phase == .running {
            // To be told to end is all that it waits for; other signals have nobody to go to.
            if Self.endings.contains(signal) { status = status ?? 0 }
        } else {
            status = status ?? ExitStatus.killed(by: execution == nil ? signal : .kill)
        }
    }

    /// Signals that end a machine without a command.
    private static var endings: [Signal] {
        [.terminate, .interrupt, .quit, .hangUp, DetachedMachine.endSignal]
    }

    private func takeEvents() throws(ClientError) {
        while let event = try execution?.next() {
            switch event {
            case .output(let bytes): log.append(bytes, to: .output)
            case .errorOutput(let bytes): log.append(bytes, to: .errorOutput)
            case .started: try commandStarted()
            case .ended(.notStarted(let message, let notStarted)):
                answer.refuse(message, status: CInt(notStarted))
                status = status ?? CInt(notStarted)
            case .ended(let ending):
                // A guest that keeps to the protocol has said so before.
                if state.phase == .starting { try commandStarted() }
                status = status ?? ending.status
            }
        }
    }

    private func commandStarted() throws(ClientError) {
        guard state.phase == .starting else { return }
        var running = state
        running.phase = .running
        running.started = Clock.realtime
        try seat.write(running)
        state = running
        answer.accept()
    }
}
