// SPDX-License-Identifier: Apache-2.0
import Agent

/// Members of an archive, each of which has its whole path, as the tree that travels, in which each
/// has its name and what it is in comes before it.
///
/// Directories that an archive does not have are made as mkdir(1) would: root's, for all to enter.
struct MemberTree {
    /// Most paths that are kept for messages: of entries that the other side may not have seen yet.
    private static var pathLimit: Int { 1 << 14 }
    /// Most bytes of them.
    private static var pathByteLimit: Int { 1 << 24 }

    /// The directories that are open; nil: the tree has not begun.
    private var names: [[UInt8]]?
    private let now: Int64
    private(set) var entryCount: UInt64 = 0
    private(set) var omittedCount: UInt64 = 0
    /// Paths of the entries that came last.
    private var paths: [[UInt8]] = []
    private var pathByteCount = 0

    /// - Parameter now: Seconds since 1970-01-01 00:00 UTC.
    init(now: Int64) { self.now = now }

    /// Puts out frames up to the member's own. A file's data and its end are to follow.
    mutating func add(_ member: TarMember, into bytes: inout [UInt8]) throws(FrameError) {
        guard let name = member.names.last else { return try begin(member.entry, &bytes) }
        try begin(directory([]), &bytes)
        try enter(Array(member.names.dropLast()), &bytes)
        switch member.kind {
        case .directory: names?.append(name)
        // A file that is a link to itself is there already.
        case .hardLink(let target) where target == member.names: return
        case .other: omittedCount += 1
        default: break
        }
        try put(member.entry, member.names, &bytes)
    }

    /// Puts out the ends of all that is open.
    mutating func end(into bytes: inout [UInt8]) throws(FrameError) {
        try begin(directory([]), &bytes)
        for _ in 0...(names?.count ?? 0) { try Frame.endOfEntry.encode(into: &bytes) }
        names = []
    }

    /// What the archive calls the entry that came after `count` others; nil: that was long ago.
    func path(ofEntry count: UInt64) -> [UInt8]? {
        let behind = entryCount.subtractingReportingOverflow(count)
        guard !behind.overflow, behind.partialValue > 0,
            behind.partialValue <= UInt64(paths.count)
        else { return nil }
        return paths[paths.count - Int(behind.partialValue)]
    }

    /// Puts out the tree's own entry, once.
    private mutating func begin(_ root: TreeEntry, _ bytes: inout [UInt8]) throws(FrameError) {
        guard names == nil else { return }
        names = []
        try put(root, [], &bytes)
    }

    /// Leaves and enters directories until those of `path` are open.
    private mutating func enter(_ path: [[UInt8]], _ bytes: inout [UInt8]) throws(FrameError) {
        var open = names ?? []
        while open.count > path.count || open != Array(path.prefix(open.count)) {
            open.removeLast()
            try Frame.endOfEntry.encode(into: &bytes)
        }
        names = open
        for name in path.dropFirst(open.count) {
            open.append(name)
            names = open
            try put(directory(name), open, &bytes)
        }
    }

    private func directory(_ name: [UInt8]) -> TreeEntry {
        var entry = TreeEntry(.directory, name: name, mode: 0o755)
        entry.seconds = now
        return entry
    }

    private mutating func put(
        _ entry: TreeEntry, _ names: [[UInt8]], _ bytes: inout [UInt8]
    ) throws(FrameError) {
        try Frame.entry(entry).encode(into: &bytes)
        entryCount += 1
        let path = Array(names.joined(separator: [UInt8(ascii: "/")]))
        if paths.count == 2 * Self.pathLimit || pathByteCount + path.count > Self.pathByteLimit {
            paths.removeFirst((paths.count + 1) / 2)
            pathByteCount = paths.reduce(0) { $0 + $1.count }
        }
        paths.append(path)
        pathByteCount += path.count
    }
}
