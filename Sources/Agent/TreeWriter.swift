// SPDX-License-Identifier: Apache-2.0
import CTree

/// What a side does with a tree that the other sends it.
package struct TreePolicy: Sendable {
    /// Set-user-ID and set-group-ID bits are not taken over: a guest's program must not run with
    /// the rights of whoever copies it.
    package var dropsSetID = false

    /// Whether a link in the tree's place is followed if it leads to a directory. A host does not:
    /// an earlier copy from a guest may have put it there.
    package var followsLink = true

    /// Whether hard links are made. A host takes none: an agent sends each file whole.
    package var takesHardLinks = false

    /// Most bytes of data.
    package var byteLimit = UInt64.max

    /// Most entries.
    package var entryLimit = UInt64.max

    package init() {}
}

/// Makes a tree of files as its entries come.
///
/// The sender is not trusted. Each entry is one name in a directory that is open, and what is there
/// already is never followed: a link is replaced, a directory entered only if it is one. So nothing
/// is written outside the place that the tree was given.
package final class TreeWriter {
    private struct Level {
        let directory: Int32
        let entry: TreeEntry
        /// It was not there before, so it gets the attributes of its entry.
        let isNew: Bool
    }

    private let destination: TreeDestination
    private let policy: TreePolicy
    /// The directory in which the tree's first entry goes; negative if there is none.
    private var base: Int32 = -1
    private var levels: [Level] = []
    private var file: Int32 = -1
    private var fileEntry = TreeEntry(.file, name: [])

    /// Entries that have come.
    package private(set) var entryCount: UInt64 = 0
    /// Bytes of data that have come.
    package private(set) var byteCount: UInt64 = 0
    /// Devices, FIFOs and sockets that were left out.
    package private(set) var omittedCount: UInt64 = 0
    /// Where the tree's first entry goes.
    private var place: [UInt8]
    /// Name of the entry that came last; empty for the first.
    private var lastName: [UInt8] = []
    /// The tree has come to its end.
    package private(set) var isComplete = false

    /// Nothing is touched before the first entry comes.
    package init(_ destination: TreeDestination, policy: TreePolicy) {
        self.destination = destination
        self.policy = policy
        place = destination.path
    }

    deinit {
        for level in levels { tree_close(level.directory) }
        if file >= 0 { tree_close(file) }
        if base >= 0 { tree_close(base) }
    }

    /// Names from the tree's first entry, which is not among them, to the one that came last, for
    /// a message.
    package var currentNames: [[UInt8]] {
        let names = levels.dropFirst().map { $0.entry.name }
        return lastName.isEmpty || names.last == lastName ? names : names + [lastName]
    }

    /// Where that entry goes, for a message.
    package var currentPath: [UInt8] { TreeEntry.path(place, currentNames) }

    /// The next entry.
    package func take(_ entry: TreeEntry) throws(TreeFault) {
        let isFirst = entryCount == 0
        entryCount &+= 1
        guard entryCount <= policy.entryLimit else { throw fault(.entries) }
        guard file < 0, !isComplete, entry.name.isEmpty == isFirst else { throw fault(.order) }
        lastName = entry.name
        if isFirst { return try begin(entry) }
        guard let top = levels.last else { throw fault(.order) }
        try make(entry, in: top.directory)
    }

    /// Data of the file that came last.
    package func take(_ data: [UInt8]) throws(TreeFault) {
        guard file >= 0 else { throw fault(.order) }
        byteCount &+= UInt64(data.count)
        guard byteCount <= policy.byteLimit else { throw fault(.bytes) }
        var start = 0
        while start < data.count {
            let count = TreeSystem.write(data, from: start, to: file)
            guard count > 0 || count == -Self.interrupted else { throw fault(.write, count) }
            start &+= Int(max(count, 0))
        }
    }

    /// The end of the file or directory that is open.
    package func end() throws(TreeFault) {
        if file >= 0 {
            defer {
                tree_close(file)
                file = -1
            }
            try adorn(file, fileEntry)
        } else {
            guard let level = levels.popLast() else { throw fault(.order) }
            defer { tree_close(level.directory) }
            lastName = level.entry.name
            if level.isNew { try adorn(level.directory, level.entry) }
        }
        lastName = []
        isComplete = levels.isEmpty
    }
}

extension TreeWriter {
    private static var notThere: Int32 { 2 }
    private static var interrupted: Int32 { 4 }
    private static var exists: Int32 { 17 }
    private static var noDirectory: Int32 { 20 }
    private static var directory: Int32 { 21 }

    private func fault(_ step: TreeFault.Step, _ result: Int32 = 0) -> TreeFault {
        TreeFault(step, result: result, entry: entryCount == 0 ? 0 : entryCount &- 1)
    }

    /// Finds the place of the tree's first entry, and makes it there.
    private func begin(_ entry: TreeEntry) throws(TreeFault) {
        let path = Path(destination.path)
        let link = TreeSystem.status(path.terminated, in: TREE_HERE)
        if link.result == 0, link.kind == TREE_LINK, !policy.followsLink { throw fault(.link) }
        let place = TreeSystem.status(path.terminated, in: TREE_HERE, follows: true)
        guard place.result != 0 || place.kind != TREE_DIRECTORY else {
            return try enter(path, with: entry)
        }
        guard place.result == 0 || place.result == -Self.notThere else {
            throw fault(.destination, place.result)
        }
        guard entry.kind == .directory || !path.endsInSlash, let (parent, name) = path.split else {
            throw fault(.destination, -Self.noDirectory)
        }
        base = TreeSystem.openDirectory(parent.terminated, in: TREE_HERE, follows: true)
        guard base >= 0 else { throw fault(.destination, base) }
        try make(entry, named: name, in: base)
    }

