// SPDX-License-Identifier: Apache-2.0
import CLinux

/// How a child process came to its end.
package enum ProcessEnd: Hashable, Sendable {
    /// By itself, with this status.
    case exited(UInt8)
    /// By this signal.
    case signalled(CInt)
}

/// A program that runs as a child of this process, and that the kernel kills with it.
///
/// The kernel's promise (prctl(2), `PR_SET_PDEATHSIG`) is about the thread that made the child.
/// So each child has a thread of ours that makes it and then waits for its end.
package struct ChildProcess: ~Copyable {
    /// Process number.
    package let identifier: CInt
    /// Readable once the child has ended. pidfd_open(2).
    package let descriptor: FileDescriptor
    private let parent: Thread

    /// Starts the program at `path` with nothing of ours but `descriptors`: the first becomes its
    /// descriptor 0, and so on, at most 16. The environment is empty unless one is given.
    ///
    /// The child has its own session, default signal actions and no signal blocked.
    ///
    /// - Parameter isolated: It sees no process but those that it makes, where the host allows that.
    package init(
        path: String, arguments: [String], environment: [String] = [], descriptors: [CInt],
        isolated: Bool = false
    ) throws(Errno) {
        let answer = try Answer()
        let parent = try Thread(name: "child", stackSize: 64 << 10) {
            let made = Self.spawn(
                path, arguments, environment, descriptors, diesWithParent: true,
                isolated: isolated)
            answer.give(made)
            if made > 0 { clinux_wait_ended(made) }
        }
        let made = answer.take()
        guard made > 0 else {
            parent.join()
            throw Errno(rawValue: -made)
        }
        let watch = clinux_pidfd(made)
        guard watch >= 0 else {
            kill(made, SIGKILL)
            parent.join()
            _ = clinux_reap(made)
            throw Errno(rawValue: -watch)
        }
        identifier = made
        descriptor = FileDescriptor(adopting: watch)
        self.parent = parent
    }

    /// Does nothing once the child has ended.
    package func send(_ signal: Signal) {
        _ = clinux_pidfd_signal(descriptor.rawValue, signal.rawValue)
    }

    /// Waits for the end of the child and lets the kernel forget it.
    package consuming func reap() -> ProcessEnd {
        parent.join()
        let status = clinux_reap(identifier)
        return status < 256
            ? .exited(UInt8(truncatingIfNeeded: status)) : .signalled(status - 256)
    }

    /// Waits for the end of a child whose manner does not matter. For owners that cannot give the
    /// value away, such as a class as it goes.
    package func forget() { _ = clinux_reap(identifier) }

    /// Carries one number from thread to thread.
    private final class Answer: Sendable {
        private let pipe: Pipe

        init() throws(Errno) { pipe = try Pipe() }

        func give(_ value: CInt) {
            var value = value
            _ = unsafe clinux_write(pipe.writer.rawValue, &value, MemoryLayout<CInt>.size)
        }

        func take() -> CInt {
            var value: CInt = 0
            var count = 0
            repeat {
                count = unsafe clinux_read(
                    pipe.reader.rawValue, &value, MemoryLayout<CInt>.size)
            } while count == Int(-EINTR)
            return count == MemoryLayout<CInt>.size ? value : -EIO
        }
    }

    fileprivate static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String], _ descriptors: [CInt],
        diesWithParent: Bool, isolated: Bool
    ) -> CInt {
        // SAFETY: the C strings and arrays live until `clinux_spawn` returns, and by then the
        // child has its own memory.
        unsafe withCStrings([path] + arguments) { argumentList in
            unsafe withCStrings(environment) { environmentList in
                unsafe descriptors.withUnsafeBufferPointer { descriptors in
                    var child = unsafe clinux_child(
                        path: argumentList[0], arguments: argumentList,
                        environment: environmentList, descriptors: descriptors.baseAddress,
                        descriptor_count: CInt(descriptors.count), new_session: 1,
                        dies_with_parent: diesWithParent ? 1 : 0, isolated: isolated ? 1 : 0)
                    return unsafe clinux_spawn(&child)
                }
            }
        }
    }
}

/// A program that goes on when this process has ended.
package enum DetachedProcess {
    /// Starts the program at `path`, as ``ChildProcess`` does, but leaves it alone from then on.
    package static func start(
        path: String, arguments: [String], environment: [String], descriptors: [CInt]
    ) throws(Errno) {
        try Errno.check(
            ChildProcess.spawn(
                path, arguments, environment, descriptors, diesWithParent: false, isolated: false))
    }
}

/// A one-way stream of bytes between two descriptors, both close-on-exec. pipe(2).
package struct Pipe: ~Copyable {
    package let reader: FileDescriptor
    package let writer: FileDescriptor

    package init() throws(Errno) {
        var ends: [CInt] = [0, 0]
        let result = unsafe ends.withUnsafeMutableBufferPointer { ends in
            unsafe clinux_pipe(ends.baseAddress)
        }
        try Errno.check(result)
        reader = FileDescriptor(adopting: ends[0])
        writer = FileDescriptor(adopting: ends[1])
    }

    /// Keeps one end and closes the other.
    package consuming func intoReader() -> FileDescriptor { reader }

    /// Keeps one end and closes the other.
    package consuming func intoWriter() -> FileDescriptor { writer }
}
