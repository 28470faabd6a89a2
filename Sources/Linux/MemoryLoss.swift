// SPDX-License-Identifier: Apache-2.0
import CLinux
import Synchronization

/// What happens when the host cannot give a page of a mapped file, because the file has become
/// shorter or its disk is full: the process ends, with a sentence that names the file.
package enum MemoryLoss {
    private static let lock = Mutex(())

    /// As Firecracker's after SIGBUS.
    package static var exitStatus: CInt { CLINUX_MEMORY_LOST }

    /// Watches `count` bytes at `address`, until ``forget(_:)``.
    package static func watch(_ address: UInt, count: Int, sentence: String) throws(Errno) {
        let result = lock.withLock { _ in unsafe clinux_watch_loss(address, count, sentence) }
        try Errno.check(result)
    }

    /// Ends the watch over what begins at `address`.
    package static func forget(_ address: UInt) {
        lock.withLock { _ in clinux_forget_loss(address) }
    }
}
