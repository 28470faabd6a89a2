// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Small questions about this process and its files.
package enum HostFacts {
    package static var processID: CInt { getpid() }

    /// Permission bits of the file at `path`, links not followed.
    package static func fileMode(_ path: String) throws(Errno) -> UInt32 {
        UInt32(try Errno.check(unsafe clinux_file_mode(path)))
    }
}
