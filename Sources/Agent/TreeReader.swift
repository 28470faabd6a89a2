// SPDX-License-Identifier: Apache-2.0
import CTree

/// Reads a tree of files into the frames that carry it, depth first.
///
/// What goes away while it is read is left out; what the kernel shows of itself below another file
/// system (`/proc`, `/sys`) stays empty, unless the tree begins there.
package final class TreeReader {
    private struct Level {
        let directory: Int32
        let device: UInt64
        var listing = DirectoryListing()
        var isAtEnd = false
    }

    /// A file of which `rest` bytes are still to be read; those of proc do not know their size.
    private struct OpenFile {
        let descriptor: Int32
        var rest: UInt64
    }

    /// Bytes of frames behind which no further step begins.
    private static var fullMark: Int { 2 * AgentProtocol.payloadLimit }

    private let path: [UInt8]
    private let isSurvey: Bool
    private let tellsSizes: Bool
    private var levels: [Level] = []
    private var file: OpenFile?
    /// From the tree's first entry, which is not among them, to the one at hand.
    private var names: [[UInt8]] = []

    /// Entries that have been put out.
    package private(set) var entryCount: UInt64 = 0
    /// Bytes of data that have been put out.
    package private(set) var byteCount: UInt64 = 0
    /// Devices, FIFOs and sockets among the entries, which the other side leaves out.
    package private(set) var omittedCount: UInt64 = 0
    package private(set) var isComplete = false

    /// - Parameters:
    ///   - path: As lstat(2) takes it: a link is one, unless a slash follows.
    ///   - isSurvey: Files are not opened; their data is left out.
    ///   - tellsSizes: What a file has of data is said before it comes; not of those of proc, which
    ///     do not know it.
    package init(path: [UInt8], isSurvey: Bool = false, tellsSizes: Bool = false) {
        self.path = path
        self.isSurvey = isSurvey
        self.tellsSizes = tellsSizes
    }

    deinit {
        for level in levels { tree_close(level.directory) }
        if let file { tree_close(file.descriptor) }
    }

    /// Path of the entry at hand, for a message.
    package var currentPath: [UInt8] { TreeEntry.path(path, names) }

    /// Path of the entry that comes after `count` others, in the tree as it is now.
    package static func path(ofEntry count: UInt64, below path: [UInt8]) -> [UInt8] {
        let reader = TreeReader(path: path, isSurvey: true)
        var bytes: [UInt8] = []
        while reader.entryCount <= count, !reader.isComplete {
            guard (try? reader.step(&bytes)) != nil else { break }
            bytes.removeAll(keepingCapacity: true)
        }
        return reader.currentPath
    }

    /// Appends the next frames to `bytes`: about 128 KiB, less only at the tree's end.
    package func read(into bytes: inout [UInt8]) throws(TreeFault) {
        let start = bytes.count
        while !isComplete, bytes.count &- start < Self.fullMark { try step(&bytes) }
    }

    /// One entry, some data or one end.
    private func step(_ bytes: inout [UInt8]) throws(TreeFault) {
        if file != nil { return try readData(into: &bytes) }
        guard !levels.isEmpty else { return try begin(&bytes) }
        let level = levels.count &- 1
        names.removeSubrange(level...)
        guard let name = try nextName(level) else { return leave(&bytes) }
        names.append(name)
        try put(name + [0], in: levels[level].directory, &bytes)
    }

    private func begin(_ bytes: inout [UInt8]) throws(TreeFault) {
        try put(path + [0], in: TREE_HERE, &bytes)
        guard entryCount > 0 else { throw fault(.open, -Self.notThere) }
        isComplete = levels.isEmpty && file == nil
    }

    private func nextName(_ level: Int) throws(TreeFault) -> [UInt8]? {
        guard !levels[level].isAtEnd else { return nil }
        while true {
            if let name = levels[level].listing.next() { return name }
            let count = levels[level].listing.fill(from: levels[level].directory)
            guard count >= 0 else { throw fault(.read, count) }
            if count == 0 { return nil }
        }
    }
}

extension TreeReader {
    private static var notThere: Int32 { 2 }

    private func fault(_ step: TreeFault.Step, _ result: Int32 = 0) -> TreeFault {
        TreeFault(step, result: result, entry: entryCount == 0 ? 0 : entryCount &- 1)
    }

