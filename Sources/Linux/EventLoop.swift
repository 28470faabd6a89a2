// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// Waits for many descriptors on one thread and calls their handlers. epoll(7), level-triggered.
///
/// Handlers run on the thread that calls ``run()``. Registration is open to any thread.
package final class EventLoop: Sendable {
    /// What a descriptor is ready for, or is to be watched for.
    package struct Events: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static var readable: Events { Events(rawValue: 0x1) }
        package static var writable: Events { Events(rawValue: 0x4) }
        package static var error: Events { Events(rawValue: 0x8) }
        package static var hangUp: Events { Events(rawValue: 0x10) }
        package static var peerClosed: Events { Events(rawValue: 0x2000) }
        /// A read answers at once, be it with bytes, the end or an error.
        package static var input: Events { Events(rawValue: 0x2019) }
    }

    package typealias Handler = @Sendable (Events) -> Void

    private struct Registration {
        /// Never used twice, so that an event already fetched for a closed descriptor finds nobody.
        let token: UInt64
        let descriptor: CInt
        let handler: Handler
    }

    private struct State {
        /// By ascending token: a new one has the highest. No tables, which cost a start more than
        /// they save a loop.
        var registrations: [Registration] = []
        var nextToken: UInt64 = 1
        var stopped = false

        mutating func add(_ descriptor: CInt, _ handler: @escaping Handler) -> UInt64 {
            let token = nextToken
            nextToken += 1
            registrations.append(
                Registration(token: token, descriptor: descriptor, handler: handler))
            return token
        }

        /// There is at most one, outside ``EventLoop/add(_:_:handler:)``.
        func token(of descriptor: CInt) -> UInt64? {
            registrations.first { $0.descriptor == descriptor }?.token
        }

        func handler(of token: UInt64) -> Handler? {
            place(of: token).map { registrations[$0].handler }
        }

        /// Forgets those of `descriptor` that are older than `token`.
        mutating func forget(_ descriptor: CInt, before token: UInt64) {
            registrations.removeAll { $0.descriptor == descriptor && $0.token < token }
        }

        mutating func remove(_ token: UInt64) {
            if let place = place(of: token) { registrations.remove(at: place) }
        }

        private func place(of token: UInt64) -> Int? {
            var low = 0
            var high = registrations.count
            while low < high {
                let middle = (low + high) / 2
                if registrations[middle].token < token { low = middle + 1 } else { high = middle }
            }
            return low < registrations.count && registrations[low].token == token ? low : nil
        }
    }

    private let epoll: FileDescriptor
    /// What ``EndRequest`` writes to.
    let wake: EventFD
    private let state = Mutex(State())

    package init() throws(Errno) {
        epoll = FileDescriptor(adopting: try Errno.check(clinux_epoll_create()))
        wake = try EventFD()
        try Errno.check(
            clinux_epoll_control(
                epoll.rawValue, EPOLL_CTL_ADD, wake.descriptor.rawValue,
                Events.readable.rawValue, 0))
    }

    /// Calls `handler` whenever `descriptor` is ready for any of `events`, or has failed.
    /// The caller keeps the descriptor open until ``remove(_:)``. A handler of one that was closed
    /// before is forgotten here at the latest, when its number comes again.
    package func add(
        _ descriptor: CInt, _ events: Events, handler: @escaping Handler
    ) throws(Errno) {
        let token = state.withLock { $0.add(descriptor, handler) }
        let result = clinux_epoll_control(
            epoll.rawValue, EPOLL_CTL_ADD, descriptor, events.rawValue, token)
        state.withLock { state in
            // The kernel takes no number that it watches already. Of one that it takes, all it has been
            // told before is of a descriptor that is gone.
            if result < 0 { state.remove(token) } else { state.forget(descriptor, before: token) }
        }
        try Errno.check(result)
    }

    /// Changes what a registered descriptor is watched for.
    package func modify(_ descriptor: CInt, _ events: Events) throws(Errno) {
        let token = state.withLock { $0.token(of: descriptor) }
        guard let token else { throw .noEntry }
        try Errno.check(
            clinux_epoll_control(
                epoll.rawValue, EPOLL_CTL_MOD, descriptor, events.rawValue, token))
    }

    /// Stops watching. Call it before the descriptor is closed.
    package func remove(_ descriptor: CInt) {
        _ = clinux_epoll_control(epoll.rawValue, EPOLL_CTL_DEL, descriptor, 0, 0)
        state.withLock { state in
            if let token = state.token(of: descriptor) { state.remove(token) }
        }
    }

    /// Serves events until ``stop()``.
    package func run() {
        while serveOnce() {}
    }

    /// Waits for at most `milliseconds` (-1: for ever), serves what is ready; false once stopped.
    @discardableResult
    package func serveOnce(milliseconds: CInt = -1) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { events in
            let count = unsafe clinux_epoll_wait(
                epoll.rawValue, events.baseAddress, 64, milliseconds)
            guard count > 0, let first = events.baseAddress else { return }
            for index in 0..<Int(count) {
                let event = unsafe events[index]
                let watched = unsafe event.events
                let token = unsafe clinux_epoll_token(first + index)
                guard token != 0 else {
                    wake.drain()
                    continue
                }
                let handler = state.withLock { $0.handler(of: token) }
                handler?(Events(rawValue: watched))
            }
        }
        return !state.withLock { $0.stopped }
    }

    /// Makes ``run()`` return, from any thread or handler.
    package func stop() {
        state.withLock { $0.stopped = true }
        wake.signal()
    }
}
