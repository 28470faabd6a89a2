// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

/// Trees to and from the agent, on a channel.
@Suite struct TreeServiceTests {
    private static func path(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Sends the tree at `source` as a host does.
    private func send(_ source: String, on channel: TestChannel) throws {
        let reader = TreeReader(path: Self.path(source))
        while !reader.isComplete {
            var bytes: [UInt8] = []
            try reader.read(into: &bytes)
            try channel.send(bytes)
        }
    }

    @Test func `A tree goes to the agent and comes back`() throws {
        let scratch = try ScratchTree(TreeTests.colourful + "\nrm t/fifo; touch -d 2001-02-03 t")
        let agent = try AgentProcess()
        let there = try agent.channel()
        let middle = TreeDestination(path: Self.path(scratch.path + "/middle"), name: [0x61])
        try there.send(.takeTree(middle))
        try send(scratch.path + "/t", on: there)
        #expect(try there.next() == .done)

        let back = try agent.channel()
        try back.send(.sendTree(path: middle.path))
        let writer = TreeWriter(
            TreeDestination(path: Self.path(scratch.path + "/copy"), name: [0x61]),
            policy: TreePolicy())
        while !writer.isComplete { try TreeCopy.give(try back.next(), to: writer) }
        #expect(try scratch.listing(of: "copy") == scratch.listing(of: "t"))
    }

    @Test func `An archive's members go to the agent with their hard links`() throws {
        let scratch = try ScratchTree()
        let channel = try AgentProcess().channel()
        var link = TreeEntry(.hardLink, name: Self.path("h"))
        link.target = Self.path("d/f")
        try channel.send(
            .takeArchive(
                TreeDestination(path: Self.path(scratch.path + "/t"), name: [], isContents: true)),
            .entry(TreeEntry(.directory, name: [], mode: 0o755)),
            .entry(TreeEntry(.directory, name: Self.path("d"), mode: 0o755)),
            .entry(TreeEntry(.file, name: Self.path("f"), mode: 0o644)), .data([0x61]), .endOfEntry,
            .endOfEntry, .entry(link), .endOfEntry)
        #expect(try channel.next() == .done)
        #expect(try scratch.shell("cd t; cat h; stat -c %h d/f") == "a2\n")
        // In a tree that is no archive there are none.
        let other = try AgentProcess().channel()
        try other.send(
            .takeTree(TreeDestination(path: Self.path(scratch.path), name: Self.path("u"))),
            .entry(TreeEntry(.directory, name: [], mode: 0o755)), .entry(link))
        #expect(try other.next() == .treeFault(TreeFault(.order, entry: 1)))
    }

    @Test func `For an archive the agent tells sizes, of those files that know theirs`() throws {
        let scratch = try ScratchTree("head -c 100000 /dev/zero > f; : > empty")
        func frames(_ request: Frame) throws -> [Frame] {
            let channel = try AgentProcess().channel()
            try channel.send(request)
            var frames: [Frame] = []
            while frames.last != .endOfEntry { frames.append(try channel.next()) }
            return frames
        }
        let path = Self.path(scratch.path + "/f")
        let sized = try frames(.sendArchive(path: path))
        #expect(sized[1] == .size(100_000))
        let plain = try frames(.sendTree(path: path))
        #expect(sized.filter { $0 != .size(100_000) } == plain)
        #expect(try frames(.sendArchive(path: Self.path(scratch.path + "/empty"))).count == 2)
    }

    @Test func `A place that cannot be is told, and the agent goes on`() throws {
        let scratch = try ScratchTree("echo x > f")
        let agent = try AgentProcess()
        let channel = try agent.channel()
        try channel.send(
            .takeTree(TreeDestination(path: Self.path(scratch.path + "/no/f"), name: [0x66])))
        try send(scratch.path + "/f", on: channel)
        #expect(try channel.next() == .treeFault(TreeFault(.destination, errno: 2)))

        let other = try agent.channel()
        try other.send(.sendTree(path: Self.path(scratch.path + "/nothing")))
        #expect(try other.next() == .treeFault(TreeFault(.open, errno: 2)))
        #expect(try agent.channel().shell("echo well").text == "well\n")
    }

    @Test func `A full disk is told while the host still sends`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(
            .takeTree(TreeDestination(path: Self.path("/dev/full"), name: [0x66])))
        // Not the device itself is written: it is no file, and is replaced like one.
        try channel.send(.entry(TreeEntry(.directory, name: [])))
        #expect(try channel.next() == .treeFault(TreeFault(.clash, errno: 20)))
        for _ in 0..<64 { try channel.send(.data(Array(repeating: 1, count: 65536))) }
    }

    static let intruders: [Frame] = [
        .ping(1), .execute(ExecRequest(["true"])), .endOfEntry, .data([1]),
        .entry(TreeEntry(.file, name: [0x61])),
    ]

    @Test(arguments: intruders)
    func `What does not belong into a tree ends it`(_ frame: Frame) throws {
        let scratch = try ScratchTree()
        let channel = try AgentProcess().channel()
        try channel.send(
            .takeTree(TreeDestination(path: Self.path(scratch.path + "/f"), name: [0x66])), frame)
        #expect(try channel.next() == .treeFault(TreeFault(.order)))
    }

    @Test func `A channel with a command takes no tree`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.execute(ExecRequest(["sleep", "30"])), .sendTree(path: [0x2f]))
        #expect(try channel.next() == .refused(Refusal(.outOfTurn, detail: 48)))
        try channel.send(.signal(9))
        #expect(try channel.outcome().end == .killed(signal: 9))
    }

    @Test func `A host that hangs up leaves no process behind`() throws {
        let scratch = try ScratchTree("head -c 9000000 /dev/zero > f")
        let agent = try AgentProcess()
        var channels: [TestChannel] = []
        for _ in 0..<3 {
            let channel = try agent.channel()
            try channel.send(.sendTree(path: Self.path(scratch.path + "/f")))
            guard case .entry = try channel.next() else { throw TreeFault(.order) }
            channels.append(channel)
            let other = try agent.channel()
            try other.send(
                .takeTree(TreeDestination(path: Self.path(scratch.path + "/g"), name: [0x66])),
                .entry(TreeEntry(.directory, name: [])))
            channels.append(other)
        }
        let watch = try agent.channel()
        // The agent is the shell's parent; its other children copy.
        let count = "ps -o comm= --ppid $PPID | grep -c swiftlet-agent"
        #expect(try watch.shell(count).text == "6\n")
        channels.removeAll()
        let script = "for i in $(seq 100); do [ $(\(count)) = 0 ] && exit 7; sleep 0.1; done"
        #expect(try watch.shell(script).end == .exited(7))
    }

    @Test func `Others are served while a copy waits for its host`() throws {
        let scratch = try ScratchTree("head -c 9000000 /dev/zero > f")
        let agent = try AgentProcess()
        let copy = try agent.channel()
        try copy.send(.sendTree(path: Self.path(scratch.path + "/f")))
        for turn in 0..<3 {
            #expect(try agent.channel().shell("echo \(turn)").text == "\(turn)\n")
        }
        guard case .entry(let entry) = try copy.next() else { throw TreeFault(.order) }
        #expect(entry.kind == .file)
    }
}
