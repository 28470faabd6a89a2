// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

@Suite struct TarWriterTests {
    /// The archive of what an agent sends, `root` being what the tree is called.
    static func archive(
        _ frames: [Frame], root: String = "t", policy: TreePolicy = TreePolicy()
    ) throws -> (bytes: [UInt8], writer: TarWriter) {
        let writer = TarWriter(root: Array(root.utf8), policy: policy)
        var bytes: [UInt8] = []
        for frame in frames {
            switch frame {
            case .entry(let entry): try writer.take(entry)
            case .size(let size): try writer.take(size: size)
            case .data(let data): try writer.take(data)
            case .endOfEntry: try writer.end()
            default: Issue.record("\(frame) in a tree")
            }
            while let more = writer.next() { bytes += more }
        }
        return (bytes, writer)
    }

    /// What an agent sends of the tree at `path`.
    static func frames(_ path: String, tellsSizes: Bool = true) throws -> [Frame] {
        let reader = TreeReader(path: Array(path.utf8), tellsSizes: tellsSizes)
        var frames: [Frame] = []
        while !reader.isComplete {
            var bytes: [UInt8] = []
            try reader.read(into: &bytes)
            try TarBlocks.frames(bytes) { frames.append($0) }
        }
        return frames
    }

    @Test(arguments: [true, false])
    func `What was packed comes out of tar as it went in`(_ tellsSizes: Bool) throws {
        let scratch = try ScratchTree(
            """
            \(TarReaderTests.tree)
            \(TarReaderTests.long)
            mkfifo t/fifo; head -c 300000 /dev/urandom > t/large
            touch -d '1999-12-31 23:59:59.987654321 UTC' t/large
            touch -h -d '1960-01-01 00:00:00.5 UTC' t/dangling; touch -d 2242-03-17 t/sub/file0
            """)
        let frames = try Self.frames(scratch.path + "/t", tellsSizes: tellsSizes)
        let (bytes, writer) = try Self.archive(frames, root: "copy")
        #expect(writer.isComplete)
        #expect(writer.omittedCount == 1)
        #expect(writer.shortenedCount == 0)
        let file = try FileDescriptor.open(scratch.path + "/archive", flags: 0o102, mode: 0o600)
        CurrentProcess.writeAll(bytes, to: file.rawValue)
        try scratch.shell(
            """
            tar -xpf archive; rm t/fifo
            find t -type d -exec touch -d 2001-02-03 {} +
            find copy -type d -exec touch -d 2001-02-03 {} +
            """)
        #expect(try scratch.listing(of: "copy") == scratch.listing(of: "t"))
    }

    @Test func `Contents are below a dot, and one file is alone`() throws {
        let scratch = try ScratchTree(
            "mkdir -p t/d; echo x > t/d/f; touch -d 2001-02-03 t/d/f t/d t")
        let contents = try Self.archive(Self.frames(scratch.path + "/t"), root: ".").bytes
        #expect(contents.starts(with: Array("./\0".utf8)))
        #expect(contents[512...].starts(with: Array("./d/\0".utf8)))
        #expect(contents[1024...].starts(with: Array("./d/f\0".utf8)))
        let file = try Self.archive(Self.frames(scratch.path + "/t/d/f"), root: "f").bytes
        #expect(file.starts(with: Array("f\0".utf8)))
        #expect(file.count == 512 * 4)
    }

