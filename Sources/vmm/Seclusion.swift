// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// Namespaces of the monitor's own, with an empty directory as its root.
///
/// What is open stays open, and works as before: memory, drives, interfaces, /dev/kvm, sockets. It is
/// for a monitor that opens nothing more, and before Landlock, which lets nobody mount. A host that
/// forbids it costs these walls and no others.
enum Seclusion: Sendable {
    /// The process has these of its own, and with `sharing` an empty network, in which others of ours
    /// may be.
    case entered(Namespaces, sharing: Bool)
    /// It stays in the host's.
    case refused(Errno)

    /// What it came to, for a person.
    var description: String {
        switch self {
        case .entered(let own, let sharing):
            "own namespaces: "
                + (Self.names(own) + (Self.hasOwnProcesses ? ["process"] : []))
                .joined(separator: ", ") + (sharing ? "; an empty network, shared" : "")
        case .refused: "warning: " + (warning ?? "")
        }
    }

    /// What is to be said if the wall is not there.
    var warning: String? {
        guard case .refused(let error) = self else { return nil }
        return "the monitor has no namespaces of its own: \(error); see 'swiftlet doctor'"
    }

    /// Enters them. Before the first thread.
    ///
    /// - Parameter mayShare: No thread can listen there, so that others may be in its network.
    static func enter(_ config: VMConfig, sharing mayShare: Bool) -> Seclusion {
        let folder = socketFolder(config)
        var wanted = Namespaces.ipc.union(.hostName)
        if !reachesHost(config) { wanted.insert(.network) }
        // A socket in the root itself, or whose path leads up again, would not be found there.
        let hasRoot = folder != "/" && folder?.split(separator: "/").contains("..") != true
        if hasRoot { wanted.insert(.mount) }
        do throws(Errno) {
            let (own, sharing) = try leave(wanted, mayShare)
            if hasRoot {
                try RootDirectory.detachMounts(receiving: false)
                try RootDirectory.becomeEmpty(keeping: folder)
            }
            return .entered(own, sharing: sharing)
        } catch {
            return .refused(error)
        }
    }

    /// Whoever may not leave the host's namespaces may do so from a user namespace.
    private static func leave(
        _ wanted: Namespaces, _ mayShare: Bool
    ) throws(Errno) -> (own: Namespaces, sharing: Bool) {
        do throws(Errno) {
            // It is left in any case; the answer says who else may be in the new one.
            let enters = mayShare && wanted.contains(.network)
            let sharing = enters ? try EmptyNetwork.enter() : false
            try wanted.subtracting(enters ? .network : []).unshare()
            let own = wanted.subtracting(sharing ? .network : [])
            return (own, sharing)
        } catch .notPermitted {
            try wanted.union(.user).unshare()
            return (wanted.union(.user), false)
        }
    }

    /// Whether calls of the guest are to find abstract names, and nobody knows how many there will be.
    private static func reachesHost(_ config: VMConfig) -> Bool {
        config.vsock?.path.hasPrefix("@") == true && config.swiftlet.guestCalls == nil
    }

    /// The directory with the sockets of vsock, which calls of the guest go to by their paths.
    private static func socketFolder(_ config: VMConfig) -> String? {
        guard let path = config.vsock?.path, !path.hasPrefix("@") else { return nil }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func names(_ own: Namespaces) -> [String] {
        let all: [(Namespaces, String)] = [
            (.user, "user"), (.mount, "mount"), (.network, "network"), (.ipc, "IPC"),
            (.hostName, "UTS"),
        ]
        return all.filter { own.contains($0.0) }.map(\.1)
    }

    /// The first process of a namespace is its init(1). That one was made by who has started us.
    private static var hasOwnProcesses: Bool { CurrentProcess.identifier == 1 }
}
