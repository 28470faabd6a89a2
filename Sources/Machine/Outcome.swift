// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// How the machine ends: the first reason that anybody gives counts.
final class Outcome: Sendable {
    private struct State {
        var end: MachineEnd?
        var stop: (@Sendable () -> Void)?
        var processorsFailed: UInt64 = 0
        var untoldPauses: UInt64 = 0
    }

    private let state = Mutex(State())

    var result: MachineEnd? { state.withLock { $0.end } }

    /// Calls `stop` at the end, or now if that has come.
    func onEnd(_ stop: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            state.stop = stop
            return state.end != nil
        }
        if isOver { stop() }
    }

    /// Ends the machine, unless it has ended. Any thread.
    func end(_ end: MachineEnd) {
        let stop = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.end == nil else { return nil }
            state.end = end
            return state.stop
        }
        stop?()
    }

    /// How many processors could not go on.
    var failedProcessors: UInt64 { state.withLock { $0.processorsFailed } }

    /// Ends the machine because a processor cannot go on.
    func fail(_ end: MachineEnd) {
        state.withLock { $0.processorsFailed += 1 }
        self.end(end)
    }

    /// How often a processor went on after a pause that its guest could not be told of.
    var untoldPauses: UInt64 { state.withLock { $0.untoldPauses } }

    func noteUntold() { state.withLock { $0.untoldPauses += 1 } }
}
