// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// The API on its Unix socket, served by the machine's event loop.
final class APIServer: Sendable {
    /// Most connections at a time.
    static var connectionLimit: Int { 32 }
    /// How long nobody is accepted after the host had no descriptor left, in nanoseconds.
    private static var recovery: UInt64 { 100_000_000 }

    private struct State {
        var connections: [CInt: APIConnection] = [:]
        var times: ConnectionTimes
        /// When to accept again; `.max`: nothing is in the way.
        var recovery = UInt64.max
        /// When the timer goes off.
        var alarm = UInt64.max
    }

    private let path: String
    private let listener: FileDescriptor
    private let loop: EventLoop
    private let answerer: APIAnswerer
    private let timer: Timer
    private let state: Mutex<State>

    /// Waits for clients at `path`, which must not exist.
    ///
    /// - Parameter patience: How long a client may stop in the middle of a request or of a reply, in
    ///   nanoseconds.
    init(
        _ path: String, loop: EventLoop, answerer: APIAnswerer, patience: UInt64
    ) throws(Errno) {
        self.path = path
        self.loop = loop
        self.answerer = answerer
        state = Mutex(State(times: ConnectionTimes(patience: patience)))
        listener = try UnixSocket.listen(at: path)
        timer = try Timer()
        try loop.add(timer.descriptor.rawValue, .readable) { _ in self.takeAlarm() }
        try watch()
    }

    private func watch() throws(Errno) {
        try loop.add(listener.rawValue, .readable) { _ in self.accept() }
    }

    /// Accepts whoever waits, a few at a time so that devices are served in between.
    private func accept() {
        for _ in 0..<8 {
            do throws(Errno) {
                try admit(try UnixSocket.accept(on: listener.rawValue))
            } catch {
                if error == .again || error == .interrupted { return }
                // Without descriptors the listener would stay ready for ever.
                answerer.logger.logLimited(.error, "API server cannot accept: \(error)")
                loop.remove(listener.rawValue)
                state.withLock { state in
                    state.recovery = Clock.monotonic &+ Self.recovery
                    setAlarm(&state)
                }
                return
            }
        }
    }

    private func admit(_ socket: consuming FileDescriptor) throws(Errno) {
        let raw = socket.rawValue
        if isFull { makeRoom() }
        guard !isFull else {
            let reply = HTTPReply.fault(.unavailable, "Too many open connections.")
            _ = try? UnixSocket.send(answerer.bytes(of: reply, keepsAlive: false)[...], to: raw)
            return
        }
        let connection = APIConnection(socket, loop: loop, answerer: answerer)
        state.withLock { state in
            state.connections[raw] = connection
            let fresh = ConnectionTimes.Standing(isIdle: true, hasMoved: true)
            state.times.note(raw, fresh, at: Clock.monotonic)
        }
        do throws(Errno) {
            try loop.add(raw, .readable) { events in self.serve(connection, at: raw, events) }
        } catch {
            forget(raw)
            throw error
        }
    }

    private func serve(_ connection: APIConnection, at raw: CInt, _ events: EventLoop.Events) {
        guard let standing = connection.serve(events) else { return forget(raw) }
        state.withLock { state in
            state.times.note(raw, standing, at: Clock.monotonic)
            if !standing.isIdle { setAlarm(&state) }
        }
    }

    private func forget(_ raw: CInt) {
        loop.remove(raw)
        state.withLock { state in
            state.connections[raw] = nil
            state.times.remove(raw)
        }
    }

    // MARK: Places

    private var isFull: Bool {
        state.withLock { $0.connections.count } >= Self.connectionLimit
    }

    /// Ends the connection that has been idle longest. What it has sent just now is answered first,
    /// and then it is another's turn.
    private func makeRoom() {
        for _ in 0..<Self.connectionLimit {
            guard let (raw, connection) = longestIdle else { return }
            serve(connection, at: raw, .readable)
            guard isFull else { return }
            if longestIdle?.raw == raw { return forget(raw) }
        }
    }

    private var longestIdle: (raw: CInt, connection: APIConnection)? {
        state.withLock { state in
            guard let raw = state.times.longestIdle, let connection = state.connections[raw]
            else { return nil }
            return (raw, connection)
        }
    }

    // MARK: Deadlines

    private func setAlarm(_ state: inout State) {
        let next = min(state.recovery, state.times.deadline)
        guard next < state.alarm else { return }
        state.alarm = next
        timer.arm(at: next)
    }

    /// Ends the connections that have got no further for too long, and accepts again if that waited.
    private func takeAlarm() {
        timer.drain()
        let now = Clock.monotonic
        let (overdue, accepts) = state.withLock { state in
            state.alarm = .max
            let accepts = state.recovery <= now
            if accepts { state.recovery = .max }
            return (state.times.overdue(at: now), accepts)
        }
        for raw in overdue { end(raw, overdueAt: now) }
        if accepts { try? watch() }
        state.withLock { setAlarm(&$0) }
    }

    /// Ends a connection unless it gets further now: what came while this thread was busy counts.
    private func end(_ raw: CInt, overdueAt now: UInt64) {
        guard let connection = state.withLock({ $0.connections[raw] }) else { return }
        serve(connection, at: raw, .readable)
        guard state.withLock({ $0.times.overdue(at: now).contains(raw) }) else { return }
        switch connection.unfinished {
        case .request:
            answerer.logger.logLimited(
                .warn, "API server ended a connection that stopped in the middle of a request.")
        case .answer:
            answerer.logger.logLimited(
                .warn, "API server ended a connection whose client took no more of its answer.")
        case nil: break
        }
        forget(raw)
    }

    /// Says what is still to be said, and takes the socket away.
    func close() {
        loop.remove(listener.rawValue)
        UnixSocket.remove(path)
        for connection in state.withLock({ Array($0.connections.values) }) { connection.flush() }
    }
}
