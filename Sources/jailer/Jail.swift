// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// A place for one program: its directory, its control groups, its network.
final class Jail {
    let arguments: JailerArguments
    let undo = Undo()
    private let program: JailedProgram
    private let base: Directory
    private let groups: JailCgroups
    private var tree: JailTree?
    /// Descriptor of /dev/null for a daemon.
    private var nothing: FileDescriptor?

    /// Looks at all that the arguments name; nothing is made yet.
    init(_ arguments: JailerArguments) throws(JailFailure) {
        self.arguments = arguments
        program = try JailedProgram(arguments.executable)
        base = try Self.openBase(arguments.baseDirectory)
        groups = try JailCgroups(arguments, program: program.name)
    }

    /// Opens the directory that all jails are in.
    static func openBase(_ path: String) throws(JailFailure) -> Directory {
        let real = try JailFailure.attempt("Failed to canonicalize path \(path)") {
            () throws(Errno) in try FileSystem.realPath(path)
        }
        do throws(Errno) {
            return try Directory(trusting: real)
        } catch .notDirectory {
            throw JailFailure("\(real) is not a directory")
        } catch {
            throw JailFailure("Failed to open directory \(real): \(error.withNumber)")
        }
    }

    /// Makes the place and goes into it.
    func build() throws(JailFailure) {
        let tree = try JailTree(
            base, program.name, arguments.identifier, user: arguments.user,
            group: arguments.group, undo: undo)
        self.tree = tree
        try tree.put(program)
        try joinNetwork()
        try groups.apply(undo: undo)
        if arguments.isDaemon {
            nothing = try JailFailure.attempt("Failed to open /dev/null") { () throws(Errno) in
                try FileDescriptor.open("/dev/null", flags: FileSystem.readingAndWriting)
            }
        }
        try tree.furnish(userfaultfd: Self.userfaultfdMinor)
        try enter(tree)
    }

    private func joinNetwork() throws(JailFailure) {
        guard let path = arguments.networkNamespace else { return }
        let file = try JailFailure.attempt("Failed to open file \(path)") { () throws(Errno) in
            try FileDescriptor.open(path, flags: FileSystem.readingAtOnce)
        }
        do throws(Errno) {
            try Namespaces.joinNetwork(file)
        } catch {
            throw JailFailure(
                "Failed to join network namespace: netns: \(error.withNumber)")
        }
    }

    /// Number of the device that /proc/misc gives userfaultfd, if it has one.
    private static var userfaultfdMinor: UInt32? {
        for line in HostFiles().lines("/proc/misc") {
            let words = line.split(separator: " ")
            if words.count == 2, words[1] == "userfaultfd" { return UInt32(words[0]) }
        }
        return nil
    }

    private func enter(_ tree: JailTree) throws(JailFailure) {
        // What is open stays in the namespace it was opened in; the working directory comes along.
        try JailFailure.attempt("Failed to change current directory") { () throws(Errno) in
            try tree.root.enter()
        }
        try JailFailure.attempt("Failed to unshare into new mount namespace") {
            () throws(Errno) in try Namespaces([.mount, .ipc, .hostName]).unshare()
        }
        try JailFailure.attempt("Failed to change the propagation type to slave") {
            () throws(Errno) in try RootDirectory.detachMounts(receiving: true)
        }
        try JailFailure.attempt("Failed to pivot root") { () throws(Errno) in
            try RootDirectory.becomeWorkingDirectory()
        }
    }

    /// Starts the program. Returns only if it runs in another process.
    func launch(_ moment: LaunchMoment) throws(JailFailure) {
        guard let tree else { return }
        let launch = Launch(arguments, program: program.name, moment: moment)
        if arguments.isDaemon || arguments.hasOwnProcesses {
            try launch.inChild(standardStreams: nothing?.rawValue) { child throws(JailFailure) in
                try tree.handOver(program.name, process: child)
            }
        } else {
            try tree.handOver(program.name, process: CurrentProcess.identifier)
            try launch.here()
        }
    }
}
