// SPDX-License-Identifier: Apache-2.0
import Agent

/// Makes a tar archive of the entries of a tree as they come: ustar, and pax for what ustar has no
/// room for.
///
/// The sender is not trusted: no member's path leads out of the archive's place or through a link
/// of the archive itself, as no tree from a guest does either (``Agent/TreeWriter``).
final class TarWriter {
    /// Bytes of a file that are kept until its size is known, if nobody says it before: those of
    /// proc do not know it.
    private static var heldLimit: Int { 16 << 20 }
    /// Bytes of a file up to which its size is not taken for granted: those of sysfs know it wrong.
    private static var smallFile: UInt64 { 1 << 16 }
    /// Bytes that are made at a time.
    private static var pieceLimit: UInt64 { 1 << 16 }
    /// Links and directories of open directories beyond which there are too many.
    private static var knownLimit: Int { 1 << 20 }

    private struct Level {
        let name: [UInt8]
        /// Names that nothing else in it may have any more: a link's leads elsewhere, and a
        /// directory's may have such links.
        var known: Set<Int> = []
    }

    /// A file that has begun.
    private enum File {
        /// Its size is to come, or its data.
        case held(TarHeader, nanoseconds: UInt32, data: [UInt8])
        /// So many bytes are to come; and so many fill its last block.
        case open(UInt64, padding: UInt64)
    }

    private let root: [UInt8]
    private let policy: TreePolicy
    private var levels: [Level] = []
    private var file: File?
    private var lastName: [UInt8] = []
    private var knownCount = 0
    /// Zeros that are still to come behind what has.
    private var zeros: UInt64 = 0
    private var bytes: [UInt8] = []

    private(set) var entryCount: UInt64 = 0
    private(set) var byteCount: UInt64 = 0
    private(set) var omittedCount: UInt64 = 0
    /// Files that had fewer bytes than were told, and have zeros in place of them.
    private(set) var shortenedCount: UInt64 = 0
    /// The tree has come to its end.
    private(set) var isComplete = false

    /// - Parameter root: What the tree is called in the archive.
    init(root: [UInt8], policy: TreePolicy) {
        self.root = root
        self.policy = policy
    }

    /// What there is of the archive and was not taken before; nil: nothing.
    func next() -> [UInt8]? {
        if bytes.isEmpty {
            let count = min(zeros, Self.pieceLimit)
            bytes = [UInt8](repeating: 0, count: Int(count))
            zeros -= count
        }
        defer { bytes = [] }
        return bytes.isEmpty ? nil : bytes
    }

    /// Names from the tree's first entry, which is not among them, to the one that came last.
    var currentNames: [[UInt8]] {
        let names = levels.dropFirst().map(\.name)
        return lastName.isEmpty || names.last == lastName ? names : names + [lastName]
    }

    /// The next entry.
    func take(_ entry: TreeEntry) throws(TreeFault) {
        let isFirst = entryCount == 0
        entryCount &+= 1
        guard entryCount <= policy.entryLimit else { throw fault(.entries) }
        guard file == nil, !isComplete, entry.name.isEmpty == isFirst, isFirst || !levels.isEmpty
        else { throw fault(.order) }
        lastName = entry.name
        try remember(entry)
        var header = TarHeader(kind: .file, path: path(to: entry), mode: entry.mode)
        header.owner = UInt64(entry.owner)
        header.group = UInt64(entry.group)
        header.seconds = entry.seconds
        if policy.dropsSetID { header.mode &= 0o1777 }
        switch entry.kind {
        case .file:
            file = .held(header, nanoseconds: entry.nanoseconds, data: [])
            return
        case .directory:
            guard levels.count < TreeEntry.depthLimit else { throw fault(.depth) }
            levels.append(Level(name: entry.name))
            header.kind = .directory
            header.path.append(UInt8(ascii: "/"))
            put(header, entry.nanoseconds)
        case .link:
            header.kind = .link
            header.target = entry.target
            put(header, entry.nanoseconds)
        case .other: omittedCount &+= 1
        case .hardLink: throw fault(.order)
        }
        endIfDone()
    }

