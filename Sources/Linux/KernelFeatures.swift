// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What the running kernel lets this process do, found by asking for each thing once.
package struct KernelFeatures: Hashable, Sendable {
    /// Version of Landlock's interface, from 1; nil: none.
    package var landlock: Int?
    /// Why each of these was refused; nil: it works.
    package var userfaultfd: Errno?
    package var ioUring: Errno?
    package var memoryFiles: Errno?
    package var userNamespaces: Errno?
    package var seccomp: Errno?
    /// Open files of a process: what counts now, and how far the process itself may raise that.
    package var fileLimit: Limit

    /// One of setrlimit(2).
    package struct Limit: Hashable, Sendable {
        package var soft: UInt64
        package var hard: UInt64

        package init(soft: UInt64, hard: UInt64) {
            self.soft = soft
            self.hard = hard
        }
    }

    /// All of it there, for tests to take away from.
    package init(landlock: Int? = 7, fileLimit: Limit = Limit(soft: 65536, hard: 1 << 20)) {
        self.landlock = landlock
        self.fileLimit = fileLimit
    }

    /// Asks the kernel that runs this process. Nothing of the questions stays.
    package static func probe() -> KernelFeatures {
        let version = clinux_landlock_version()
        var limit = clinux_limit()
        unsafe clinux_file_limit(&limit)
        var features = KernelFeatures(
            landlock: version > 0 ? Int(version) : nil,
            fileLimit: Limit(soft: limit.soft, hard: limit.hard))
        features.userfaultfd = refusal(clinux_probe_userfaultfd())
        features.ioUring = refusal(clinux_probe_io_uring())
        features.memoryFiles = refusal(clinux_probe_memfd())
        features.userNamespaces = refusal(clinux_probe_namespaces())
        features.seccomp = refusal(clinux_probe_seccomp())
        return features
    }

    private static func refusal(_ result: CInt) -> Errno? {
        result < 0 ? Errno(rawValue: -result) : nil
    }
}
