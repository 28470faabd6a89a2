// SPDX-License-Identifier: Apache-2.0
import Agent
import Control
import Linux

/// A virtual machine for one workload, in a process of its own.
///
/// It ends with this value, and with this process whatever ends that: the kernel kills the monitor,
/// and nothing of the machine is a file. Use it from one thread at a time.
public final class MicroVM {
    private let monitor: MonitorProcess
    private let listener: FileDescriptor
    private(set) var channel: AgentChannel?
    private let setsClock: Bool
    /// A command has not ended although it was killed.
    private var isStuck = false

    /// Where the monitor's vsock is found by this user's other processes.
    package let vsockName: String

    /// Starts a machine; it boots while this returns.
    public convenience init(_ configuration: Configuration) throws(ClientError) {
        try self.init(configuration, api: nil)
    }

    /// Starts a machine whose monitor listens for API calls at the socket `api`.
    package init(_ configuration: Configuration, api: String?) throws(ClientError) {
        let program = try configuration.program
        let name = Self.socketName()
        vsockName = name
        var config = try configuration.monitorConfig(
            socket: name, console: MonitorProcess.consoleConfig(.kept),
            report: MonitorProcess.reportDescriptor)
        let link = try HostLink(configuration.network)
        link.join(&config, as: MonitorProcess.linkDescriptor)
        do throws(Errno) {
            // Before the guest can come and look for it.
            listener = try UnixSocket.listen(
                at: "\(name)_\(AgentProtocol.readyPort)")
            monitor = try MonitorProcess(
                path: program, config: config, console: .kept, link: link.descriptor, api: api)
        } catch {
            throw ClientError(.system, "cannot start the monitor \(program): \(error)")
        }
        setsClock = !configuration.isDeterministic
    }

    /// Waits until the agent in the guest can take commands, at most so many seconds.
    public func waitUntilReady(seconds: Double = 60) throws(ClientError) {
        let deadline = Clock.deadline(in: seconds)
        while !isReady {
            guard Clock.monotonic < deadline else {
                throw ClientError(.timedOut, "the guest's agent did not come up in time")
            }
            var set = PollSet()
            register(in: &set)
            set.wait(until: deadline)
            if try serve(set) { throw failure }
        }
    }

    /// Runs a command to its end, one at a time, and keeps what it writes.
    ///
    /// - Parameter outputLimit: Bytes that are kept of both outputs together. A command that writes
    ///   more is killed, and the error is ``ClientError/Kind/tooMuchOutput``; for one that may write
    ///   without end there is ``run(_:input:output:)``.
    public func run(
        _ command: Command, input: [UInt8] = [], outputLimit: Int = 16 << 20
    ) throws(ClientError) -> CommandResult {
        var result = CommandResult(ending: .exited(0), output: [], errorOutput: [])
        var isKept = true
        result.ending = try run(command, input: input) { output in
            isKept = result.keep(output, limit: outputLimit)
            return isKept
        }
        guard isKept else {
            throw ClientError(
                .tooMuchOutput, "the command wrote more than \(outputLimit) bytes and was killed")
        }
        return result
    }

    /// Runs a command to its end, one at a time, and hands on what it writes as it comes.
    ///
    /// - Parameter output: Takes a piece, 64 KiB at most; the guest waits meanwhile. If it answers
    ///   false the command is killed, and what it had written besides is dropped.
    public func run(
        _ command: Command, input: [UInt8] = [], output: (CommandOutput) -> Bool
    ) throws(ClientError) -> CommandEnding {
        try waitUntilReady()
        guard !isStuck else {
            throw ClientError(.agent, "a command that was killed has not ended yet")
        }
        let request = try command.request(wantsInput: !input.isEmpty)
        var run = CommandRun(try start(request), input: input)
        do throws(ClientError) {
            while true {
                if let ending = try run.advance(output) { return ending }
                var set = PollSet()
                register(in: &set)
                run.register(in: &set)
                set.wait(until: run.deadline)
                run.serve(set)
                if try serve(set) { throw failure }
            }
        } catch {
            // Frames of this command may still come: the next one would take them for its own.
            isStuck = error.kind == .timedOut
            throw error
        }
    }

    /// Ends the machine at once.
    public func stop() { _ = stop(gracePeriod: 0) }
}

extension MicroVM {
    /// A new abstract name: no file, gone with its sockets, and nobody guesses it.
    package static func socketName() -> String {
        "@swiftlet/" + String(UInt128.random(in: 0 ... .max), radix: 16)
    }

    /// Process number of the monitor.
    package var monitorIdentifier: CInt { monitor.identifier }

    /// Whether the agent has called.
    package var isReady: Bool { channel != nil }

    /// Starts a command on the agent's channel, without waiting. One at a time.
    package func start(_ request: ExecRequest) throws(ClientError) -> Execution {
        guard let channel else { throw ClientError(.agent, "the guest's agent is not ready") }
        return try Execution(
            request, on: channel, clock: setsClock ? Clock.realtime : nil)
    }

    /// Sets the guest's clock, for a machine that gets no command on the agent's channel.
    package func greetAgent() throws(ClientError) {
        guard let channel else { throw ClientError(.agent, "the guest's agent is not ready") }
        if setsClock { try channel.send(.setClock(nanoseconds: Clock.realtime)) }
        channel.flush()
    }

    /// Asks to be woken when the agent calls or the machine ends.
    package func register(in set: inout PollSet) {
        monitor.register(in: &set)
        if channel == nil { set.add(listener.rawValue, .readable) }
    }

    /// Takes the agent's call. True once the machine has ended.
    package func serve(_ set: PollSet) throws(ClientError) -> Bool {
        if channel == nil, set.isReadable(listener.rawValue) { try accept() }
        return monitor.serve(set)
    }

    /// What went wrong, once the machine has ended by itself.
    var failure: ClientError { monitor.failure }

    /// The status with which the guest has ended its machine; throws what went wrong if it has not.
    package func debugExitStatus() throws(ClientError) -> CInt {
        guard let value = monitor.debugExitValue else { throw failure }
        return CInt(value & 0xff)
    }

    /// Whether the guest has switched its machine off.
    package var isSwitchedOff: Bool { monitor.isSwitchedOff }

    /// Ends the machine; with a grace period (ns) it may still write its report.
    package func stop(gracePeriod: UInt64) -> MachineReport? {
        monitor.stop(gracePeriod: gracePeriod).report
    }

    private func accept() throws(ClientError) {
        do throws(Errno) {
            if let socket = try call() { channel = AgentChannel(socket) }
        } catch .again {
            return
        } catch {
            throw ClientError(.system, "cannot take the guest's call: \(error)")
        }
    }

    /// The next connection, if it is our monitor's.
    private func call() throws(Errno) -> FileDescriptor? {
        let socket = try UnixSocket.accept(on: listener.rawValue)
        guard try UnixSocket.peer(of: socket).process == monitor.identifier else { return nil }
        return socket
    }
}
