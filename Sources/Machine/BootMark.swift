// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// When and after how many instructions the guest said that it had come up: by its first write to the
/// boot timer.
final class BootMark: Sendable {
    struct Moment: Sendable {
        let time: UInt64
        /// What the process had used of the host's processors, in nanoseconds.
        let processorTime: UInt64
        let instructions: UInt64?
    }

    private let first = Mutex<Moment?>(nil)

    /// Nil: it has not yet.
    var moment: Moment? { first.withLock { $0 } }

    /// Notes a write; nil: it is not the first.
    func note(_ time: UInt64, instructions: UInt64?) -> Moment? {
        first.withLock { first in
            guard first == nil else { return nil }
            first = Moment(
                time: time, processorTime: Clock.processCPU, instructions: instructions)
            return first
        }
    }
}
