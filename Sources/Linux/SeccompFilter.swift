// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What a thread is for, and so what it may ask of the kernel.
package enum ThreadRole: String, CaseIterable, Hashable, Sendable {
    /// Runs one processor of the guest.
    case vcpu
    /// Serves the devices of a monitor without an API.
    case loop
    /// Serves one drive or network interface.
    case device
    /// Waits for signals, where the loop has a thread of its own for the API.
    case worker
    /// Serves the devices and the API, once the guest runs.
    case api
    /// The same thread before that: makes the machine, and the threads of all the others.
    case setup
}

/// A compiled policy.
package struct SeccompFilter: Hashable, Sendable {
    /// Each a `struct sock_filter` in 8 bytes.
    package let instructions: [UInt64]

    package init(instructions: [UInt64]) { self.instructions = instructions }

    /// Binds this thread, and the threads it makes afterwards, for ever.
    ///
    /// Needs ``Confinement/renouncePrivileges()`` first. A forbidden call ends the process: see
    /// ``watchViolations()``.
    package func install(_ role: ThreadRole) throws(Errno) {
        let name: StaticString =
            switch role {
            case .vcpu: "a vcpu"
            case .loop: "a loop"
            case .device: "a device"
            case .worker: "a worker"
            case .api: "an api"
            case .setup: "a setup"
            }
        // SAFETY: the kernel copies the instructions; a StaticString lives for ever.
        let result = unsafe instructions.withUnsafeBufferPointer { instructions in
            name.withUTF8Buffer { name in
                unsafe name.withMemoryRebound(to: CChar.self) { name in
                    unsafe clinux_seccomp_install(
                        instructions.baseAddress, instructions.count, name.baseAddress)
                }
            }
        }
        try Errno.check(result)
    }

    /// From now on a forbidden call in any thread ends the process with ``violationStatus``, after
    /// one line on standard error that names the call and the role.
    package static func watchViolations() throws(Errno) {
        try Errno.check(clinux_seccomp_watch())
    }

    /// From now on SIGBUS, SIGSEGV, SIGXFSZ, SIGXCPU and SIGILL end the process with 149, 150, 151,
    /// 154 and 157, after one line on standard error that names the signal.
    package static func watchEnds() throws(Errno) { try Errno.check(clinux_watch_ends()) }

    /// The line goes to this log, too, which stays open. Before the first thread is bound.
    package static func reportViolations(to log: CInt) { clinux_report_violations(log) }

    /// As Firecracker's.
    package static var violationStatus: CInt { CLINUX_BAD_SYSCALL }
}
