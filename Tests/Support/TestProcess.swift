// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux

/// What a test does with processes that may never end.
package enum TestProcess {
    /// A child was not over in time; it was killed.
    package struct TooLong: Error, CustomStringConvertible {
        package let description: String
    }

    private static let hasEnd = Flag()

    /// The kernel kills this process after so long: one that a test waits for, and that may have no
    /// other end. Whatever signals it takes and calls it forbids itself, this one comes. The first
    /// call counts.
    package static func endsIn(seconds: Int = 120) throws(Errno) {
        guard !hasEnd.isSet else { return }
        hasEnd.set()
        var event = unsafe sigevent()
        unsafe event.sigev_notify = 0  // SIGEV_SIGNAL
        unsafe event.sigev_signo = SIGKILL
        // The first of a process has the number 0, a pointer to nothing.
        var timer: timer_t?
        var when = itimerspec()
        when.it_value.tv_sec = seconds
        guard unsafe timer_create(CLOCK_MONOTONIC, &event, &timer) == 0,
            unsafe timer_settime(timer, 0, &when, nil) == 0
        else { throw Errno(rawValue: errno) }
    }

    /// How `child` ended; one that takes longer is killed.
    package static func end(
        of child: consuming ChildProcess, _ name: String, seconds: CInt = 120
    ) throws -> ProcessEnd {
        let deadline = Clock.monotonic + UInt64(seconds) * 1_000_000_000
        var set = PollSet()
        set.add(child.descriptor.rawValue, .readable)
        // A signal ends a wait, too.
        repeat {
            set.wait(until: deadline)
        } while !set.isReadable(child.descriptor.rawValue) && Clock.monotonic < deadline
        let isOver = set.isReadable(child.descriptor.rawValue)
        if !isOver { child.send(.kill) }
        let end = child.reap()
        guard isOver else {
            throw TooLong(description: "\(name.prefix(200)) had not ended after \(seconds) s")
        }
        return end
    }

    /// Runs a program, looked up in the usual places, to its end: what it said on both its outputs.
    /// `folder` is where it runs.
    ///
    /// It is not Foundation's `Process`, which sees the end of one child only after those that were
    /// started meanwhile, and whose pipe has no end as long as any of them has it.
    package static func run(
        _ program: String, _ arguments: [String], in folder: String = "/", seconds: CInt = 120
    ) throws -> (end: ProcessEnd, output: String) {
        let nothing = try FileDescriptor.open("/dev/null")
        let said = try ScratchFile()
        let output = try FileDescriptor.open(said.path, flags: FileSystem.appending)
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let child = try ChildProcess(
            path: "/usr/bin/env", arguments: ["--chdir=\(folder)", program] + arguments,
            environment: ["PATH=\(path)", "LC_ALL=C"],
            descriptors: [nothing.rawValue, output.rawValue, output.rawValue])
        let end = try end(of: child, program, seconds: seconds)
        let bytes = try said.read(count: 4 << 20)
        return (end, String(decoding: bytes, as: UTF8.self))
    }
}