    /// How much data the file that came last has.
    func take(size: UInt64) throws(TreeFault) {
        guard case .held(var header, let nanoseconds, let data) = file, data.isEmpty else {
            throw fault(.order)
        }
        guard size > Self.smallFile else { return }
        try count(size)
        header.size = size
        put(header, nanoseconds)
        file = .open(size, padding: Self.padding(size))
    }

    /// Data of the file that came last.
    func take(_ data: [UInt8]) throws(TreeFault) {
        switch file {
        case .open(let left, let padding):
            guard UInt64(data.count) <= left else { throw fault(.order) }
            bytes += data
            file = .open(left - UInt64(data.count), padding: padding)
        case .held(let header, let nanoseconds, var held):
            try count(UInt64(data.count))
            guard held.count + data.count <= Self.heldLimit else { throw fault(.size) }
            // One owner, so that it grows in place.
            file = nil
            held += data
            file = .held(header, nanoseconds: nanoseconds, data: held)
        case nil: throw fault(.order)
        }
    }

    /// The end of the file or directory that is open.
    func end() throws(TreeFault) {
        switch file {
        case .open(let left, let padding):
            if left > 0 { shortenedCount &+= 1 }
            zeros = left &+ padding
        case .held(var header, let nanoseconds, let data):
            header.size = UInt64(data.count)
            put(header, nanoseconds)
            bytes += data
            zeros = Self.padding(header.size)
        case nil:
            guard let level = levels.popLast() else { throw fault(.order) }
            knownCount -= level.known.count
        }
        file = nil
        lastName = []
        endIfDone()
    }
}

extension TarWriter {
    private func fault(_ step: TreeFault.Step) -> TreeFault {
        TreeFault(step, entry: entryCount == 0 ? 0 : entryCount &- 1)
    }

    private func count(_ more: UInt64) throws(TreeFault) {
        let (sum, isOver) = byteCount.addingReportingOverflow(more)
        guard !isOver, sum <= policy.byteLimit else { throw fault(.bytes) }
        byteCount = sum
    }

    private static func padding(_ size: UInt64) -> UInt64 {
        let block = UInt64(TarHeader.blockSize)
        return (block - size % block) % block
    }

    /// Refuses an entry that has the name of a link or directory before it: whoever unpacks the
    /// archive would go through that link.
    private func remember(_ entry: TreeEntry) throws(TreeFault) {
        guard let top = levels.indices.last else { return }
        let hash = entry.name.hashValue
        guard !levels[top].known.contains(hash) else { throw fault(.order) }
        guard entry.kind == .link || entry.kind == .directory else { return }
        levels[top].known.insert(hash)
        knownCount += 1
        guard knownCount <= Self.knownLimit else { throw fault(.entries) }
    }

    private func path(to entry: TreeEntry) -> [UInt8] {
        var names = [root] + levels.dropFirst().map(\.name)
        if !levels.isEmpty { names.append(entry.name) }
        return Array(names.joined(separator: [UInt8(ascii: "/")]))
    }

    private func put(_ header: TarHeader, _ nanoseconds: UInt32) {
        let records = header.records(nanoseconds: nanoseconds)
        if !records.isEmpty {
            var data: [UInt8] = []
            for record in records { record.encode(into: &data) }
            var front = TarHeader(kind: .records, path: Array("PaxHeaders".utf8), mode: 0o644)
            front.size = UInt64(data.count)
            front.encode(into: &bytes)
            bytes += data
            bytes += [UInt8](repeating: 0, count: Int(Self.padding(front.size)))
        }
        header.encode(into: &bytes)
    }

    /// Two blocks of zeros say that nothing follows.
    private func endIfDone() {
        guard levels.isEmpty, file == nil else { return }
        isComplete = true
        zeros &+= 2 * UInt64(TarHeader.blockSize)
    }
}
