// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// Signals, by which a supervisor is told what to do.
extension DetachedMachine {
    /// Has the supervisor end the machine, once its disks are at rest. SIGRTMAX, which no program
    /// uses for itself.
    package static var endSignal: Signal { Signal(rawValue: 64) }

    /// Signals that a supervisor passes on to the command. Left out are those that end the
    /// supervisor by its own fault, tell of its children, or cannot be caught.
    package static var passedSignals: [Signal] {
        let named: [CInt] = [
            1, 2, 3, 10, 12, 14, 15, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
        ]
        return (named + Array(34...63)).map { Signal(rawValue: $0) }
    }

    /// Sends the command's process group a signal, or the whole machine SIGKILL.
    package func send(_ signal: Signal) throws(ClientError) {
        if signal == .kill { return try kill() }
        guard Self.passedSignals.contains(signal) else {
            throw ClientError(
                .badConfiguration,
                "signal \(signal.rawValue) cannot be passed on to a machine's command")
        }
        try tell(signal)
    }

    private func tell(_ signal: Signal) throws(ClientError) {
        guard try supervisor().send(signal) else { throw error(.machineEnded, "is not running") }
    }
}

/// The end of a machine.
extension DetachedMachine {
    /// Waits at most so many seconds (nil: as long as it takes); false: it still lives.
    package func waitForEnd(seconds: Double? = nil) -> Bool {
        let deadline = seconds.map(Clock.deadline(in:))
        while isAlive {
            let now = Clock.monotonic
            if let deadline, now >= deadline { return false }
            let rest = deadline.map { min(($0 - now) / 1_000_000 + 1, 60_000) } ?? 60_000
            // The lock is free before the process counts as ended.
            if let supervisor = state?.supervisor, let handle = supervisor.open() {
                _ = handle.waitForEnd(milliseconds: CInt(rest))
            } else {
                var set = PollSet()
                set.wait(milliseconds: CInt(min(rest, 20)))
            }
        }
        return true
    }

    /// Ends it: the command gets SIGTERM, after so many seconds the guest's agent ends all programs
    /// and brings the disks to rest, and if nothing else helps the processes are killed.
    package func stop(seconds: Double) throws(ClientError) {
        if status == .paused { try api().resume() }
        try tell(.terminate)
        if waitForEnd(seconds: seconds) { return }
        // It may have ended just now.
        try? tell(Self.endSignal)
        if !waitForEnd(seconds: record.disks.isEmpty ? 5 : 35) { try kill() }
    }

    /// Ends it at once, as a power cut would. Returns when nothing of it runs any more.
    package func kill() throws(ClientError) {
        let state = try livingState()
        state.supervisor.open()?.send(.kill)
        let deadline = Clock.deadline(in: 10)
        // The kernel kills the monitor with its supervisor; that takes a moment.
        while isAlive || state.monitor?.isRunning ?? false {
            guard Clock.monotonic < deadline else {
                throw error(.timedOut, "has not ended ten seconds after SIGKILL")
            }
            var set = PollSet()
            set.wait(milliseconds: 5)
        }
        // Has its end written down.
        _ = try store.machines()
    }
}
