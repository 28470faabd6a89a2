// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// The agent at work: accepts channels, moves their bytes, and reaps every child.
final class EventLoop {
    /// Most channels at a time; each holds at most four files and about a megabyte.
    private static var channelLimit: Int { 200 }
    /// Milliseconds between the hang-up that an abandoned command gets and its end.
    private static var grace: UInt64 { 2000 }

    /// A command whose channel has gone.
    private struct Abandoned {
        let processID: Int32
        let deadline: UInt64
    }

    /// Tokens of the loop's own files; those of channels begin at the first slot.
    private enum Own {
        static var listener: UInt64 { 0 }
        static var children: UInt64 { 1 }
        static var firstSlot: Int { 1 }
    }

    private let events: Descriptor
    private let children: Descriptor
    private let listener: Descriptor
    private let setup: Setup
    private let isFirstProcess: Bool
    private var channels: [Channel?] = []
    private var abandoned: [Abandoned] = []

    /// Nil if the kernel refuses the loop's own files.
    init?(listener: consuming Descriptor, setup: Setup, isFirstProcess: Bool) {
        guard let events = Descriptor(guest_events()),
            let children = Descriptor(guest_child_signals()),
            guest_watch(events.number, listener.number, GUEST_READABLE, 0, Own.listener) >= 0,
            guest_watch(events.number, children.number, GUEST_READABLE, 0, Own.children) >= 0
        else { return nil }
        self.events = events
        self.children = children
        self.listener = listener
        self.setup = setup
        self.isFirstProcess = isFirstProcess
    }

    /// Serves a further connection.
    func add(_ socket: consuming Descriptor, phase: Channel.Phase) {
        let slot = channels.firstIndex { $0 == nil } ?? channels.count
        guard slot < Self.channelLimit else { return refuse(socket) }
        if slot == channels.count { channels.append(nil) }
        let token = UInt64(slot + Own.firstSlot) << Role.bits
        channels[slot] = Channel(
            socket, token: token, phase: phase, events: events.number, setup: setup)
    }

    private func refuse(_ socket: consuming Descriptor) {
        var outgoing = Outgoing()
        outgoing.append(.hello(version: AgentProtocol.version))
        outgoing.append(.refused(Refusal(.busy)))
        _ = outgoing.flush(to: socket)
    }

    func run() -> Never {
        while true { turn() }
    }

    /// Takes one event. Without one: sends what waits, or does a step of the set-up.
    private func turn() {
        let isIdle = setup.isFinished && !channels.contains { $0?.wantsFlush ?? false }
        let event = guest_wait(events.number, isIdle ? timeout() : 0)
        if event.result > 0 {
            handle(event)
        } else if !flush() && !setup.isFinished {
            setup.advance()
        }
        endAbandoned()
        for channel in channels { channel?.command?.repeatEnd() }
    }

    private func handle(_ event: guest_event) {
        switch event.token {
        case Own.listener: accept()
        case Own.children: reap()
        default:
            let slot = Int(event.token >> Role.bits) - Own.firstSlot
            guard let channel = channels[slot],
                let role = Role(rawValue: event.token & Role.mask)
            else { return }
            channel.handle(role, event.events)
            if !channel.outgoing.hasRoom && channel.wantsFlush { channel.flush() }
            settle(slot)
        }
    }

    /// Whether there was anything to send.
    private func flush() -> Bool {
        var flushed = false
        for slot in channels.indices {
            guard let channel = channels[slot], channel.wantsFlush else { continue }
            channel.flush()
            flushed = true
            settle(slot)
        }
        return flushed
    }

    private func accept() {
        let result = guest_accept(listener.number, AgentProtocol.hostContext)
        if let socket = Descriptor(result) { add(socket, phase: .greeting) }
    }

    private func reap() {
        guest_take_child_signals(children.number)
        while true {
            let end = guest_reap()
            guard end.pid > 0 else { return }
            abandoned.removeAll { $0.processID == end.pid }
            let channel = channels.first { $0?.command?.processID == end.pid } ?? nil
            channel?.processEnded(
                end.signal > 0
                    ? .killed(signal: UInt8(clamping: end.signal))
                    : .exited(UInt8(clamping: end.status)))
        }
    }

    /// Acts on what has become of a channel.
    private func settle(_ slot: Int) {
        guard let channel = channels[slot] else { return }
        if channel.shutdown != nil {
            channel.flush()
            endMachine()
        }
        guard channel.phase == .closed else { return }
        channels[slot] = nil
        guard let command = channel.command, command.end == nil else { return }
        _ = guest_signal_group(command.processID, Signal.hangUp)
        abandoned.append(
            Abandoned(processID: command.processID, deadline: guest_now() + Self.grace))
    }

    private func endAbandoned() {
        guard !abandoned.isEmpty else { return }
        let now = guest_now()
        for command in abandoned where command.deadline <= now {
            _ = guest_signal_group(command.processID, Signal.kill)
        }
        abandoned.removeAll { $0.deadline <= now }
    }

    /// Milliseconds until something is due; -1: nothing is.
    private func timeout() -> Int32 {
        var next = abandoned.first?.deadline
        for channel in channels {
            guard let due = channel?.command?.terminalEnd?.due else { continue }
            next = min(next ?? due, due)
        }
        guard let next else { return -1 }
        let now = guest_now()
        return next > now ? Int32(clamping: next - now) : 0
    }

    /// Both ends of a machine are a restart: the monitor ends on the reset that it brings, whether
    /// or not the kernel knows how to switch this machine off.
    private func endMachine() {
        guard isFirstProcess else { guest_exit(0) }
        setup.leaveRoot()
        guest_sync()
        _ = guest_restart()
    }
}

enum Signal {
    static var hangUp: Int32 { 1 }
    static var terminate: Int32 { 15 }
    static var kill: Int32 { 9 }
}
