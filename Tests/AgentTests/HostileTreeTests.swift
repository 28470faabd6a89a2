// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Testing

@testable import Agent

/// What a hostile guest can send as a tree must stay where the tree was to go.
@Suite struct HostileTreeTests {
    private let scratch: ScratchTree
    private let outside: String
    private let destination: TreeDestination
    private let policy: TreePolicy

    init() throws {
        scratch = try ScratchTree(
            """
            mkdir outside in; echo secret > outside/file; mkdir outside/sub
            chmod 711 outside outside/sub; chmod 640 outside/file; touch -d 2001-02-03 outside/* outside
            """)
        outside = try scratch.listing(of: "outside")
        destination = TreeDestination(
            path: Array((scratch.path + "/in").utf8), name: Array("t".utf8))
        var policy = TreePolicy()
        policy.followsLink = false
        policy.dropsSetID = true
        policy.byteLimit = 1 << 20
        policy.entryLimit = 1000
        self.policy = policy
    }

    private static func directory(_ name: String) -> Frame {
        .entry(TreeEntry(.directory, name: Array(name.utf8), mode: 0o7777))
    }
    private static func file(_ name: String) -> Frame {
        .entry(TreeEntry(.file, name: Array(name.utf8), mode: 0o7777))
    }
    private static func link(_ name: String, _ target: String) -> Frame {
        var link = TreeEntry(.link, name: Array(name.utf8), mode: 0o777)
        link.target = Array(target.utf8)
        return .entry(link)
    }

    private static func hardLink(_ name: String, _ target: String) -> Frame {
        var link = TreeEntry(.hardLink, name: Array(name.utf8))
        link.target = Array(target.utf8)
        return .entry(link)
    }

