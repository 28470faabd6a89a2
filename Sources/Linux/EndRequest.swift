// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A signal that asks this process to end in order: SIGTERM, SIGINT or SIGHUP. sigaction(2).
///
/// Who serves an event loop ends the process; no thread has to wait for the signal beside it. What
/// holds, and why:
///
/// * None is lost. They are blocked from ``hold(waking:seconds:hungUp:)`` on, which comes before the
///   first thread, so that one which comes earlier than anybody is ready waits in the kernel, and no
///   other thread's calls are ever interrupted. They have handlers, so that init(1) of a process
///   namespace, which the kernel spares what it does not handle, gets them too.
/// * A loop that sleeps is woken, by an eventfd; one that serves a device goes on after that turn,
///   which is short. Requests to drives take as long as they take on threads of their own, and hold
///   up the end of the process no more than the kernel does: exit_group(2) waits for none that can be
///   broken off.
/// * Before ``admit()`` they wait: a start that hangs on a file whose server is gone is SIGKILL's.
/// * A loop that is stuck ends all the same. The handler, which runs amid whatever the loop does (a
///   write to a terminal that nobody reads, the wait for a drive's thread as the machine ends, a turn
///   without an end), sets a timer, and its signal ends the process. That of a timer which was here
///   before, and waits perhaps, ends nothing. What only the kernel can break off, as a page of a file
///   whose server is gone, is left to SIGKILL, as it is in any program.
/// * The first counts, for the status as for the time: further ones say nothing new, and must not cut
///   short what writes the last line of metrics and takes away sockets. SIGKILL is for who cannot wait.
/// * The handlers make four calls, all of which the policies of who takes them allow, and touch no
///   lock and no memory that could be another's at that moment.
///
/// Whatever else could be signalled is not answered: metrics are asked for by requests and written
/// now and then, the monitor's terminal has no size, and SIGSTOP and SIGCONT are the kernel's.
package enum EndRequest {
    /// Which has come, if anybody takes them. The first stays.
    package static var signal: Signal? {
        let number = clinux_request()
        return number == 0 ? nil : Signal(rawValue: number)
    }

    /// Keeps them back from this thread, and from those it makes, until ``admit()``.
    ///
    /// - Parameters:
    ///   - loop: Wakes up at the first, and must live for ever.
    ///   - seconds: How long the process then has, before it ends with status 0.
    ///   - hungUp: Its status instead after SIGHUP.
    package static func hold(
        waking loop: EventLoop, seconds: CInt, hungUp: CInt
    ) throws(Errno) {
        try Errno.check(clinux_hold_requests(loop.wake.descriptor.rawValue, seconds, hungUp))
    }

    /// From now on this thread takes them. One thread does.
    package static func admit() { clinux_admit_requests() }

    /// Does nothing but take them, for a loop that another thread serves.
    package static func serve() -> Never {
        admit()
        clinux_await_requests()
    }
}
