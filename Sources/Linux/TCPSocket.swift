// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// TCP sockets of this host; never blocking, close-on-exec. tcp(7).
package enum TCPSocket {
    /// Waits for connections at a numeric address, IPv4 or IPv6 (``Errno/invalid`` for any other),
    /// and a port; 0: any that is free.
    package static func listen(
        at address: String, port: UInt16, backlog: CInt = 1024
    ) throws(Errno) -> FileDescriptor {
        let raw = unsafe clinux_tcp_listen(address, port, backlog)
        return FileDescriptor(adopting: try Errno.check(raw))
    }

    /// The port that `socket` is bound to.
    package static func port(of socket: borrowing FileDescriptor) throws(Errno) -> UInt16 {
        UInt16(truncatingIfNeeded: try Errno.check(clinux_tcp_port(socket.rawValue)))
    }

    /// The next connection that waits, or `.again`. What is written to it leaves at once.
    package static func accept(on listener: CInt) throws(Errno) -> FileDescriptor {
        let socket = FileDescriptor(adopting: try Errno.check(clinux_accept(listener)))
        clinux_tcp_tune(socket.rawValue)
        return socket
    }

    /// Lets the end of `socket` be seen by the other end as what it is: not the end of the data,
    /// but a broken connection.
    package static func `break`(_ socket: borrowing FileDescriptor) {
        clinux_tcp_break(socket.rawValue)
    }
}

extension Errno {
    package static var addressInUse: Self { Self(rawValue: EADDRINUSE) }
    package static var aborted: Self { Self(rawValue: ECONNABORTED) }
}
