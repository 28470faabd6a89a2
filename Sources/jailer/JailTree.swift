// SPDX-License-Identifier: Apache-2.0
import Linux

/// The directory that is all that the jailed program sees.
///
/// While it is made it belongs to root, so that nobody can put anything into it meanwhile; what
/// others have put there before is never followed, written or given away. The jailed user gets it
/// as the last step.
struct JailTree {
    let root: Directory
    /// With the jails of all machines of the program.
    private let programFolder: Directory
    private let user: UInt32
    private let group: UInt32
    private let undo: Undo
    /// Those that are handed over, with what is in them: `root` first.
    private var folders: Folders

    /// Directories that are taken from whoever has them, until they are handed over.
    private final class Folders {
        var all: [Directory] = []
    }

    /// Mode of a directory that is the jailed user's.
    private static var ownMode: UInt32 { 0o700 }

    /// Finds or makes `<base>/<program>/<identifier>/root`, and takes the last of them.
    init(
        _ base: Directory, _ program: String, _ identifier: String, user: UInt32, group: UInt32,
        undo: Undo
    ) throws(JailFailure) {
        self.user = user
        self.group = group
        self.undo = undo
        folders = Folders()
        programFolder = try Self.step(from: base, to: program, user: user, undo: undo)
        let machine = try Self.step(
            from: programFolder, to: identifier, user: user, undo: undo)
        root = try Self.step(from: machine, to: "root", user: user, undo: undo)
        try take(root)
    }

    /// The directory `name`, which is made if it is not there.
    private static func step(
        from parent: Directory, to name: String, user: UInt32, undo: Undo
    ) throws(JailFailure) -> Directory {
        let path = parent.path(of: name)
        return try JailFailure.attempt("Failed to create directory \(path)") {
            () throws(Errno) in
            let isNew = try parent.makeDirectory(name, mode: 0o755)
            if isNew { undo.add { try? parent.removeDirectory(name) } }
            let directory = try parent.directory(name)
            let (above, status) = (try parent.status(), try directory.status())
            // Root's directory in somebody else's has been moved there.
            guard above.user == 0 || status.user == above.user || status.user == user else {
                throw .notPermitted
            }
            return directory
        }
    }

    /// Makes `directory` root's until it is handed over.
    private func take(_ directory: Directory) throws(JailFailure) {
        try JailFailure.attempt("Failed to change owner for \(directory.path)") {
            () throws(Errno) in
            let before = try directory.status()
            try directory.setOwner(user: 0, group: 0)
            undo.add {
                try? directory.setOwner(user: before.user, group: before.group)
                try? directory.setMode(before.mode)
            }
            try directory.setMode(Self.ownMode)
        }
        folders.all.append(directory)
    }

    private func folder(_ name: String, in parent: Directory) throws(JailFailure) -> Directory {
        let directory = try Self.step(from: parent, to: name, user: user, undo: undo)
        try take(directory)
        return directory
    }

    // MARK: What is in it

    /// Copies the program, or takes a spare: two machines share no memory, not even that of its code.
    func put(_ program: JailedProgram) throws(JailFailure) {
        let name = program.name
        if Spares(of: program).take(below: programFolder, to: root, as: name) {
            undo.add { [root] in try? root.remove(name) }
            return
        }
        let target = try create(name)
        do throws(Errno) {
            try program.file.copyProgram(to: target)
            // Root's: the jailed program cannot change what it was started from.
            try target.setMode(0o555)
        } catch {
            throw JailFailure(
                "Failed to copy \(program.path) to \(root.path(of: name)): \(error.withNumber)")
        }
    }

    /// A file that was not there.
    private func create(_ name: String) throws(JailFailure) -> FileDescriptor {
        do throws(Errno) {
            let file = try root.create(name, mode: 0o600)
            undo.add { [root] in try? root.remove(name) }
            return file
        } catch .exists {
            throw refusal(of: name)
        } catch {
            throw JailFailure("Failed to open \(root.path(of: name)): \(error.withNumber)")
        }
    }

    /// What is wrong with a file that is there already.
    private func refusal(of name: String) -> JailFailure {
        let path = root.path(of: name)
        let status = try? root.status(of: name)
        if status?.kind == .regular, let links = status?.links, links > 1 {
            return JailFailure("Detected hard link at: \(path)")
        }
        let error = status?.kind == .link ? Errno.tooManyLinks : .exists
        return JailFailure("Failed to open \(path): \(error.withNumber)")
    }

    /// Makes the devices and directories that a monitor looks for.
    func furnish(userfaultfd: UInt32?) throws(JailFailure) {
        let devices = try folder("dev", in: root)
        let network = try folder("net", in: devices)
        _ = try folder("run", in: root)
        try makeDevice("tun", in: network, shown: "/dev/net/tun", 10, 200)
        try makeDevice("kvm", in: devices, shown: "/dev/kvm", 10, 232)
        try makeDevice("urandom", in: devices, shown: "/dev/urandom", 1, 9)
        if let userfaultfd {
            try makeDevice("userfaultfd", in: devices, shown: "/dev/userfaultfd", 10, userfaultfd)
        }
    }

    private func makeDevice(
        _ name: String, in directory: Directory, shown path: String, _ major: UInt32,
        _ minor: UInt32
    ) throws(JailFailure) {
        do throws(Errno) {
            try directory.makeDevice(
                name, major: major, minor: minor, user: user, group: group)
            undo.add { try? directory.remove(name) }
        } catch {
            throw JailFailure(
                "Failed to create \(path) via mknod inside the jail: \(error.withNumber)")
        }
    }

    // MARK: The end

    /// Tells who the program will be, and gives the directories to its user. Nothing is made here
    /// after that.
    func handOver(_ program: String, process: CInt) throws(JailFailure) {
        let name = program + ".pid"
        let path = "/" + name
        try JailFailure.attempt("Failed to open file \(path)") { () throws(Errno) in
            let file = try root.create(name, mode: 0o644)
            undo.add { [root] in try? root.remove(name) }
            _ = try file.write(Array(String(process).utf8)[...])
        }
        for directory in folders.all.reversed() {
            try JailFailure.attempt("Failed to change owner for \(directory.path)") {
                () throws(Errno) in try directory.setOwner(user: user, group: group)
            }
        }
    }
}
