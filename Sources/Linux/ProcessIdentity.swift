// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A process of the host, told from a later one with its number by the moment of its start.
package struct ProcessIdentity: Hashable, Sendable {
    package let number: CInt
    /// Clock ticks between the host's start and the process's. proc_pid_stat(5), field 22.
    package let start: UInt64

    package init(number: CInt, start: UInt64) {
        self.number = number
        self.start = start
    }

    /// The process that has `number` now; nil: none has, or it has ended and waits to be reaped.
    package init?(running number: CInt) {
        guard number > 0, let start = Self.start(of: number) else { return nil }
        self.init(number: number, start: start)
    }

    package var isRunning: Bool { Self.start(of: number) == start }

    /// A descriptor of the process, readable once it has ended; nil: it has. pidfd_open(2).
    package func open() -> ProcessHandle? {
        let raw = clinux_pidfd(number)
        guard raw >= 0 else { return nil }
        let handle = ProcessHandle(descriptor: FileDescriptor(adopting: raw))
        // If it runs now, it did when the descriptor was made.
        guard isRunning else { return nil }
        return handle
    }

    /// Processor time that it has used so far, in nanoseconds.
    package var processorTime: UInt64? {
        var nanoseconds: UInt64 = 0
        guard unsafe clinux_process_time(number, &nanoseconds) == 0, isRunning else { return nil }
        return nanoseconds
    }

    /// Its share of the host's memory in bytes, pages that several have divided among them;
    /// nil: this user may not know, or it has ended.
    package var memory: UInt64? {
        guard let share = (try? MemoryMeter(of: number))?.share, isRunning else { return nil }
        return share
    }

    private static func start(of number: CInt) -> UInt64? {
        // The name before the last parenthesis is the program's to choose.
        guard let text = HostFiles().text("/proc/\(number)/stat"),
            let close = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }
}

/// A process that need not be a child of ours.
package struct ProcessHandle: ~Copyable, Sendable {
    /// Readable once the process has ended.
    package let descriptor: FileDescriptor

    /// False: it has ended, or belongs to another user.
    @discardableResult
    package func send(_ signal: Signal) -> Bool {
        clinux_pidfd_signal(descriptor.rawValue, signal.rawValue) == 0
    }

    /// Waits for its end, at most so many milliseconds (-1: for ever); false: it still runs.
    package func waitForEnd(milliseconds: CInt) -> Bool {
        var set = PollSet()
        set.add(descriptor.rawValue, .readable)
        set.wait(milliseconds: milliseconds)
        return set.isReadable(descriptor.rawValue)
    }
}
