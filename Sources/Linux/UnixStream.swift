// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Who is at the other end of a Unix socket, as the kernel says.
package struct UnixPeer: Hashable, Sendable {
    package let process: CInt
    package let user: UInt32
}

/// Stream sockets between processes of this host. unix(7).
///
/// A name that begins with `@` is abstract: it is no file, the kernel forgets it with the last
/// descriptor of the socket, and it has no permissions, so whoever accepts asks for the peer.
package enum UnixStream {
    /// The user this process acts as.
    package static var user: UInt32 { geteuid() }

    /// A nonblocking socket that listens under `name`, at most 107 bytes.
    package static func listen(_ name: String, backlog: CInt = 8) throws(Errno) -> FileDescriptor {
        var name = name
        let result = name.withUTF8 { unsafe clinux_stream_listen($0.baseAddress, $0.count, backlog) }
        return FileDescriptor(adopting: try Errno.check(result))
    }

    /// A blocking socket connected to `name`, at most 107 bytes.
    package static func connect(_ name: String) throws(Errno) -> FileDescriptor {
        var name = name
        let result = name.withUTF8 { unsafe clinux_stream_connect($0.baseAddress, $0.count) }
        return FileDescriptor(adopting: try Errno.check(result))
    }

    /// The next connection of a listening socket, nonblocking; ``Errno/again`` if there is none.
    package static func accept(
        _ listener: borrowing FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        FileDescriptor(adopting: try Errno.check(clinux_stream_accept(listener.rawValue)))
    }

    /// Who connected, or listens, at the other end of `socket`.
    package static func peer(_ socket: borrowing FileDescriptor) throws(Errno) -> UnixPeer {
        var process: CInt = 0
        var user: UInt32 = 0
        try Errno.check(unsafe clinux_stream_peer(socket.rawValue, &process, &user))
        return UnixPeer(process: process, user: user)
    }

    /// Writes at most all of `bytes`; a peer that is gone is ``Errno/brokenPipe``, never a signal.
    package static func send(
        _ bytes: ArraySlice<UInt8>, to socket: borrowing FileDescriptor
    ) throws(Errno) -> Int {
        let raw = socket.rawValue
        let result = unsafe bytes.withUnsafeBytes { unsafe clinux_stream_send(raw, $0.baseAddress, $0.count) }
        return try Errno.check(result)
    }
}
