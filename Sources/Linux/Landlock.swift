// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Files that this process may still reach, whatever its user may. landlock(7).
///
/// What is open already stays usable as it is. A path that does not exist needs no rule and gets none.
package struct Landlock: Sendable {
    /// What stays allowed at a path and, if it is a directory, below it.
    package struct Access: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }

        package static let read: Access = [readFile, readDirectory]
        /// To open for writing, and to cut.
        package static let write: Access = [writeFile, truncate]
        /// For devices: requests by ioctl(2).
        package static let control = Access(rawValue: 1 << 15)
        /// In a directory: to remove files and sockets.
        package static let removeFile = Access(rawValue: 1 << 5)
        /// To read files, and not to list them.
        package static let readFile = Access(rawValue: 1 << 2)

        private static let writeFile = Access(rawValue: 1 << 1)
        private static let readDirectory = Access(rawValue: 1 << 3)
        private static let truncate = Access(rawValue: 1 << 14)

        /// All that a kernel with this version of the interface can forbid.
        static func all(version: Int) -> Access {
            // 1: bits 0 to 12. 2: REFER. 3: TRUNCATE. 5: IOCTL_DEV.
            let count = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13
            return Access(rawValue: 1 << UInt64(count) - 1)
        }
    }

    private var rules: [(path: String, access: Access)] = []

    /// Nothing is allowed but what is added.
    package init() {}

    package mutating func allow(_ path: String, _ access: Access) {
        rules.append((path, access))
    }

    /// Version of the kernel's interface, from 1; nil: it has none.
    package static var version: Int? {
        let version = clinux_landlock_version()
        return version > 0 ? Int(version) : nil
    }

    /// Binds this thread, and the threads it makes afterwards, for ever. TCP is forbidden where the
    /// kernel can forbid it, as are signals to processes outside.
    ///
    /// Needs ``Confinement/renouncePrivileges()`` first. False: this kernel has no Landlock.
    package consuming func restrict() throws(Errno) -> Bool {
        guard let version = Self.version else { return false }
        let all = Access.all(version: version)
        // Binding and connecting TCP came with version 4; abstract sockets stay, as the agent's
        // connection is one: only signals are kept inside, since version 6.
        let ruleset = FileDescriptor(
            adopting: try Errno.check(
                clinux_landlock_create(
                    all.rawValue, version >= 4 ? 3 : 0, version >= 6 ? 2 : 0)))
        for rule in rules {
            let access = rule.access.intersection(all)
            try Errno.check(
                unsafe clinux_landlock_add(ruleset.rawValue, rule.path, access.rawValue))
        }
        try Errno.check(clinux_landlock_restrict(ruleset.rawValue))
        return true
    }
}
