// SPDX-License-Identifier: Apache-2.0
import Linux

/// Keeps what there is of a machine that is removed when it ends, for somebody who has not read all
/// of it yet.
package final class MachineHold {
    private let machine: DetachedMachine
    private var lock: FileLock?

    private init(_ machine: DetachedMachine, _ lock: consuming FileLock) {
        self.machine = machine
        self.lock = consume lock
    }

    /// Nil: the machine stays anyway, or is gone already.
    package static func take(_ machine: DetachedMachine) -> MachineHold? {
        guard machine.record.isTemporary else { return nil }
        // Who looks whether there are readers has the lock for a moment.
        let deadline = Clock.deadline(in: 1)
        repeat {
            do throws(Errno) {
                let lock = try PrivateDirectory(machine.directory)
                    .lock(DetachedMachine.File.readers, .shared, makes: true)
                if let lock { return MachineHold(machine, lock) }
            } catch {
                return nil
            }
            var set = PollSet()
            set.wait(milliseconds: 5)
        } while Clock.monotonic < deadline
        return nil
    }

    /// All has been read: the machine goes if it has ended and nobody else reads.
    package func release() {
        lock = nil
        _ = try? machine.store.machines()
    }
}
