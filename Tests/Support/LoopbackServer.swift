// SPDX-License-Identifier: Apache-2.0
import Linux

/// A TCP server of a test's, on this host's own address.
package final class LoopbackServer {
    /// Nobody has called, or nothing has come, in time; or the other end has said all.
    package enum Failure: Error { case timeout, end }

    private let listener: FileDescriptor
    package let port: UInt16

    package init(at address: String = "127.0.0.1") throws {
        let listener = try TCPSocket.listen(at: address, port: 0)
        port = try TCPSocket.port(of: listener)
        self.listener = listener
    }

    /// The next caller.
    package func accept() throws -> TestSocket {
        try TestSocket.wait(listener.rawValue, .readable)
        return TestSocket(try TCPSocket.accept(on: listener.rawValue))
    }
}

/// One end of a connection, in a test that waits for what it wants, but not for ever.
package final class TestSocket {
    package let socket: FileDescriptor

    package init(_ socket: consuming FileDescriptor) { self.socket = socket }

    /// Connects to a port of this host's own address.
    package convenience init(connectingTo port: UInt16) throws {
        self.init(try HostFacts.connect(to: port))
    }

    /// Whether something has come, the end included.
    package var isReadable: Bool {
        get throws {
            var set = PollSet()
            set.add(socket.rawValue, .readable)
            set.wait(milliseconds: 0)
            return set.isReadable(socket.rawValue)
        }
    }

    static func wait(
        _ socket: CInt, _ readiness: PollSet.Readiness, seconds: Int32 = 10
    ) throws {
        var set = PollSet()
        set.add(socket, readiness)
        set.wait(milliseconds: seconds * 1000)
        if set.readiness(of: socket).isEmpty { throw LoopbackServer.Failure.timeout }
    }

    /// Sends all of it.
    package func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            do throws(Errno) {
                rest = rest.dropFirst(try UnixSocket.send(rest, to: socket.rawValue))
            } catch {
                guard error == .again else { throw error }
                try Self.wait(socket.rawValue, .writable)
            }
        }
    }

    /// Sends as much as is taken without a pause of half a second; how much that was.
    package func sendUntilFull(limit: Int) -> Int {
        let piece = [UInt8](repeating: 7, count: 1 << 16)
        var sent = 0
        while sent < limit {
            if let count = try? UnixSocket.send(piece[...], to: socket.rawValue) {
                sent += count
                continue
            }
            var set = PollSet()
            set.add(socket.rawValue, .writable)
            set.wait(milliseconds: 500)
            guard set.isWritable(socket.rawValue) else { break }
        }
        return sent
    }

    /// What comes next; empty at the end.
    package func receive(seconds: Int32 = 10) throws -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 1 << 16)
        try Self.wait(socket.rawValue, .readable, seconds: seconds)
        let count = try socket.read(into: &block)
        return Array(block[..<count])
    }

    /// The next `count` bytes, and what came with them.
    package func receive(count: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let next = try receive()
            guard !next.isEmpty else { throw LoopbackServer.Failure.end }
            all += next
        }
        return all
    }

    /// All that comes, to the end.
    package func receiveAll(seconds: Int32 = 10) throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let next = try receive(seconds: seconds)
            if next.isEmpty { return all }
            all += next
        }
    }

    package func endWriting() { UnixSocket.shutdown(socket.rawValue, .writing) }
}
