// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What a process gives up for good.
package enum Confinement {
    /// No program that this process starts gets more rights than it has. prctl(2),
    /// `PR_SET_NO_NEW_PRIVS`.
    package static func renouncePrivileges() throws(Errno) {
        try Errno.check(clinux_no_new_privileges())
    }

    /// All threads share one heap: each of its own would look into /proc when it shrinks, and cost
    /// pages. Before the first thread. mallopt(3), `M_ARENA_MAX`.
    package static func useOneHeap() throws(Errno) { try Errno.check(clinux_one_heap()) }

    /// All capabilities of this thread, for ever after ``renouncePrivileges()``. capabilities(7).
    package static func dropCapabilities() throws(Errno) {
        try Errno.check(clinux_drop_capabilities())
    }

    /// No core file holds the guest's memory, and no process of the same user may look into this
    /// one; nor may it open files of its own below `/proc/self` that only their owner may.
    package static func hide() throws(Errno) {
        try Errno.check(clinux_hide_process())
    }

    /// Nothing of the environment is left, in memory too.
    package static func clearEnvironment() { clinux_clear_environment() }

    /// Closes all descriptors but `kept`; what stays above 2 is closed on exec.
    package static func closeDescriptors(except kept: [CInt]) throws(Errno) {
        var sorted: [CInt] = []
        for number in kept.sorted() where number >= 0 && number != sorted.last {
            sorted.append(number)
        }
        let result = unsafe sorted.withUnsafeBufferPointer { kept in
            unsafe clinux_close_descriptors(kept.baseAddress, kept.count)
        }
        try Errno.check(result)
    }
}
