// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A network namespace with nothing in it, which those who may name it share until the host boots
/// again. network_namespaces(7).
///
/// To make one is the dearest step of a monitor's start, to take it away again costs the kernel as much,
/// and each holds some of its memory. The first is therefore kept under a name, as ip-netns(8) keeps its
/// own. Whoever is in it without capabilities can make no interface there, and nobody can be called there, as
/// no policy (`Policy/`) of a thread that is in it has a call that listens or gives a socket a name.
package enum EmptyNetwork {
    /// Leaves this process's network namespace.
    ///
    /// - Parameter path: The name, in a directory of this user's own that nobody else may write, and that
    ///   is made if its parent is there. Where
    ///   nothing is kept, a namespace is made, and kept there if that can be done.
    /// - Returns: Whether others may be in it.
    @discardableResult
    package static func enter(
        keptAt path: String = "/run/swiftlet/empty-network"
    ) throws(Errno) -> Bool {
        do throws(Errno) {
            try Namespaces.joinNetwork(open(path))
            return true
        } catch {
            try Namespaces.network.unshare()
        }
        do throws(Errno) {
            try keep(path)
            return true
        } catch {
            return false
        }
    }

    private static func open(_ path: String) throws(Errno) -> FileDescriptor {
        let (folder, name) = split(path)
        return try PrivateDirectory(folder).open(name, flags: O_RDONLY | O_NONBLOCK)
    }

    /// Gives the namespace a name, which lasts while the host runs.
    private static func keep(_ path: String) throws(Errno) {
        let own = "/proc/thread-self/ns/net"
        // In a jail there is no such file, and nothing of ours is to lie about there.
        _ = try FileDescriptor.open(own, flags: O_RDONLY)
        let (folder, name) = split(path)
        _ = unsafe clinux_mkdir(folder, 0o700)
        let flags = O_RDONLY | O_CREAT | O_NONBLOCK
        let file = try PrivateDirectory(folder).open(name, flags: flags)
        // Another start may have been first: its namespace is as good, and the name stands for one.
        if (try? Namespaces.joinNetwork(file)) != nil { return }
        try Errno.check(unsafe clinux_bind(own, path))
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return (String(path[..<slash]), String(path[slash...].dropFirst()))
    }
}
