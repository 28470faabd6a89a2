// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

@Suite struct CopyPlaceTests {
    static let places: [(String, CopyPlace)] = [
        ("web:/etc/hosts", CopyPlace(machine: "web", path: "/etc/hosts")),
        ("web:etc/", CopyPlace(machine: "web", path: "/etc/")),
        ("web:/a:b", CopyPlace(machine: "web", path: "/a:b")),
        ("./a:b", CopyPlace(path: "./a:b")), ("/a:b", CopyPlace(path: "/a:b")),
        ("file", CopyPlace(path: "file")), ("../x/.", CopyPlace(path: "../x/.")),
    ]

    @Test(arguments: places)
    func `A colon before the first slash names a machine`(
        _ text: String, _ place: CopyPlace
    ) throws {
        #expect(try CopyPlace(text) == place)
    }

    @Test(arguments: [":/etc", "web:", "", String(repeating: "a", count: 4096), "a\0b"])
    func `What is no place is refused`(_ text: String) {
        let error = #expect(throws: ClientError.self) { try CopyPlace(text) }
        #expect(error?.kind == .badConfiguration)
    }

    @Test(arguments: [
        ("-", true), ("./-", false), ("web:-", false), ("web:/-", false), ("/-", false),
        ("--", false),
    ])
    func `A hyphen alone is a stream, and a file of that name is not`(
        _ text: String, _ isStream: Bool
    ) throws {
        #expect(try CopyPlace(text).isStream == isStream)
    }

    static let names: [(String, String)] = [
        ("/etc/hosts", "hosts"), ("/etc/", "etc"), ("dir//", "dir"), ("file", "file"),
        ("/", ""), (".", ""), ("..", ""), ("dir/.", ""), ("/a/..", ""),
    ]

    @Test(arguments: names)
    func `A tree is called what its path ends in`(_ path: String, _ name: String) {
        let place = CopyPlace(path: path)
        #expect(String(decoding: place.name, as: UTF8.self) == name)
        #expect(place.isContents == name.isEmpty)
    }
}

/// Copies with an agent that the test plays, and that is no friend.
@Suite struct TreeTransferTests {
    private let far: TestSocket
    private let transfer: TreeTransfer
    private let scratch: ScratchTree
    private let destination: TreeDestination

    init() throws {
        let pair = try UnixSocket.Pair()
        far = TestSocket(try pair.far.duplicate())
        transfer = TreeTransfer(on: AgentChannel(try pair.near.duplicate()), of: "web")
        scratch = try ScratchTree("mkdir in outside; echo x > file")
        destination = TreeDestination(
            path: Array((scratch.path + "/in").utf8), name: Array("t".utf8))
    }

    private func say(_ frames: [Frame]) throws {
        for frame in [.hello(version: 2)] + frames {
            try far.send(try frame.encoded())
        }
        far.endWriting()
    }

    private func receive(limit: UInt64 = 100_000) throws -> CopySummary? {
        try transfer.receive("/x", to: destination, byteLimit: limit, keepsSetID: false)
    }

    private static func file(_ name: String, _ data: [UInt8]) -> [Frame] {
        [
            .entry(TreeEntry(.file, name: Array(name.utf8), mode: 0o6755)), .data(data),
            .endOfEntry,
        ]
    }

