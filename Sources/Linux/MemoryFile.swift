// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Files that live in memory and have no name. memfd_create(2).
package enum MemoryFile {
    /// A new file that holds `bytes`, close-on-exec. `name` shows in /proc.
    package static func make(
        named name: String, holding bytes: [UInt8]
    ) throws(Errno) -> FileDescriptor {
        // MFD_CLOEXEC
        let file = FileDescriptor(
            adopting: try Errno.check(unsafe clinux_memfd_create(name, 1)))
        var rest = bytes[...]
        while !rest.isEmpty { rest = rest.dropFirst(try file.write(rest)) }
        return file
    }
}
