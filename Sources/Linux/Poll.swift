// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Descriptors that one thread waits for, gathered anew for each wait. poll(2).
///
/// Unlike ``EventLoop`` it takes ordinary files, which are always ready, and keeps no handlers.
package struct PollSet {
    /// What a descriptor is ready for.
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: Int16
        package init(rawValue: Int16) { self.rawValue = rawValue }
        package static let readable = Readiness(rawValue: Int16(POLLIN))
        package static let writable = Readiness(rawValue: Int16(POLLOUT))
        /// The other end is gone, or the descriptor failed; reported unasked.
        package static let ended = Readiness(rawValue: Int16(POLLHUP | POLLERR | POLLNVAL))
    }

    private var entries: [pollfd] = []

    package init() {}

    package mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// Watches `descriptor` in the next wait.
    package mutating func add(_ descriptor: CInt, _ wanted: Readiness) {
        entries.append(pollfd(fd: descriptor, events: wanted.rawValue, revents: 0))
    }

    /// Waits until one is ready or `milliseconds` have gone by; -1: for ever. A signal ends it too.
    package mutating func wait(milliseconds: CInt = -1) {
        let result = unsafe entries.withUnsafeMutableBufferPointer { entries in
            unsafe clinux_poll(entries.baseAddress, entries.count, milliseconds)
        }
        if result < 0 { for index in entries.indices { entries[index].revents = 0 } }
    }

    /// Waits until one is ready or `deadline` (``Clock/monotonic``; nil: never) has come, an hour at
    /// most. A signal ends it too.
    package mutating func wait(until deadline: UInt64?) {
        guard let deadline else { return wait() }
        let now = Clock.monotonic
        let rest = now < deadline ? min((deadline - now) / 1_000_000 + 1, 3_600_000) : 0
        wait(milliseconds: CInt(rest))
    }

    /// What `descriptor` was found ready for by the last wait; empty if it was not watched.
    package func readiness(of descriptor: CInt) -> Readiness {
        for entry in entries where entry.fd == descriptor {
            return Readiness(rawValue: entry.revents)
        }
        return []
    }

    /// Whether a read of `descriptor` answers at once, be it with bytes, the end or an error.
    package func isReadable(_ descriptor: CInt) -> Bool {
        !readiness(of: descriptor).isDisjoint(with: [.readable, .ended])
    }

    /// Whether a write to `descriptor` answers at once.
    package func isWritable(_ descriptor: CInt) -> Bool {
        !readiness(of: descriptor).isDisjoint(with: [.writable, .ended])
    }
}
