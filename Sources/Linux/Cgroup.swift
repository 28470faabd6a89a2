// SPDX-License-Identifier: Apache-2.0

/// A control group that was made for one process, in one tree.
package final class Cgroup {
    /// Why a group could not be made or joined.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }

        fileprivate init(writing path: String, _ error: Errno) {
            self.init("Failed to write to \(path): \(error.withNumber)")
        }

        fileprivate init(making path: String, _ error: Errno) {
            self.init("Failed to create directory \(path): \(error.withNumber)")
        }
    }

    /// A file of the group and what is written to it.
    package struct Property: Hashable, Sendable {
        package let file: String
        package let value: String

        package init(file: String, value: String) {
            self.file = file
            self.value = value
        }

        /// The part of the name in front of the first point.
        package var controller: String { String(file.prefix { $0 != "." }) }
    }

    /// From the tree's root to the group itself.
    private let chain: [Directory]
    /// Those of the chain that were not there.
    private var made: [(parent: Directory, name: String)] = []
    private let tree: CgroupMounts.Tree
    /// Where the process was, so that it can go back.
    private var origin: FileDescriptor?

    private var group: Directory { chain[chain.count - 1] }

    /// Makes the group at `names` below the tree's root, or takes the one that is there.
    package init(in tree: CgroupMounts.Tree, at names: [String]) throws(Failure) {
        self.tree = tree
        let root: Directory
        do throws(Errno) {
            root = try Directory(trusting: tree.path)
        } catch {
            throw Failure("Failed to open directory \(tree.path): \(error.withNumber)")
        }
        (chain, made) = try Self.walk(from: root, names)
    }

    /// The parents are shared with other machines, which may remove what is empty at any moment.
    private static func walk(
        from root: Directory, _ names: [String]
    ) throws(Failure) -> ([Directory], [(Directory, String)]) {
        var attempts = 8
        while true {
            var chain = [root]
            var made: [(Directory, String)] = []
            var path = root.path
            do throws(Errno) {
                for name in names {
                    let parent = chain[chain.count - 1]
                    path = parent.path(of: name)
                    if try parent.makeDirectory(name, mode: 0o755) { made.append((parent, name)) }
                    chain.append(try parent.directory(name))
                }
                return (chain, made)
            } catch {
                for (parent, name) in made.reversed() { try? parent.removeDirectory(name) }
                attempts -= 1
                guard error == .noEntry, attempts > 0 else {
                    throw Failure(making: path, error)
                }
            }
        }
    }

    /// Gives the group's files their values, and first what they need from above.
    package func set(_ properties: [Property]) throws(Failure) {
        switch tree.version {
        case .first:
            if properties.contains(where: { $0.controller == "cpuset" }) { try inheritCPUs() }
        case .second:
            var enabled: Set<String> = []
            for property in properties where enabled.insert(property.controller).inserted {
                try enable(property.controller)
            }
        }
        for property in properties {
            try Self.write(property.value, to: property.file, in: group)
        }
    }

    /// A new group of version 1 has no processors and no memory, and so can have no process.
    private func inheritCPUs() throws(Failure) {
        for name in ["cpuset.cpus", "cpuset.mems"] {
            for (above, below) in zip(chain, chain.dropFirst()) {
                guard try Self.read(name, in: below).isEmpty else { continue }
                try Self.write(try Self.read(name, in: above), to: name, in: below)
            }
        }
    }

    /// A group of version 2 has the controllers that each one above it passes on.
    private func enable(_ controller: String) throws(Failure) {
        let available = try Self.read("cgroup.controllers", in: chain[0])
        guard available.split(separator: " ").contains(Substring(controller)) else {
            throw Failure("Controller \(controller) is unavailable")
        }
        let name = "cgroup.subtree_control"
        for directory in chain.dropLast() {
            let passed = try Self.read(name, in: directory)
            if passed.split(separator: " ").contains(Substring(controller)) { continue }
            try Self.write("+" + controller, to: name, in: directory)
        }
    }

    /// Brings this process into the group.
    package func join() throws(Failure) {
        origin = originalGroup()
        try Self.write("0", to: Self.members(tree.version), in: group)
    }

    /// Brings this process back to where it was, and removes what was made.
    package func undo() {
        _ = try? origin?.write([UInt8(ascii: "0")][...])
        for (parent, name) in made.reversed() { try? parent.removeDirectory(name) }
        made = []
    }

    /// Moves this process into a group that is there already. False: there is none.
    package static func move(
        to names: [String], in tree: CgroupMounts.Tree
    ) throws(Failure) -> Bool {
        var path = tree.path
        do throws(Errno) {
            var directory = try Directory(trusting: tree.path)
            for name in names {
                path = directory.path(of: name)
                directory = try directory.directory(name)
            }
            try directory.write("0", to: members(tree.version))
            return true
        } catch .noEntry {
            return false
        } catch {
            throw Failure(
                "Failed to move process to cgroup (\(path)): \(error.withNumber).\nHint: If you"
                    + " intended to create a child cgroup under \(path), pass any --cgroup"
                    + " parameters.")
        }
    }

    private static func members(_ version: CgroupVersion) -> String {
        version == .first ? "tasks" : "cgroup.procs"
    }

    /// The members' file of the group that this process is in now.
    private func originalGroup() -> FileDescriptor? {
        for line in HostFiles().lines("/proc/self/cgroup") {
            let parts = line.split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, isHere(parts[1]) else { continue }
            let path = tree.path + String(parts[2]) + "/" + Self.members(tree.version)
            return try? FileDescriptor.open(path, flags: FileSystem.writing)
        }
        return nil
    }

    /// Whether a line of /proc/self/cgroup with these controllers is of this tree.
    private func isHere(_ controllers: Substring) -> Bool {
        switch tree.version {
        case .second: controllers.isEmpty
        case .first:
            !controllers.isEmpty
                && tree.controllers.isSuperset(
                    of: controllers.split(separator: ",").map(String.init))
        }
    }

    private static func read(_ name: String, in directory: Directory) throws(Failure) -> String {
        do throws(Errno) {
            var text = Substring(try directory.text(of: name))
            while text.last?.isWhitespace == true { text.removeLast() }
            return String(text)
        } catch {
            throw Failure("Failed to read file \(directory.path(of: name)): \(error.withNumber)")
        }
    }

    private static func write(
        _ value: String, to name: String, in directory: Directory
    ) throws(Failure) {
        do throws(Errno) {
            try directory.write(value + "\n", to: name)
        } catch {
            throw Failure(writing: directory.path(of: name), error)
        }
    }
}
