// SPDX-License-Identifier: Apache-2.0
import Linux

/// Waits for a machine to write something into its directory, or to end. To wait costs nothing.
package struct MachineWatch: ~Copyable {
    private let machine: DetachedMachine
    /// Nil: this user has no watch left, so whoever waits looks again now and then.
    private let files: DirectoryWatch?
    /// Nil: it was not there yet, or has ended.
    private var supervisor: ProcessHandle?

    /// From now on: what is looked at afterwards and is written later ends a wait.
    package init(_ machine: DetachedMachine) {
        self.machine = machine
        files = try? DirectoryWatch(machine.directory)
        supervisor = machine.state?.supervisor.open()
    }

    /// Waits until something was written since the last wait, or the machine has ended, or nobody reads
    /// `stream` any more; false: that.
    package mutating func wait(whileReading stream: CInt) -> Bool {
        var set = PollSet()
        set.add(stream, [])
        let isWatched = files?.register(in: &set) != nil
        if supervisor == nil { supervisor = machine.state?.supervisor.open() }
        let process = supervisor?.descriptor.rawValue
        if let process { set.add(process, .readable) }
        set.wait(milliseconds: process == nil ? 20 : isWatched ? -1 : 200)
        files?.drain()
        // Then its lock is free, or another process that goes away has it for a moment longer.
        if let process, set.isReadable(process) { supervisor = nil }
        return set.readiness(of: stream).isDisjoint(with: .ended)
    }
}
