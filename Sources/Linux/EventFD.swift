// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A counter that wakes whoever polls it. eventfd(2), never blocking.
package struct EventFD: ~Copyable, Sendable {
    package let descriptor: FileDescriptor

    package init() throws(Errno) {
        let raw = clinux_eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
        descriptor = FileDescriptor(adopting: try Errno.check(raw))
    }

    /// Adds one.
    package func signal() {
        var one: UInt64 = 1
        _ = unsafe clinux_write(descriptor.rawValue, &one, 8)
    }

    /// Takes the count back to zero and answers it.
    @discardableResult
    package func drain() -> UInt64 {
        var count: UInt64 = 0
        let result = unsafe clinux_read(descriptor.rawValue, &count, 8)
        return result == 8 ? count : 0
    }
}
