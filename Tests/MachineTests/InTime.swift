// SPDX-License-Identifier: Apache-2.0
import Machine
import Support

/// A machine whose processors do not end keeps no test for ever.
extension Machine {
    /// As ``Machine/run()``, on a thread of its own.
    func runInTime() throws -> MachineEnd {
        try TestThread.call("the run of a machine", seconds: 120) { self.run() }
    }

    /// As ``Machine/finish()``, on a thread of its own.
    func finishInTime() throws -> MachineEnd {
        try TestThread.call("the end of a machine", seconds: 120) { self.finish() }
    }
}