    /// Puts out the entry called `name`; nothing if it has gone.
    private func put(
        _ name: [UInt8], in directory: Int32, _ bytes: inout [UInt8]
    ) throws(TreeFault) {
        let status = TreeSystem.status(name, in: directory)
        guard status.result != -Self.notThere else { return }
        guard status.result >= 0 else { throw fault(.open, status.result) }
        switch status.kind {
        case TREE_FILE: try open(name, in: directory, status, &bytes)
        case TREE_DIRECTORY: try enter(name, in: directory, status, &bytes)
        case TREE_LINK:
            var entry = entry(.link, status)
            entry.target = try target(name, in: directory)
            append(entry, &bytes)
        default:
            omittedCount &+= 1
            append(entry(.other, status), &bytes)
        }
    }

    private func entry(_ kind: TreeEntry.Kind, _ status: tree_status) -> TreeEntry {
        var entry = TreeEntry(kind, name: names.last ?? [], mode: status.mode)
        entry.owner = status.owner
        entry.group = status.group
        entry.seconds = status.seconds
        entry.nanoseconds = min(status.nanoseconds, 999_999_999)
        return entry
    }

    private func append(_ entry: TreeEntry, _ bytes: inout [UInt8]) {
        entryCount &+= 1
        Frame.encodeHeader(
            length: entry.encodedLength, kind: FrameKind.entry.rawValue, into: &bytes)
        entry.encode(into: &bytes)
    }

    private func appendEnd(_ bytes: inout [UInt8]) {
        Frame.encodeHeader(length: 0, kind: FrameKind.endOfEntry.rawValue, into: &bytes)
        isComplete = levels.isEmpty
    }

    private func target(_ name: [UInt8], in directory: Int32) throws(TreeFault) -> [UInt8] {
        var target = [UInt8](repeating: 0, count: TreeEntry.pathLimit &+ 1)
        let count = TreeSystem.readLink(name, in: directory, into: &target)
        guard count > 0 else { throw fault(.open, count) }
        target.removeSubrange(Int(count)...)
        return target
    }

    private func open(
        _ name: [UInt8], in directory: Int32, _ status: tree_status, _ bytes: inout [UInt8]
    ) throws(TreeFault) {
        guard !isSurvey else { return append(entry(.file, status), &bytes) }
        let opened = TreeSystem.openFile(name, in: directory)
        guard opened != -Self.notThere else { return }
        append(entry(.file, status), &bytes)
        guard opened >= 0 else { throw fault(.open, opened) }
        // What was a file a moment ago may be anything now.
        let now = tree_status_of(opened)
        file = OpenFile(descriptor: opened, rest: now.size > 0 ? now.size : .max)
        guard now.result >= 0, now.kind == TREE_FILE else { throw fault(.open, -Self.notThere) }
        guard tellsSizes, now.size > 0 else { return }
        // A number is never too long to encode.
        try? Frame.size(now.size).encode(into: &bytes)
    }

    private func enter(
        _ name: [UInt8], in directory: Int32, _ status: tree_status, _ bytes: inout [UInt8]
    ) throws(TreeFault) {
        let opened = TreeSystem.openDirectory(name, in: directory)
        guard opened != -Self.notThere else { return }
        append(entry(.directory, status), &bytes)
        guard opened >= 0 else { throw fault(.open, opened) }
        var level = Level(directory: opened, device: status.device)
        let isMount = levels.last.map { $0.device != status.device } ?? false
        level.isAtEnd = isMount && tree_is_kernels_own(opened) == 1
        levels.append(level)
        guard levels.count <= TreeEntry.depthLimit else { throw fault(.depth) }
    }

    private func leave(_ bytes: inout [UInt8]) {
        if let level = levels.popLast() { tree_close(level.directory) }
        appendEnd(&bytes)
    }

    /// Reads once, straight behind the frame's header.
    private func readData(into bytes: inout [UInt8]) throws(TreeFault) {
        guard let open = file else { return }
        let header = bytes.count
        let most = Int(min(open.rest, UInt64(AgentProtocol.payloadLimit)))
        guard most > 0 else { return endFile(&bytes) }
        Frame.encodeHeader(length: 0, kind: FrameKind.data.rawValue, into: &bytes)
        let first = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: most))
        let count = TreeSystem.read(open.descriptor, into: &bytes, from: first, limit: most)
        guard count > 0 else {
            bytes.removeSubrange(header...)
            guard count == 0 else { throw fault(.read, count) }
            return endFile(&bytes)
        }
        bytes.removeSubrange((first &+ Int(count))...)
        Frame.setLength(Int(count), at: header, in: &bytes)
        file?.rest = open.rest &- UInt64(count)
        byteCount &+= UInt64(count)
    }

    private func endFile(_ bytes: inout [UInt8]) {
        if let file { tree_close(file.descriptor) }
        file = nil
        appendEnd(&bytes)
    }
}
