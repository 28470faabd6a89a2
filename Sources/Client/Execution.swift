// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

/// A command that runs on a channel, seen from the host; never waits.
///
/// Call ``register(in:wantsOutput:)``, wait, call ``serve(_:)``, take what ``next()`` has.
package final class Execution {
    package enum Event {
        case output([UInt8])
        case errorOutput([UInt8])
        /// The command's process runs, see ``askWhetherStarted()``.
        case started
        case ended(CommandEnding)
    }

    private let channel: AgentChannel
    private let request: ExecRequest
    /// Bytes that the agent has room for.
    private var credit = AgentProtocol.inputWindow
    private var hasEnded = false

    /// Asks for the command. `clock`: the time to set in the guest before, nil to leave it.
    package init(
        _ request: ExecRequest, on channel: AgentChannel, clock: UInt64? = nil
    ) throws(ClientError) {
        self.channel = channel
        self.request = request
        if let clock { try channel.send(.setClock(nanoseconds: clock)) }
        try channel.send(.execute(request))
        channel.flush()
    }

    /// Has ``next()`` tell that the command was started: the agent answers one frame after the other,
    /// so a ping behind the request is answered once the command runs, or cannot.
    package func askWhetherStarted() throws(ClientError) {
        try channel.send(.ping(0))
        channel.flush()
    }

    /// Bytes of input that may be sent now; 0: wait.
    package var inputRoom: Int {
        guard !hasEnded, channel.waiting < AgentChannel.sendLimit else { return 0 }
        return min(credit, AgentProtocol.payloadLimit)
    }

    /// Sends at most ``inputRoom`` bytes of input.
    package func send(input: ArraySlice<UInt8>) throws(ClientError) {
        credit -= input.count
        try channel.send(.input(Array(input)))
        channel.flush()
    }

    package func endInput() throws(ClientError) {
        try channel.send(.endOfInput)
        channel.flush()
    }

    package func send(signal: UInt8) throws(ClientError) {
        try channel.send(.signal(signal))
        channel.flush()
    }

    package func resize(_ size: TerminalSize) throws(ClientError) {
        try channel.send(.resize(size))
        channel.flush()
    }

    /// Asks to be woken; without `wantsOutput` what the command writes stays in the guest.
    package func register(in set: inout PollSet, wantsOutput: Bool) {
        guard !channel.isClosed else { return }
        var wanted: PollSet.Readiness = wantsOutput ? .readable : []
        if channel.waiting > 0 { wanted.insert(.writable) }
        if !wanted.isEmpty { set.add(channel.descriptor, wanted) }
    }

    /// Moves bytes as far as they go.
    package func serve(_ set: PollSet) {
        if set.isWritable(channel.descriptor) { channel.flush() }
        if set.isReadable(channel.descriptor) { channel.receive() }
    }

    /// The machine is gone: what the command had sent still counts. Has `take` take it, by ``next()``,
    /// up to the command's end or to the first error.
    package func takeLastWords(_ take: () throws(ClientError) -> Void) {
        while !hasEnded {
            var set = PollSet()
            register(in: &set, wantsOutput: true)
            set.wait(milliseconds: 0)
            serve(set)
            do throws(ClientError) {
                try take()
            } catch {
                return
            }
        }
    }

    /// What has happened next; nil: nothing yet.
    ///
    /// Throws if the agent breaks the protocol, refuses the command or goes away before its end.
    package func next() throws(ClientError) -> Event? {
        while !hasEnded {
            guard let frame = try channel.next() else {
                guard channel.isClosed else { return nil }
                throw ClientError(
                    .machineEnded, "the guest's agent went away before the command ended")
            }
            if let event = try event(for: frame) { return event }
        }
        return nil
    }

    private func event(for frame: Frame) throws(ClientError) -> Event? {
        switch frame {
        case .output(let bytes): return .output(bytes)
        case .errorOutput(let bytes): return .errorOutput(bytes)
        case .ended(let end):
            hasEnded = true
            return .ended(CommandEnding(end, of: request))
        case .inputCredit(let count):
            let (sum, overflow) = credit.addingReportingOverflow(Int(count))
            guard !overflow, sum <= AgentProtocol.inputWindow else {
                throw AgentChannel.violation("it gave back more input than it was sent")
            }
            credit = sum
        case .refused(let refusal): try check(refusal)
        case .pong: return .started
        case .done, .unknown: break
        default: throw AgentChannel.violation("frame \(frame.kind) is not the agent's to send")
        }
        return nil
    }

    private func check(_ refusal: Refusal) throws(ClientError) {
        switch refusal.reason {
        // The clock could not be set, or the command ended before a signal or input reached it.
        case .system: return
        case .outOfTurn where refusal.detail != UInt32(FrameKind.execute.rawValue): return
        case .busy:
            throw ClientError(.agent, "the guest runs as many commands as it can hold")
        case .version:
            throw ClientError(
                .agent, "the guest's agent does not speak our version of the protocol")
        default:
            throw ClientError(
                .agent, "the guest's agent refused the command (reason \(refusal.reason.rawValue))")
        }
    }
}