    /// What a guest sends, and how far it gets.
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        let frames: [Frame]
        let fault: TreeFault?
        var testDescription: String { name }
    }

    static let attacks = [
        Attack(
            name: "a directory through a link of its own",
            frames: [directory(""), link("l", "../../outside"), directory("l"), file("file")],
            fault: TreeFault(.clash, errno: 20, entry: 2)),
        Attack(
            name: "a file through a link of its own",
            frames: [
                directory(""), link("l", "../../outside/file"), file("l"), .data([1]), .endOfEntry,
                .endOfEntry,
            ],
            fault: nil),
        Attack(
            name: "a link in place of the tree, then entries",
            frames: [link("", "../outside"), file("file")],
            fault: TreeFault(.order, entry: 1)),
        Attack(
            name: "a directory that is replaced by a link while it is open",
            frames: [
                directory(""), directory("d"), .endOfEntry, link("d", "../../outside"),
            ],
            fault: TreeFault(.clash, errno: 21, entry: 2)),
        Attack(
            name: "entries after the end",
            frames: [directory(""), .endOfEntry, file("file")],
            fault: TreeFault(.order, entry: 1)),
        Attack(
            name: "more ends than beginnings", frames: [directory(""), .endOfEntry, .endOfEntry],
            fault: TreeFault(.order)),
        Attack(name: "an end first", frames: [.endOfEntry], fault: TreeFault(.order)),
        Attack(name: "data first", frames: [.data([1])], fault: TreeFault(.order)),
        Attack(
            name: "data of a directory", frames: [directory(""), .data([1])],
            fault: TreeFault(.order)),
        Attack(
            name: "an entry in a file", frames: [file(""), file("x")],
            fault: TreeFault(.order, entry: 1)),
        Attack(name: "a name for the tree", frames: [file("x")], fault: TreeFault(.order)),
        Attack(
            name: "no name for an entry", frames: [directory(""), directory("")],
            fault: TreeFault(.order, entry: 1)),
        Attack(
            name: "a hard link",
            frames: [directory(""), file("f"), .endOfEntry, hardLink("h", "f")],
            fault: TreeFault(.order, entry: 2)),
        Attack(
            name: "endless data",
            frames: [file("")]
                + Array(repeating: .data(Array(repeating: 1, count: 65536)), count: 17),
            fault: TreeFault(.bytes)),
        Attack(
            name: "endless entries",
            frames: [directory("")]
                + (0..<1000).map { file("f\($0)") }.flatMap { [$0, .endOfEntry] },
            fault: TreeFault(.entries, entry: 1000)),
        Attack(
            name: "endless depth",
            frames: [directory("")] + Array(repeating: directory("d"), count: 200),
            fault: TreeFault(.depth, entry: 200)),
    ]

    @Test(arguments: attacks)
    func `An attack is refused or harms nobody`(_ attack: Attack) throws {
        var fault: TreeFault?
        do {
            let writer = TreeWriter(destination, policy: policy)
            for frame in attack.frames { try TreeCopy.give(frame, to: writer) }
        } catch let error as TreeFault {
            fault = error
        }
        #expect(fault == attack.fault)
        #expect(try scratch.listing(of: "outside") == outside)
        #expect(try scratch.shell("find in -perm /6000") == "")
    }

    @Test func `A second copy does not go through the link that the first has left`() throws {
        let place = TreeDestination(
            path: destination.path + Array("/t".utf8), name: [], isContents: true)
        try TreeWriter(place, policy: policy).take(Self.entry(of: Self.link("", "../outside")))
        #expect(try scratch.shell("readlink in/t") == "../outside\n")
        let second = TreeWriter(place, policy: policy)
        #expect(throws: TreeFault(.link)) { try second.take(Self.entry(of: Self.directory(""))) }
        #expect(try scratch.listing(of: "outside") == outside)
    }

    static let hardLinks: [(name: String, frames: [Frame], fault: TreeFault?)] = [
        ("to a file", [file("f"), .endOfEntry, hardLink("h", "f")], nil),
        (
            "in place of another file",
            [file("f"), .endOfEntry, file("h"), .endOfEntry, hardLink("h", "f")], nil
        ),
        (
            "to a file in a directory",
            [directory("d"), file("f"), .endOfEntry, .endOfEntry, hardLink("h", "d/f")], nil
        ),
        (
            "through a link",
            [link("l", "../../outside"), hardLink("h", "l/file")],
            TreeFault(.hardLink, errno: 20, entry: 2)
        ),
        ("to a link", [link("l", "../../outside/file"), hardLink("h", "l")], nil),
        ("to nothing", [hardLink("h", "f")], TreeFault(.hardLink, errno: 2, entry: 1)),
        (
            "to nothing, with something in the way",
            [file("h"), .endOfEntry, hardLink("h", "f")],
            TreeFault(.hardLink, errno: 2, entry: 2)
        ),
        (
            "in place of a directory",
            [file("f"), .endOfEntry, directory("d"), .endOfEntry, hardLink("d", "f")],
            TreeFault(.clash, errno: 21, entry: 3)
        ),
        (
            "to a directory", [directory("d"), .endOfEntry, hardLink("h", "d")],
            TreeFault(.make, errno: 1, entry: 2)
        ),
    ]

    @Test(arguments: hardLinks)
    func `A hard link stays in the tree`(
        _ name: String, _ frames: [Frame], _ fault: TreeFault?
    ) throws {
        var policy = policy
        policy.takesHardLinks = true
        let writer = TreeWriter(destination, policy: policy)
        var found: TreeFault?
        do {
            for frame in [Self.directory("")] + frames { try TreeCopy.give(frame, to: writer) }
            try writer.end()
        } catch let error as TreeFault {
            found = error
        }
        #expect(found == fault)
        #expect(try scratch.listing(of: "outside") == outside)
        // The file that was linked is the same under both names.
        let links = try scratch.shell("find in -name h -links 2 | wc -l")
        #expect(links == (fault == nil ? "1\n" : "0\n"))
    }

    @Test func `A tree that is but a hard link is none`() {
        var policy = policy
        policy.takesHardLinks = true
        let writer = TreeWriter(destination, policy: policy)
        #expect(throws: TreeFault(.order)) {
            try TreeCopy.give(Self.hardLink("", "f"), to: writer)
        }
    }

    private static func entry(of frame: Frame) throws -> TreeEntry {
        guard case .entry(let entry) = frame else { throw TreeFault(.order) }
        return entry
    }

    @Test func `Devices and the like are counted and not made`() throws {
        let writer = TreeWriter(destination, policy: policy)
        try writer.take(TreeEntry(.directory, name: []))
        try writer.take(TreeEntry(.other, name: Array("sda".utf8), mode: 0o666))
        try writer.end()
        #expect(writer.isComplete)
        #expect(writer.omittedCount == 1)
        #expect(try scratch.shell("ls -A in/t") == "")
    }

    @Test func `Whatever is sent, nothing outside changes`() throws {
        var random = FrameFuzzTests.SplitMix(state: 11)
        let names = ["a", "b", "c", "..x", "sub", "file"]
        let targets = [
            "..", "../..", "../../outside", "../outside", scratch.path + "/outside", "a", "b", "/",
        ]
        let end = Clock.monotonic + FrameFuzzTests.duration
        var rounds = 0
        while Clock.monotonic < end {
            rounds += 1
            let path = "\(scratch.path)/in/\(names[rounds % names.count])"
            let writer = TreeWriter(
                TreeDestination(path: Array(path.utf8), name: Array("n".utf8)), policy: policy)
            do {
                try writer.take(TreeEntry(.directory, name: [], mode: 0o700))
                for _ in 0..<40 {
                    let name = names.randomElement(using: &random) ?? ""
                    switch Int.random(in: 0..<6, using: &random) {
                    case 0: try TreeCopy.give(Self.directory(name), to: writer)
                    case 1: try TreeCopy.give(Self.file(name), to: writer)
                    case 2: try writer.take([1, 2, 3])
                    case 3, 4: try writer.end()
                    default:
                        let target = targets.randomElement(using: &random) ?? ""
                        try TreeCopy.give(Self.link(name, target), to: writer)
                    }
                }
            } catch is TreeFault {}
        }
        #expect(rounds > 20)
        #expect(try scratch.listing(of: "outside") == outside)
        #expect(try scratch.shell("find . -maxdepth 1 | sort") == ".\n./in\n./outside\n")
    }
}
