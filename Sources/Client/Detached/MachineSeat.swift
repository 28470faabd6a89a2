// SPDX-License-Identifier: Apache-2.0
import Linux

/// A detached machine's directory, held by whoever makes the machine live: first the process that
/// was asked for it, then its supervisor. The machine counts as alive while somebody holds this.
package struct MachineSeat: ~Copyable, Sendable {
    package let machine: DetachedMachine
    private let life: FileLock

    init(_ machine: DetachedMachine, _ life: consuming FileLock) {
        self.machine = machine
        self.life = life
    }

    /// Takes over the seat of the machine `id` by the lock that was inherited with `descriptor`.
    package init(
        adopting descriptor: CInt, of id: String, in store: MachineStore
    ) throws(ClientError) {
        let life = FileLock(adopting: descriptor)
        guard let machine = DetachedMachine(id, of: store) else {
            throw ClientError(.system, "the machine \(id) has no directory in \(store.path)")
        }
        self.machine = machine
        self.life = life
    }

    /// The lock's descriptor, to be inherited by the supervisor.
    package var descriptor: CInt { life.file.rawValue }

    /// Says what has become of the machine.
    package func write(_ state: MachineState) throws(ClientError) {
        do throws(Errno) {
            try DetachedMachine.write(state, in: PrivateDirectory(machine.directory))
        } catch {
            throw machine.error(.system, "cannot keep its state: \(error)")
        }
    }

    /// Removes the machine, whose end has been written down. If somebody still reads of it, whoever
    /// looks next does that.
    package func remove() { machine.store.removeEnded(machine) }
}
