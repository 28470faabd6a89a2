// SPDX-License-Identifier: Apache-2.0
import CLinux
import Synchronization

/// Stream sockets that are found by a path. unix(7); never blocking, close-on-exec.
///
/// A path that begins with `@` is an abstract name: it is no file, and the kernel forgets it with
/// the socket. As such a name has no permissions, both sides refuse a peer of another user.
package enum UnixSocket {
    /// Longest path in bytes.
    package static var pathLimit: Int { Int(CLINUX_PATH_LIMIT) }

    /// Which half of a connection ends.
    package enum Half: Sendable { case reading, writing }

    /// Waits for connections at `path`, which must not exist yet. Only the owner may connect.
    package static func listen(
        at path: String, backlog: CInt = 128
    ) throws(Errno) -> FileDescriptor {
        let socket = FileDescriptor(adopting: try Errno.check(clinux_unix_socket()))
        try Errno.check(
            unsafe clinux_unix_listen(socket.rawValue, path, path.utf8.count, backlog))
        return socket
    }

    /// Connects to whoever listens at `path`; `.again` if too many wait there already.
    package static func connect(to path: String) throws(Errno) -> FileDescriptor {
        try connect(FileDescriptor(adopting: try Errno.check(clinux_unix_socket())), to: path)
    }

    fileprivate static func connect(
        _ socket: consuming FileDescriptor, to path: String
    ) throws(Errno) -> FileDescriptor {
        try Errno.check(unsafe clinux_unix_connect(socket.rawValue, path, path.utf8.count))
        if path.hasPrefix("@") {
            guard try peer(of: socket).isSameUser else { throw Errno(rawValue: ECONNREFUSED) }
        }
        return socket
    }

    /// The next connection that waits, or `.again`.
    package static func accept(on listener: CInt) throws(Errno) -> FileDescriptor {
        let isAbstract = clinux_is_abstract(listener) == 1
        while true {
            let socket = FileDescriptor(adopting: try Errno.check(clinux_accept(listener)))
            let isWelcome = isAbstract ? try peer(of: socket).isSameUser : true
            if isWelcome { return socket }
        }
    }

    /// Who is at the other end of a socket, as the kernel says.
    package struct Peer: Hashable, Sendable {
        package let process: CInt
        package let user: UInt32

        /// Whether it acts for the user that this process acts for.
        package var isSameUser: Bool { user == geteuid() }
    }

    package static func peer(of socket: borrowing FileDescriptor) throws(Errno) -> Peer {
        var process: CInt = 0
        var user: UInt32 = 0
        try Errno.check(unsafe clinux_socket_peer(socket.rawValue, &process, &user))
        return Peer(process: process, user: user)
    }

    /// Two sockets connected to each other.
    package struct Pair: ~Copyable {
        package let near: FileDescriptor
        package let far: FileDescriptor

        /// - Parameter keepsMessages: What is written at once is read at once, or cut short.
        package init(keepsMessages: Bool = false) throws(Errno) {
            var ends: [CInt] = [-1, -1]
            let result =
                keepsMessages
                ? unsafe clinux_message_pair(&ends) : unsafe clinux_socketpair(&ends)
            try Errno.check(result)
            near = FileDescriptor(adopting: ends[0])
            far = FileDescriptor(adopting: ends[1])
        }
    }

    /// Bytes that wait in `socket`, at most `limit`, and stay there; empty at its end.
    package static func peek(_ socket: CInt, limit: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let got = try Errno.check(unsafe clinux_peek(socket, &bytes, limit))
        bytes.removeSubrange(got...)
        return bytes
    }

    /// Sends at most all of `bytes`; answers how many were taken. Never raises SIGPIPE.
    package static func send(_ bytes: ArraySlice<UInt8>, to socket: CInt) throws(Errno) -> Int {
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe clinux_send(socket, $0.baseAddress, $0.count)
        }
        return try Errno.check(sent)
    }

    /// Ends one half of a connection. Nothing happens if it has ended already.
    package static func shutdown(_ socket: CInt, _ half: Half) {
        _ = clinux_shutdown(socket, half == .reading ? 1 : 0)
    }

    /// Removes the file of a socket.
    package static func remove(_ path: String) {
        if !path.hasPrefix("@") { _ = unsafe clinux_unlink(path) }
    }
}

/// Sockets that were made beforehand. They find abstract names where they were made, wherever the
/// process is when it connects them: such names belong to a network namespace, and so does a socket.
package final class SocketReserve: Sendable {
    private let sockets: Mutex<[CInt]>

    package init(count: Int) throws(Errno) {
        var made: [CInt] = []
        for _ in 0..<count {
            let socket = clinux_unix_socket()
            guard socket >= 0 else {
                for socket in made { _ = clinux_close(socket) }
                throw Errno(rawValue: -socket)
            }
            made.append(socket)
        }
        sockets = Mutex(made)
    }

    deinit { sockets.withLock { for socket in $0 { _ = clinux_close(socket) } } }

    /// As ``UnixSocket/connect(to:)``; once no socket is left, from where the process is.
    package func connect(to path: String) throws(Errno) -> FileDescriptor {
        guard let socket = sockets.withLock({ $0.popLast() }) else {
            return try UnixSocket.connect(to: path)
        }
        return try UnixSocket.connect(FileDescriptor(adopting: socket), to: path)
    }
}

/// Signals that concern the whole process.
package enum Signals {
    /// A write to a closed pipe or socket fails with ``Errno/brokenPipe`` and kills nobody.
    package static func ignoreBrokenPipe() { clinux_ignore_broken_pipe() }
}
