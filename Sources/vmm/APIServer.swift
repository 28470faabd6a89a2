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

    private let path: String
    private let listener: FileDescriptor
    private let loop: EventLoop
    private let answerer: APIAnswerer
    private let pause: Timer
    private let connections = Mutex<[CInt: APIConnection]>([:])

    /// Waits for clients at `path`, which must not exist.
    init(_ path: String, loop: EventLoop, answerer: APIAnswerer) throws(Errno) {
        self.path = path
        self.loop = loop
        self.answerer = answerer
        listener = try UnixSocket.listen(at: path)
        pause = try Timer()
        try loop.add(pause.descriptor.rawValue, .readable) { _ in
            self.pause.drain()
            try? self.watch()
        }
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
                pause.arm(at: Clock.monotonic &+ Self.recovery)
                return
            }
        }
    }

    private func admit(_ socket: consuming FileDescriptor) throws(Errno) {
        let raw = socket.rawValue
        guard connections.withLock({ $0.count }) < Self.connectionLimit else {
            let reply = HTTPReply.fault(.unavailable, "Too many open connections.")
            _ = try? UnixSocket.send(answerer.bytes(of: reply, keepsAlive: false)[...], to: raw)
            return
        }
        let connection = APIConnection(socket, loop: loop, answerer: answerer)
        connections.withLock { $0[raw] = connection }
        do throws(Errno) {
            try loop.add(raw, .readable) { events in
                if connection.serve(events) { self.forget(raw) }
            }
        } catch {
            connections.withLock { $0[raw] = nil }
            throw error
        }
    }

    private func forget(_ raw: CInt) {
        loop.remove(raw)
        connections.withLock { $0[raw] = nil }
    }

    /// Says what is still to be said, and takes the socket away.
    func close() {
        loop.remove(listener.rawValue)
        UnixSocket.remove(path)
        for connection in connections.withLock({ Array($0.values) }) { connection.flush() }
    }
}
