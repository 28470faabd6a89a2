// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// One client of the API: requests in, replies out, in order.
final class APIConnection: Sendable {
    /// Replies that wait for a slow reader, in bytes; above that no request is read.
    private static var backlogLimit: Int { 256 << 10 }
    /// Bytes of a refused request that are read and dropped, so that its sender gets to read why.
    private static var dropLimit: Int { 4 << 20 }
    /// Reads in a row, before others get their turn.
    private static var turn: Int { 16 }
    /// Requests in a row, likewise: devices are served by the same thread.
    private static var answerLimit: Int { 64 }

    private struct State {
        var parser: HTTPRequestParser
        var outgoing: [UInt8] = []
        /// No request is answered any more; it ends once everything is said.
        var isEnding = false
        /// The client has ended its half, and may still read the replies to what came whole.
        var isAtEnd = false
        /// Our half has ended.
        var isShut = false
        var dropped = 0
        /// Requests that this turn may still answer.
        var answersLeft = 0
        /// Requests that came whole may wait for the next turn.
        var isHeld = false
        /// A request was answered or a part of a reply taken in this turn.
        var hasMoved = false
        var watched = EventLoop.Events.readable
    }

    private let socket: FileDescriptor
    private let loop: EventLoop
    private let answerer: APIAnswerer
    private let state: Mutex<State>

    init(_ socket: consuming FileDescriptor, loop: EventLoop, answerer: APIAnswerer) {
        self.socket = socket
        self.loop = loop
        self.answerer = answerer
        state = Mutex(State(parser: HTTPRequestParser(answerer.limits)))
    }

    /// Reads, answers and writes as far as that need not wait. Nil: the connection is over.
    func serve(_ events: EventLoop.Events) -> ConnectionTimes.Standing? {
        state.withLock { state in
            state.hasMoved = false
            state.answersLeft = Self.answerLimit
            var isOver = !send(&state)
            if !isOver, !events.isDisjoint(with: [.readable, .hangUp, .error, .peerClosed]) {
                isOver = !read(&state)
            }
            guard !isOver, watch(&state) else { return nil }
            let isBusy = state.isEnding || state.parser.isMidway || !state.outgoing.isEmpty
            return ConnectionTimes.Standing(isIdle: !isBusy, hasMoved: state.hasMoved)
        }
    }

    /// What a client leaves half done.
    enum Unfinished {
        case request, answer
    }

    /// What is half done. Nil: nothing, though the client may still be there after it was told that
    /// the connection is over.
    var unfinished: Unfinished? {
        state.withLock { state in
            guard state.outgoing.isEmpty else { return .answer }
            return state.parser.isMidway && !state.isEnding ? .request : nil
        }
    }

    /// Writes what waits, as far as it is taken.
    func flush() { state.withLock { state in _ = send(&state) } }

    /// False: the other end is gone.
    private func read(_ state: inout State) -> Bool {
        for _ in 0..<Self.turn
        where state.outgoing.count < Self.backlogLimit && state.answersLeft > 0 {
            do throws(Errno) {
                let bytes = try Stream.read(socket.rawValue, limit: 16 << 10)
                guard !bytes.isEmpty else {
                    state.isAtEnd = true
                    answer(&state)
                    return send(&state)
                }
                if state.isEnding {
                    state.dropped += bytes.count
                    if state.dropped >= Self.dropLimit { return false }
                } else {
                    state.parser.receive(bytes)
                    answer(&state)
                    guard send(&state) else { return false }
                }
            } catch {
                return error == .again || error == .interrupted
            }
        }
        return true
    }

    /// Answers what has come, as far as there is room for answers and this turn lasts.
    private func answer(_ state: inout State) {
        state.isHeld = false
        do throws(HTTPError) {
            while !state.isEnding {
                guard state.outgoing.count < Self.backlogLimit, state.answersLeft > 0 else {
                    state.isHeld = state.parser.isMidway || state.isAtEnd
                    return
                }
                guard let event = try state.parser.next() else {
                    state.isEnding = state.isAtEnd
                    return
                }
                switch event {
                case .expectsContinue: state.outgoing += HTTPReply.goOn
                case .request(let request):
                    state.hasMoved = true
                    state.answersLeft -= 1
                    let reply = answerer.answer(request)
                    state.outgoing += answerer.bytes(
                        of: reply, keepsAlive: request.keepsAlive,
                        omitsBody: request.method == .other("HEAD"))
                    if !request.keepsAlive { state.isEnding = true }
                }
            }
        } catch {
            state.outgoing += answerer.refuse(error)
            state.isEnding = true
        }
    }

    /// Writes as far as that need not wait, and answers for what there is room then. False: the
    /// connection is over.
    private func send(_ state: inout State) -> Bool {
        while true {
            if state.outgoing.isEmpty { answer(&state) }
            if state.outgoing.isEmpty { break }
            do throws(Errno) {
                let count = try UnixSocket.send(state.outgoing[...], to: socket.rawValue)
                state.outgoing.removeFirst(count)
                state.hasMoved = true
            } catch {
                if error == .again { return true }
                if error != .interrupted { return false }
            }
        }
        guard state.isEnding else { return true }
        if !state.isShut {
            UnixSocket.shutdown(socket.rawValue, .writing)
            state.isShut = true
        }
        return !state.isAtEnd
    }

    /// Watches for what can be done next; false: that failed.
    private func watch(_ state: inout State) -> Bool {
        var wanted: EventLoop.Events = []
        // At its end a socket is readable for ever.
        if !state.isAtEnd, state.outgoing.count < Self.backlogLimit {
            wanted.insert(.readable)
        }
        // Where there is room to write, the next turn comes as soon as others have had theirs.
        if !state.outgoing.isEmpty || state.isHeld { wanted.insert(.writable) }
        guard wanted != state.watched else { return true }
        state.watched = wanted
        do throws(Errno) {
            try loop.modify(socket.rawValue, wanted)
            return true
        } catch {
            return false
        }
    }
}
