// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Tells that files in a directory were written to, or got their names. inotify(7).
package struct DirectoryWatch: ~Copyable, Sendable {
    /// Readable once something has happened; never blocks.
    package let descriptor: FileDescriptor

    /// From now on. An error if this user has no watch left, too.
    package init(_ path: String) throws(Errno) {
        descriptor = FileDescriptor(
            adopting: try Errno.check(unsafe clinux_watch_directory(path)))
    }

    /// Asks to be woken once something has happened.
    package func register(in set: inout PollSet) { set.add(descriptor.rawValue, .readable) }

    /// Forgets what has happened so far.
    package func drain() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while let count = try? descriptor.read(into: &buffer), count > 0 {}
    }
}
