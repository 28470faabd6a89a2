// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Many descriptors behind one: an epoll of its own, which polls readable when any of them is
/// newly ready. epoll(7), edge-triggered.
///
/// Each change of readiness is told once, so a descriptor whose owner cannot act now costs nothing
/// until it changes again.
package struct Poller: ~Copyable, Sendable {
    package let descriptor: FileDescriptor

    package init() throws(Errno) {
        descriptor = FileDescriptor(adopting: try Errno.check(clinux_epoll_create()))
    }

    /// Watches `watched` for input, output and hang-up. `token` comes back with its events.
    package func add(_ watched: CInt, token: UInt64) throws(Errno) {
        let events: EventLoop.Events = [.readable, .writable, .peerClosed, .edge]
        try Errno.check(
            clinux_epoll_control(
                descriptor.rawValue, EPOLL_CTL_ADD, watched, events.rawValue, token))
    }

    /// Stops watching. Call it before the descriptor is closed.
    package func remove(_ watched: CInt) {
        _ = clinux_epoll_control(descriptor.rawValue, EPOLL_CTL_DEL, watched, 0, 0)
    }

    /// What happened to one descriptor.
    package struct Event: Hashable, Sendable {
        package let token: UInt64
        package let events: EventLoop.Events
    }

    /// Replaces `events` by what is new, without waiting; at most 64, more come next time.
    package func poll(into events: inout [Event]) {
        events.removeAll(keepingCapacity: true)
        unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { buffer in
            guard let first = buffer.baseAddress else { return }
            let count = unsafe clinux_epoll_wait(descriptor.rawValue, first, 64, 0)
            for index in 0..<Int(max(count, 0)) {
                let watched = unsafe first[index].events
                let token = unsafe clinux_epoll_token(first + index)
                events.append(
                    Event(token: token, events: EventLoop.Events(rawValue: watched)))
            }
        }
    }
}

extension EventLoop.Events: Hashable {
    fileprivate static var edge: EventLoop.Events { EventLoop.Events(rawValue: 1 << 31) }
}
