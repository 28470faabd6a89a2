// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// A flag between threads.
package final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    package init() {}
    package var isSet: Bool { value.load(ordering: .acquiring) }
    package func set() { value.store(true, ordering: .releasing) }

    /// Waits until it is set; false if that takes more than `seconds`.
    package func wait(seconds: UInt64 = 60) -> Bool {
        let deadline = Clock.monotonic + seconds * 1_000_000_000
        var nothing = PollSet()
        while !isSet {
            guard Clock.monotonic < deadline else { return false }
            nothing.wait(milliseconds: 1)
        }
        return true
    }
}

/// A thread of a test's, whose end is waited for, but not for ever.
///
/// Tests have as many threads as the host has processors. One that waits for what never ends keeps
/// its own from all tests that come after it, and the run goes on for ever. So a thread that is not
/// over in time is left behind, and who waited for it throws.
package final class TestThread: Sendable {
    /// Who was not over in time.
    package struct Stuck: Error, CustomStringConvertible {
        package let description: String
    }

    private let name: String
    private let isOver = Flag()
    private let thread = Mutex<Thread?>(nil)

    /// With as much stack as a processor's thread has.
    package init(_ name: String, body: @escaping @Sendable () -> Void) throws(Errno) {
        self.name = name
        let isOver = isOver
        try thread.withLock { thread throws(Errno) in
            thread = try Thread(name: name, stackSize: 4 << 20) {
                body()
                isOver.set()
            }
        }
    }

    deinit {
        let thread = thread.withLock { $0.take() }
        thread?.detach()
    }

    /// Waits for its end.
    package func join(seconds: UInt64 = 60) throws(Stuck) {
        guard isOver.wait(seconds: seconds) else {
            throw Stuck(description: "'\(name)' is not over after \(seconds) s, and is left behind")
        }
        let thread = thread.withLock { $0.take() }
        thread?.join()
    }

    private final class Box<Answer: Sendable>: Sendable {
        let result = Mutex<Result<Answer, any Error>?>(nil)
    }

    /// Calls `body`, which may never return, on a thread of its own, and answers what it does.
    package static func call<Answer: Sendable>(
        _ name: String, seconds: UInt64 = 60, _ body: @escaping @Sendable () throws -> Answer
    ) throws -> Answer {
        let box = Box<Answer>()
        let thread = try TestThread(name) {
            let result = Result { try body() }
            box.result.withLock { $0 = result }
        }
        try thread.join(seconds: seconds)
        guard let result = box.result.withLock({ $0 }) else {
            throw Stuck(description: "'\(name)' is over without an answer")
        }
        return try result.get()
    }
}