    @Test func `Numbers that a header has no room for come back from records`() throws {
        var header = TarHeader(kind: .file, path: Array("f".utf8), mode: 0o644)
        header.size = 1 << 40
        header.owner = UInt64(UInt32.max)
        header.group = 1 << 21
        header.seconds = 1 << 34
        #expect(
            header.records(nanoseconds: 5) == [
                PaxRecord("size", "1099511627776"), PaxRecord("uid", "4294967295"),
                PaxRecord("gid", "2097152"), PaxRecord("mtime", "17179869184.000000005"),
            ])
        header = TarHeader(kind: .file, path: Array("f".utf8), mode: 0o644)
        header.size = 1 << 33 - 1
        header.owner = 1 << 21 - 1
        header.seconds = 1 << 33 - 1
        #expect(header.records(nanoseconds: 0) == [])
        var bytes: [UInt8] = []
        header.encode(into: &bytes)
        #expect(try TarHeader(bytes[...]) == header)
    }

    @Test(arguments: [1, 96, 97, 98, 152, 153, 154, 200], [1, 98, 99, 100, 101, 255])
    func `A path of any length is read again`(_ first: Int, _ second: Int) throws {
        let names = [first, second].map { [UInt8](repeating: 0x61, count: $0) }
        for kind in [TreeEntry.Kind.file, .directory] {
            let archive = try Self.archive(
                [
                    Self.directory(""), .entry(TreeEntry(.directory, name: names[0])),
                    .entry(TreeEntry(kind, name: names[1])), .endOfEntry, .endOfEntry, .endOfEntry,
                ]
            ).bytes
            #expect(try TarBlocks.members(archive).last?.names == [Array("t".utf8)] + names)
        }
    }

    @Test func `A file that became shorter ends in zeros, and that is counted`() throws {
        let frames: [Frame] = [
            .entry(TreeEntry(.file, name: [])), .size(200_000), .data([1, 2, 3]), .endOfEntry,
        ]
        let (bytes, writer) = try Self.archive(frames)
        #expect(writer.shortenedCount == 1)
        #expect(writer.isComplete)
        #expect(bytes.count == 512 + 391 * 512 + 1024)
        #expect(bytes[512...].starts(with: [1, 2, 3, 0]))
        // A small one has what came, as nothing of it is out before.
        let small: [Frame] = [
            .entry(TreeEntry(.file, name: [])), .size(4096), .data([1, 2, 3]), .endOfEntry,
        ]
        let whole = try Self.archive(small)
        #expect(whole.writer.shortenedCount == 0)
        #expect(try TarBlocks.pieces(whole.bytes)[1...] == [.data([1, 2, 3]), .endOfFile])
    }

    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        let frames: [Frame]
        let fault: TreeFault
        var testDescription: String { name }
    }

    private static func directory(_ name: String) -> Frame {
        .entry(TreeEntry(.directory, name: Array(name.utf8), mode: 0o755))
    }
    private static func file(_ name: String) -> Frame {
        .entry(TreeEntry(.file, name: Array(name.utf8), mode: 0o6755))
    }
    private static func link(_ kind: TreeEntry.Kind = .link) -> Frame {
        var link = TreeEntry(kind, name: Array("l".utf8), mode: 0o777)
        link.target = Array("outside".utf8)
        return .entry(link)
    }

    static let attacks = [
        Attack(
            name: "a directory through a link", frames: [directory(""), link(), directory("l")],
            fault: TreeFault(.order, entry: 2)),
        Attack(
            name: "a file through a link", frames: [directory(""), link(), file("l")],
            fault: TreeFault(.order, entry: 2)),
        Attack(
            name: "a second time in a directory that has a link",
            frames: [directory(""), directory("d"), link(), .endOfEntry, directory("d")],
            fault: TreeFault(.order, entry: 3)),
        Attack(
            name: "a hard link", frames: [directory(""), link(.hardLink)],
            fault: TreeFault(.order, entry: 1)),
        Attack(
            name: "more data than was told",
            frames: [file(""), .size(70_000), .data([UInt8](repeating: 1, count: 60_000))]
                + [.data([UInt8](repeating: 1, count: 60_000))],
            fault: TreeFault(.order)),
        Attack(name: "a size alone", frames: [.size(70_000)], fault: TreeFault(.order)),
        Attack(
            name: "two sizes", frames: [file(""), .size(70_000), .size(70_000)],
            fault: TreeFault(.order)),
        Attack(
            name: "a size of a directory", frames: [directory(""), .size(1)],
            fault: TreeFault(.order)),
        Attack(
            name: "a size behind data", frames: [file(""), .data([1]), .size(70_000)],
            fault: TreeFault(.order)),
        Attack(
            name: "an endless size", frames: [file(""), .size(.max)], fault: TreeFault(.bytes)),
        Attack(
            name: "an endless sum of sizes",
            frames: [directory(""), file("a"), .size(900_000), .endOfEntry, file("b")]
                + [.size(.max - 1000)],
            fault: TreeFault(.bytes, entry: 2)),
        Attack(
            name: "endless data",
            frames: [file("")]
                + Array(repeating: .data([UInt8](repeating: 1, count: 60_000)), count: 18),
            fault: TreeFault(.bytes)),
        Attack(
            name: "endless entries",
            frames: [directory("")] + (0..<200).flatMap { [file("\($0)"), .endOfEntry] },
            fault: TreeFault(.entries, entry: 100)),
        Attack(name: "an end first", frames: [.endOfEntry], fault: TreeFault(.order)),
        Attack(name: "data first", frames: [.data([1])], fault: TreeFault(.order)),
        Attack(name: "a name for the tree", frames: [file("x")], fault: TreeFault(.order)),
        Attack(
            name: "entries after the end", frames: [directory(""), .endOfEntry, file("x")],
            fault: TreeFault(.order, entry: 1)),
    ]

    @Test(arguments: attacks)
    func `A guest that is no friend is not believed`(_ attack: Attack) {
        var policy = TreePolicy()
        policy.byteLimit = 1_000_000
        policy.entryLimit = 100
        #expect(throws: attack.fault) { try Self.archive(attack.frames, policy: policy) }
    }

    @Test func `Depth is limited`() {
        let frames = [Self.directory("")] + Array(repeating: Self.directory("d"), count: 200)
        #expect(throws: TreeFault(.depth, entry: 200)) { try Self.archive(frames) }
    }

    @Test func `A file that does not say its size is kept up to a limit`() {
        let data = Frame.data([UInt8](repeating: 1, count: 65536))
        #expect(throws: TreeFault(.size)) {
            try Self.archive([Self.file("")] + Array(repeating: data, count: 257))
        }
    }

    @Test func `A guest's set-user-ID bits are in the archive only if asked for`() throws {
        var policy = TreePolicy()
        #expect(
            try TarBlocks.members(Self.archive([Self.file(""), .endOfEntry]).bytes)[0].mode
                == 0o6755)
        policy.dropsSetID = true
        let archive = try Self.archive([Self.file(""), .endOfEntry], policy: policy).bytes
        #expect(try TarBlocks.members(archive)[0].mode == 0o755)
    }
}
