// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Parts of the host that a process can have of its own. namespaces(7).
package struct Namespaces: OptionSet, Hashable, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static var mount: Namespaces { Namespaces(rawValue: CLINUX_NEW_MOUNT) }
    package static var network: Namespaces { Namespaces(rawValue: CLINUX_NEW_NETWORK) }
    package static var ipc: Namespaces { Namespaces(rawValue: CLINUX_NEW_IPC) }
    package static var hostName: Namespaces { Namespaces(rawValue: CLINUX_NEW_UTS) }
    /// Not for this process, but for its next child and all after it.
    package static var process: Namespaces { Namespaces(rawValue: CLINUX_NEW_PROCESS) }
    /// In it a process has all rights, over what belongs to it. Only for a process of one thread.
    package static var user: Namespaces { Namespaces(rawValue: CLINUX_NEW_USER) }

    /// Leaves those of the host. In a user namespace of one's own, one's user and group keep their
    /// numbers, and all others are nobody.
    package func unshare() throws(Errno) {
        let user = geteuid()
        let group = getegid()
        try Errno.check(clinux_unshare(rawValue))
        if contains(.user) { try Errno.check(clinux_map_self(user, group)) }
    }

    /// Goes into the network namespace that the file at `path` stands for.
    package static func joinNetwork(_ file: borrowing FileDescriptor) throws(Errno) {
        try Errno.check(clinux_join(file.rawValue, CLINUX_NEW_NETWORK))
    }
}

/// What a process sees as `/`. All of it is for processes with a mount namespace of their own.
package enum RootDirectory {
    /// Nothing that is mounted here shows outside. With `receiving`, what the host mounts later
    /// shows here.
    package static func detachMounts(receiving: Bool) throws(Errno) {
        try Errno.check(clinux_detach_mounts(receiving ? 1 : 0))
    }

    /// Makes the working directory the root, with what is mounted below it. Nothing else is left.
    package static func becomeWorkingDirectory() throws(Errno) {
        try Errno.check(clinux_pivot_here())
    }

    /// Makes an empty directory the root that nobody can write; only the directory `kept` stays,
    /// under its path. A relative path stays right: the working directory is moved too.
    package static func becomeEmpty(keeping kept: String?) throws(Errno) {
        let root = FileDescriptor(adopting: try Errno.check(clinux_empty_root()))
        guard let kept else {
            try Errno.check(clinux_pivot_into(root.rawValue))
            try Errno.check(clinux_seal_root())
            return
        }
        let tree = FileDescriptor(adopting: try Errno.check(unsafe clinux_clone_tree(kept)))
        try Errno.check(clinux_pivot_into(root.rawValue))
        try place(tree, at: kept)
        try Errno.check(clinux_seal_root())
    }

    /// - Parameter path: Without `..`; one that is `.` becomes the working directory.
    private static func place(
        _ tree: consuming FileDescriptor, at path: String
    ) throws(Errno) {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw .invalid }
        var directory = try Directory(trusting: "/")
        for part in parts.isEmpty ? ["here"] : parts {
            _ = try directory.makeDirectory(String(part), mode: 0o755)
            directory = try directory.directory(String(part))
        }
        try Errno.check(unsafe clinux_place_tree(tree.rawValue, directory.path))
        if parts.isEmpty { try Directory(trusting: directory.path).enter() }
    }
}
