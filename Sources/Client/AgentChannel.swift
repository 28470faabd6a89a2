// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

/// One connection to the agent: frames in, frames out, never waiting.
package final class AgentChannel {
    /// Bytes on their way to the agent beyond which nothing more should be sent.
    static var sendLimit: Int { 4 * AgentProtocol.payloadLimit }

    private let socket: FileDescriptor
    private var decoder = FrameDecoder()
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var greeted = false
    /// The other end has closed, or failed; frames may still wait in ``next()``.
    private(set) var isClosed = false

    /// Takes a connected, nonblocking socket, and greets.
    package init(_ socket: consuming FileDescriptor) {
        self.socket = socket
        // A greeting is never too long to encode.
        try? Frame.hello(version: AgentProtocol.version).encode(into: &outgoing)
    }

    package var descriptor: CInt { socket.rawValue }

    /// Bytes that the socket has not taken.
    var waiting: Int { outgoing.count - sent }
    /// Bytes that are kept: those, and some that it has taken.
    var kept: Int { outgoing.count }

    /// Queues `frame`.
    func send(_ frame: Frame) throws(ClientError) {
        do throws(FrameError) {
            try frame.encode(into: &outgoing)
        } catch {
            throw Self.violation("\(error)")
        }
    }

    /// Lets `body` queue frames that it has encoded itself.
    func fill<Failure: Error>(
        _ body: (inout [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try body(&outgoing)
    }

    /// Gives the socket what it takes.
    func flush() {
        while waiting > 0, !isClosed {
            do throws(Errno) {
                sent += try UnixSocket.send(outgoing[sent...], to: socket.rawValue)
            } catch .again {
                break
            } catch .interrupted {
                continue
            } catch {
                // What the agent said before it went is still to be read.
                outgoing.removeAll()
                sent = 0
                return
            }
        }
        if waiting == 0 {
            outgoing.removeAll(keepingCapacity: true)
            sent = 0
        } else if sent >= Self.sendLimit {
            // With a guest that is slower than who sends, something always waits.
            outgoing.removeFirst(sent)
            sent = 0
        }
    }

    /// Reads once.
    func receive() {
        let count = decoder.fill { bytes, start in socket.read(into: &bytes, from: start) }
        guard count <= 0 else { return }
        let error = Errno(rawValue: CInt(truncatingIfNeeded: -count))
        if count == 0 || error != .again && error != .interrupted { isClosed = true }
    }

    /// The next frame that has come, the greeting apart; nil if there is none yet.
    func next() throws(ClientError) -> Frame? {
        while true {
            let frame: Frame?
            do throws(FrameError) {
                frame = try decoder.next()
            } catch {
                throw Self.violation("\(error)")
            }
            guard let frame else { return nil }
            if greeted { return frame }
            try greet(frame)
        }
    }

    private func greet(_ frame: Frame) throws(ClientError) {
        guard case .hello(let version) = frame else {
            throw Self.violation("frame \(frame.kind) before a greeting")
        }
        guard version >= AgentProtocol.oldestVersion else {
            throw ClientError(
                .agent,
                "the guest's agent speaks version \(version) of the protocol; version"
                    + " \(AgentProtocol.oldestVersion) is needed")
        }
        greeted = true
    }

    static func violation(_ text: String) -> ClientError {
        ClientError(.agent, "the guest's agent broke the protocol: \(text)")
    }
}
