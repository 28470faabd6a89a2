// SPDX-License-Identifier: Apache-2.0
import Client
import Linux

/// How long a command may go on after somebody has asked for its end.
///
/// The first signal is the command's to answer. A second one ends the machine; so does time, after
/// a signal that is meant to end a program rather than to interrupt it.
struct Patience {
    /// What a command has to come to its end after SIGTERM or SIGHUP, in nanoseconds.
    private static var grace: UInt64 { 2_000_000_000 }

    private var first: Signal?
    private var limit: UInt64?

    /// Makes the signals that a session answers readable.
    static func signals() throws(ClientError) -> SignalReader {
        do throws(Errno) {
            return try SignalReader([.interrupt, .quit, .terminate, .hangUp, .windowChange])
        } catch {
            throw ClientError(.system, "cannot watch signals: \(error)")
        }
    }

    /// Whether `signal` goes to the command, and not to the machine.
    mutating func allows(_ signal: Signal) -> Bool {
        guard first == nil else { return false }
        first = signal
        if signal == .terminate || signal == .hangUp { limit = Clock.monotonic + Self.grace }
        return true
    }

    /// The exit status if patience or time (`deadline`) is at its end.
    func hasRunOut(_ deadline: UInt64?) -> CInt? {
        let now = Clock.monotonic
        if let deadline, now >= deadline { return ExitStatus.timedOut }
        if let limit, let first, now >= limit { return ExitStatus.killed(by: first) }
        return nil
    }

    /// Until when to wait at most; nil: for ever.
    func end(before deadline: UInt64?) -> UInt64? { [deadline, limit].compactMap { $0 }.min() }
}