    /// The tree goes into a directory that is there.
    private func enter(_ path: Path, with entry: TreeEntry) throws(TreeFault) {
        base = TreeSystem.openDirectory(
            path.terminated, in: TREE_HERE, follows: policy.followsLink)
        guard base >= 0 else { throw fault(.destination, base) }
        guard destination.isContents, entry.kind == .directory else {
            guard TreeEntry.isName(destination.name) else {
                throw fault(.clash, -Self.directory)
            }
            place = TreeEntry.path(place, [destination.name])
            return try make(entry, named: destination.name, in: base)
        }
        levels.append(Level(directory: base, entry: entry, isNew: false))
        base = -1
    }

    private func make(_ entry: TreeEntry, in directory: Int32) throws(TreeFault) {
        try make(entry, named: entry.name, in: directory)
    }

    private func make(
        _ entry: TreeEntry, named name: [UInt8], in directory: Int32
    ) throws(TreeFault) {
        let name = name + [0]
        switch entry.kind {
        case .file:
            file = try replacing(name, in: directory) { TreeSystem.makeFile(name, in: directory) }
            fileEntry = entry
        case .directory: try makeDirectory(entry, name, in: directory)
        case .link:
            let strings = name + entry.target + [0]
            _ = try replacing(name, in: directory) { TreeSystem.makeLink(strings, in: directory) }
            TreeSystem.adornLink(name, in: directory, as: entry)
        case .hardLink: try makeHardLink(entry, name, in: directory)
        case .other: omittedCount &+= 1
        }
        if levels.isEmpty, file < 0 { isComplete = true }
    }

    /// The way to the file begins at the tree's root and follows no link, as that to every entry.
    private func makeHardLink(
        _ entry: TreeEntry, _ name: [UInt8], in directory: Int32
    ) throws(TreeFault) {
        guard policy.takesHardLinks, let root = levels.first?.directory,
            let names = TreeEntry.names(entry.target), let last = names.last
        else { throw fault(.order) }
        var source = root
        defer { if source != root { tree_close(source) } }
        for folder in names.dropLast() {
            let opened = TreeSystem.openDirectory(folder + [0], in: source)
            guard opened >= 0 else { throw fault(.hardLink, opened) }
            if source != root { tree_close(source) }
            source = opened
        }
        let strings = last + [0] + name
        let status = TreeSystem.status(last + [0], in: source)
        // Before what is in the way is removed.
        guard status.result >= 0 else { throw fault(.hardLink, status.result) }
        let from = source
        _ = try replacing(name, in: directory) {
            TreeSystem.makeHardLink(strings, from: from, in: directory)
        }
    }

    /// Makes what must be new, in place of what is not.
    private func replacing(
        _ name: [UInt8], in directory: Int32, _ make: () -> Int32
    ) throws(TreeFault) -> Int32 {
        var result = make()
        if result == -Self.exists {
            let removal = TreeSystem.remove(name, in: directory)
            guard removal >= 0 else {
                throw removal == -Self.directory ? fault(.clash, removal) : fault(.make, removal)
            }
            result = make()
        }
        guard result >= 0 else { throw fault(.make, result) }
        return result
    }

    private func makeDirectory(
        _ entry: TreeEntry, _ name: [UInt8], in directory: Int32
    ) throws(TreeFault) {
        guard levels.count < TreeEntry.depthLimit else { throw fault(.depth) }
        let made = TreeSystem.makeDirectory(name, in: directory)
        guard made >= 0 || made == -Self.exists else { throw fault(.make, made) }
        let opened = TreeSystem.openDirectory(name, in: directory)
        guard opened >= 0 else {
            let status = TreeSystem.status(name, in: directory)
            let isClash = status.result == 0 && status.kind != TREE_DIRECTORY
            throw isClash ? fault(.clash, -Self.noDirectory) : fault(.make, opened)
        }
        levels.append(Level(directory: opened, entry: entry, isNew: made >= 0))
    }

    /// Gives a file or directory its owner, permissions and time, in an order in which nobody else
    /// ever has more rights than in the end.
    private func adorn(_ file: Int32, _ entry: TreeEntry) throws(TreeFault) {
        // Only root may give files away; others keep theirs, as with cp and tar.
        let isOwner = tree_set_owner(file, entry.owner, entry.group) == 0
        let setID: UInt16 = 0o6000
        let mode = isOwner && !policy.dropsSetID ? entry.mode : entry.mode & ~setID
        let result = tree_set_mode(file, mode)
        guard result >= 0 else { throw fault(.attributes, result) }
        let timed = tree_set_time(file, entry.seconds, entry.nanoseconds)
        guard timed >= 0 else { throw fault(.attributes, timed) }
    }
}

/// A path as its user wrote it.
struct Path {
    private let bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }
    private init(slice: ArraySlice<UInt8>) { bytes = slice }

    private static var slash: UInt8 { UInt8(ascii: "/") }

    /// With the zero that Linux wants.
    var terminated: [UInt8] { Array(bytes) + [0] }

    var endsInSlash: Bool { bytes.last == Self.slash }

    /// The directory that it is in, and its name there; nil if it has none, as `/` and `..`.
    var split: (parent: Path, name: [UInt8])? {
        let end = bytes.lastIndex { $0 != Self.slash }
        guard let end else { return nil }
        let trimmed = bytes[...end]
        let slash = trimmed.lastIndex(of: Self.slash)
        let name = Array(slash.map { trimmed[($0 &+ 1)...] } ?? trimmed)
        guard TreeEntry.isName(name) else { return nil }
        guard let slash else { return (Path([UInt8(ascii: ".")]), name) }
        return (Path(slice: trimmed[...slash]), name)
    }
}