    @Test func `What an honest guest sends is made and counted`() throws {
        try say(
            [.entry(TreeEntry(.directory, name: [], mode: 0o755))]
                + Self.file("a", [104, 105, 10])
                + [.entry(TreeEntry(.other, name: Array("null".utf8))), .endOfEntry])
        let summary = try receive()
        #expect(summary == CopySummary(entries: 2, bytes: 3, omitted: 1))
        #expect(try scratch.shell("cat in/t/a; stat -c %a in/t/a") == "hi\n755\n")
    }

    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        let frames: [Frame]
        let message: String
        var testDescription: String { name }
    }

    static let link: Frame = {
        var link = TreeEntry(.link, name: Array("l".utf8), mode: 0o777)
        link.target = Array("../../outside".utf8)
        return .entry(link)
    }()
    static let root = Frame.entry(TreeEntry(.directory, name: [], mode: 0o755))

    static let attacks = [
        Attack(
            name: "through a link",
            frames: [root, link, .entry(TreeEntry(.directory, name: Array("l".utf8)))],
            message: "/in/t/l\" is no directory, and a directory is to take its place"),
        Attack(
            name: "endless data",
            frames: [root] + file("a", Array(repeating: 1, count: 60_000))
                + file("b", Array(repeating: 1, count: 60_000)),
            message: "there is more data than the limit allows; raise it with --limit"),
        Attack(
            name: "another protocol", frames: [root, .output([1])],
            message: "the guest's agent broke the protocol: frame 20 in a tree"),
        Attack(
            name: "out of order", frames: [.data([1])],
            message: "the guest's agent broke the protocol: a tree out of order"),
        Attack(
            name: "no end", frames: [root], message: "the guest went away before all was copied"),
        Attack(
            name: "an agent of before", frames: [.refused(Refusal(.unknownKind, detail: 48))],
            message: "the guest's agent is too old to copy files; start the machine anew"),
        Attack(
            name: "a fault", frames: [.treeFault(TreeFault(.open, errno: 2))],
            message: #"cannot open "web:/x": no such file or directory"#),
        Attack(
            name: "a fault with a name that paints the terminal",
            frames: [root]
                + [.entry(TreeEntry(.directory, name: Array("\u{1b}[31m".utf8)))]
                + [.treeFault(TreeFault(.read, errno: 5))],
            message: "cannot read \"web:/x/\u{fffd}[31m\": input/output error"),
    ]

    @Test(arguments: attacks)
    func `A guest that is no friend is given up with a sentence`(_ attack: Attack) throws {
        try say(attack.frames)
        let error = #expect(throws: ClientError.self) { try receive() }
        #expect(error?.message.hasSuffix(attack.message) == true, "\(error?.message ?? "")")
        #expect(try scratch.shell("ls -A outside") == "")
    }

    /// Takes a tree of one file as an honest agent does, and says that it has it.
    private static func takeFile(on socket: CInt) {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        func say(_ frame: Frame) {
            guard let bytes = try? frame.encoded() else { return }
            _ = try? UnixSocket.send(bytes[...], to: socket)
        }
        say(.hello(version: 2))
        while true {
            var set = PollSet()
            set.add(socket, .readable)
            set.wait(milliseconds: 10_000)
            guard var bytes = (try? Stream.read(socket, limit: 1 << 16))?[...], !bytes.isEmpty
            else {
                return
            }
            while !bytes.isEmpty {
                bytes = bytes.dropFirst(decoder.append(bytes))
                while let frame = (try? decoder.next()) ?? nil {
                    if frame == .endOfEntry { return say(.done) }
                }
            }
        }
    }

    @Test func `A file larger than a socket takes at a time is sent to its end`() throws {
        try scratch.shell("head -c 3000000 /dev/zero > file")
        let socket = far.socket.rawValue
        let agent = try TestThread("agent") { Self.takeFile(on: socket) }
        let summary = try transfer.send(scratch.path + "/file", to: destination)
        try agent.join()
        #expect(summary == CopySummary(entries: 1, bytes: 3_000_000, omitted: 0))
    }

    @Test func `An agent that says done too soon is not believed`() throws {
        try say([.done])
        try scratch.shell("head -c 1000000 /dev/zero > file")
        let error = #expect(throws: ClientError.self) {
            try transfer.send(scratch.path + "/file", to: destination)
        }
        #expect(error?.message == "the guest's agent broke the protocol: frame 5 in a tree")
    }

    @Test func `A fault in the guest is told by the name that the file has here`() throws {
        try scratch.shell("mkdir t; echo x > t/deep")
        try say([.treeFault(TreeFault(.write, errno: 28, entry: 1))])
        let error = #expect(throws: ClientError.self) {
            try transfer.send(scratch.path + "/t", to: destination)
        }
        #expect(
            error?.message
                == "cannot write the guest's copy of \"\(scratch.path)/t/deep\": no space left on"
                + " device")
    }

    @Test func `What is not here is said before anything is sent`() throws {
        let error = #expect(throws: ClientError.self) {
            try transfer.send(scratch.path + "/nothing", to: destination)
        }
        #expect(
            error?.message == "cannot open \"\(scratch.path)/nothing\": no such file or directory")
    }
}
