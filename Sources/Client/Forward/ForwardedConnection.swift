// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

/// One connection to a port of this host, on its way to one of a guest.
///
/// It asks the monitor for the guest's agent, the agent for the port, and then passes bytes on, each
/// way to its own end.
final class ForwardedConnection {
    /// What has become of it.
    enum State: Hashable {
        /// It waits for one of its sockets.
        case waiting
        /// It could go on at once.
        case ready
        /// Both ways have come to their ends.
        case over
        /// It is broken, as the other end will hear; why, if that is not the caller's own doing.
        case broken(String?)
    }

    private enum Phase {
        /// The monitor has not said `OK`.
        case calling
        /// The agent has not said `connected`.
        case asking
        case flowing
    }

    /// Nanoseconds until a guest must have answered.
    static var patience: UInt64 { 10_000_000_000 }
    /// `OK 4294967295` and the end of the line.
    private static var lineLimit: Int { 14 }

    let client: FileDescriptor
    let guest: FileDescriptor
    let rule: ForwardRule
    /// ``Linux/Clock/monotonic`` at which it must have been answered.
    let deadline: UInt64
    /// The guest takes nothing any more, as one hears if nothing moves.
    var guestIsGone = false
    /// The client's end has failed.
    var clientIsGone = false
    private var phase = Phase.calling
    private var request: [UInt8]
    private var line: [UInt8] = []
    private var decoder = FrameDecoder()
    /// The agent has greeted; it does so once.
    private var isGreeted = false
    private var toGuest = ForwardFlow()
    private var toClient = ForwardFlow()

    /// - Parameter socket: Name of the monitor's vsock socket.
    init(
        _ client: consuming FileDescriptor, _ rule: ForwardRule, by socket: String
    ) throws(Errno) {
        guest = try Self.call(socket, for: client)
        self.client = client
        self.rule = rule
        deadline = Clock.monotonic &+ Self.patience
        request = Array("CONNECT \(AgentProtocol.agentPort)\n".utf8)
        // Neither is ever too long to encode.
        try? Frame.hello(version: AgentProtocol.version).encode(into: &request)
        try? Frame.connect(port: rule.guestPort).encode(into: &request)
    }

    /// Connects to the monitor; if that cannot be, the client's connection will end as broken.
    private static func call(
        _ socket: String, for client: borrowing FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        do throws(Errno) {
            return try UnixSocket.connect(to: socket)
        } catch {
            TCPSocket.break(client)
            throw error
        }
    }

    /// Whether it still waits to be answered.
    var isOpening: Bool { phase != .flowing }

    /// Goes as far as it can.
    func move() -> State {
        let state = advance()
        if case .broken = state { TCPSocket.break(client) }
        return state
    }

    private func advance() -> State {
        if isOpening, let failure = open() { return failure }
        let there = toGuest.move(from: client.rawValue, to: guest.rawValue)
        let back = toClient.move(from: guest.rawValue, to: client.rawValue)
        if there == .broken || back == .broken { return .broken(nil) }
        if toGuest.isOver && toClient.isOver { return .over }
        // What the guest had sent before is passed on first.
        if clientIsGone || guestIsGone && toClient.isOver { return .broken(nil) }
        return there == .hasMore || back == .hasMore ? .ready : .waiting
    }

    /// Sends the request and reads the answer. Nil: bytes may flow; else that they may not, yet.
    private func open() -> State? {
        do throws(Errno) {
            if !request.isEmpty {
                request.removeFirst(try UnixSocket.send(request[...], to: guest.rawValue))
            }
            while true {
                if let end = try readAnswer() { return end == .ready ? nil : end }
            }
        } catch {
            if error == .again || error == .interrupted { return .waiting }
            return .broken("the machine cannot be reached: \(error)")
        }
    }

    /// Reads once: `ready` once bytes may flow, nil to go on reading.
    private func readAnswer() throws(Errno) -> State? {
        let bytes = try Stream.read(guest.rawValue, limit: 4096)
        guard !bytes.isEmpty else {
            return .broken(
                phase == .calling
                    ? "the machine does not answer: its agent is not there"
                    : "the guest's agent went away")
        }
        var rest = bytes[...]
        if phase == .calling {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                line += rest
                return line.count < Self.lineLimit ? nil : .broken("the monitor's answer is none")
            }
            line += rest[..<end]
            guard line.starts(with: "OK ".utf8) else {
                return .broken("the monitor's answer is none")
            }
            rest = rest[(end + 1)...]
            phase = .asking
        }
        return frames(rest)
    }

    private func frames(_ bytes: ArraySlice<UInt8>) -> State? {
        var rest = bytes
        do throws(FrameError) {
            while true {
                while let frame = try decoder.next() {
                    guard let state = answer(frame) else { continue }
                    if state == .ready {
                        toClient.load(decoder.takeRest() + rest)
                        phase = .flowing
                    }
                    return state
                }
                guard !rest.isEmpty else { return nil }
                rest = rest.dropFirst(decoder.append(rest))
            }
        } catch {
            return .broken("the guest's agent broke the protocol")
        }
    }

    private func answer(_ frame: Frame) -> State? {
        switch frame {
        case .hello where !isGreeted:
            isGreeted = true
            return nil
        case .connected: return .ready
        case .refused(let refusal): return .broken(Self.text(refusal))
        default: return .broken("the guest's agent broke the protocol")
        }
    }

    private static func text(_ refusal: Refusal) -> String {
        switch refusal.reason {
        case .system where refusal.detail == 111: "nobody listens there"
        case .system: "the guest cannot connect to it (error \(refusal.detail))"
        case .unknownKind:
            "the guest's agent is too old to forward ports; start the machine anew"
        case .busy: "the guest does as much as it can hold already"
        default: "the guest's agent refused (reason \(refusal.reason.rawValue))"
        }
    }
}
