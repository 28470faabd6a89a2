// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

/// Archives that are broken, or mean no good.
@Suite struct HostileTarTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        let archive: [UInt8]
        let fault: TarFault
        var testDescription: String { name }

        init(_ name: String, _ archive: [UInt8], _ fault: TarFault) {
            self.name = name
            self.archive = archive
            self.fault = fault
        }
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func broken(at index: Int) -> [UInt8] {
        var archive = TarBlocks.file("a", "x") + TarBlocks.file("b", "y") + TarBlocks.end
        archive[index] ^= 1
        return archive
    }

    /// A header whose size, of 12 bytes, is `size`.
    private static func sized(_ size: [UInt8], type: Character = "0") -> [UInt8] {
        var block = TarBlocks.header("a", type: type)
        block.replaceSubrange(124..<136, with: size)
        return TarBlocks.summed(block)
    }

    static let attacks = [
        Attack("nothing", [], .empty),
        Attack("text", bytes("hello"), .noArchive),
        Attack("a lot of text", [UInt8](repeating: 0x61, count: 2000), .noArchive),
        Attack("gzip", [0x1f, 0x8b, 8, 0], .compressed("gzip")),
        Attack(
            "zstd", [0x28, 0xb5, 0x2f, 0xfd] + [UInt8](repeating: 9, count: 600),
            .compressed("zstd")),
        Attack("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], .compressed("xz")),
        Attack("bzip2", bytes("BZh91AY"), .compressed("bzip2")),
        Attack("a wrong first sum", broken(at: 0), .noArchive),
        Attack("a wrong sum", broken(at: 1024), .sum),
        Attack("cut in a header", Array(TarBlocks.file("a", "x").prefix(1200)), .cut),
        Attack("cut in the second header", TarBlocks.file("a", "x") + [1, 2, 3], .cut),
        Attack("cut in data", Array(TarBlocks.file("a", "xyz").prefix(514)), .cut),
        Attack("cut behind data", TarBlocks.file("a", "x"), .cut),
        Attack("cut in records", Array(TarBlocks.records("x", ["path": "p"]).prefix(520)), .cut),
        Attack("records of nothing", TarBlocks.records("x", ["path": "p"]), .cut),
        Attack("up", TarBlocks.file("../x", "x"), .outside(bytes("../x"))),
        Attack("up behind", TarBlocks.file("a/..", "x"), .outside(bytes("a/.."))),
        Attack("up within", TarBlocks.file("/a/../../x", "x"), .outside(bytes("/a/../../x"))),
        Attack(
            "up by a prefix", TarBlocks.header("x", prefix: "../.."), .outside(bytes("../../x"))),
        Attack(
            "up by a record",
            TarBlocks.records("x", ["path": "../x"]) + TarBlocks.header("x"),
            .outside(bytes("../x"))),
        Attack(
            "up by a long name", TarBlocks.front("L", "../x") + TarBlocks.header("x"),
            .outside(bytes("../x"))),
        Attack(
            "up by a record for all",
            TarBlocks.records("g", ["path": "../x"]) + TarBlocks.header("x"),
            .outside(bytes("../x"))),
        Attack(
            "a hard link to the outside", TarBlocks.header("l", type: "1", target: "../../etc/x"),
            .outside(bytes("../../etc/x"))),
        Attack("no name", TarBlocks.header(""), .name([])),
        Attack("a file as the root", TarBlocks.header("./"), .name(bytes("./"))),
        Attack("a link as the root", TarBlocks.header("/", type: "2", target: "x"), .name([0x2f])),
        Attack(
            "a zero in a name",
            TarBlocks.records("x", ["path": "a\0b"]) + TarBlocks.header("x"),
            .name(bytes("a\0b"))),
        Attack(
            "a name that no directory holds",
            TarBlocks.front("L", String(repeating: "a", count: 256)) + TarBlocks.header("x"),
            .name([UInt8](repeating: 0x61, count: 256))),
        Attack(
            "a path deeper than any tree",
            TarBlocks.front("L", String(repeating: "d/", count: 200) + "a") + TarBlocks.header("x"),
            .depth(bytes(String(repeating: "d/", count: 200) + "a"))),
        Attack(
            "a hard link to such a path",
            TarBlocks.front("K", String(repeating: "d/", count: 201))
                + TarBlocks.header("x", type: "1"),
            .depth(bytes(String(repeating: "d/", count: 201)))),
        Attack("a link to nothing", TarBlocks.header("l", type: "2"), .target(bytes("l"))),
        Attack("a hard link to nothing", TarBlocks.header("l", type: "1"), .target(bytes("l"))),
        Attack(
            "a hard link to the root", TarBlocks.header("l", type: "1", target: "./"),
            .target(bytes("l"))),
        Attack("an unknown type", TarBlocks.header("a", type: "D"), .kind(0x44, bytes("a"))),
        Attack("holes", TarBlocks.header("a", type: "S"), .sparse(bytes("a"))),
        Attack(
            "holes by records",
            TarBlocks.records("x", ["GNU.sparse.major": "1"]) + TarBlocks.header("a"),
            .sparse(bytes("a"))),
        Attack("no octal", sized(bytes("0000000000x\0")), .number("size", bytes("a"))),
        Attack(
            "less than nothing", sized([UInt8](repeating: 0xff, count: 12)),
            .number("size", bytes("a"))),
        Attack(
            "more than can be counted", sized([0x80] + [UInt8](repeating: 0xff, count: 11)),
            .number("size", bytes("a"))),
        Attack(
            "a size beyond everything",
            TarBlocks.records("x", ["size": "18446744073709551615"]) + TarBlocks.header("a"),
            .number("size", bytes("a"))),
        Attack(
            "a size that is none",
            TarBlocks.records("x", ["size": "-1"]) + TarBlocks.header("a"),
            .number("size", bytes("a"))),
        Attack(
            "an owner beyond all",
            TarBlocks.records("x", ["uid": "4294967296"]) + TarBlocks.header("a"),
            .number("owner", bytes("a"))),
        Attack(
            "a time that is none",
            TarBlocks.records("x", ["mtime": "noon"]) + TarBlocks.header("a"),
            .number("time", bytes("a"))),
        Attack("endless records", sized(bytes("77777777777\0"), type: "x"), .records),
        Attack("an endless name", sized(bytes("00004000001\0"), type: "L"), .records),
        Attack("a record without a length", TarBlocks.front("x", "path=a\n"), .records),
        Attack("a record of length nought", TarBlocks.front("x", "0 path=a\n"), .records),
        Attack("a record too short", TarBlocks.front("x", "3 path=a\n"), .records),
        Attack("a record too long", TarBlocks.front("x", "99 path=a\n"), .records),
        Attack("a record of many digits", TarBlocks.front("x", "999999999999 a=b\n"), .records),
        Attack("a record without a sign", TarBlocks.front("x", "7 path\n"), .records),
    ]

    @Test(arguments: attacks, [1, 512, .max])
    func `What is wrong is refused with its reason`(_ attack: Attack, _ piece: Int) {
        #expect(throws: attack.fault) { try TarBlocks.pieces(attack.archive, piece: piece) }
        let message = attack.fault.message
        #expect(!message.contains("\n") && !message.contains("\0"))
    }

    @Test func `A name that paints the terminal is not said as it is`() {
        let fault = TarFault.outside(Array("\u{1b}[31m/..".utf8))
        #expect(
            fault.message == "the archive has \"\u{fffd}[31m/..\", which leads out of its place")
    }

    @Test(arguments: [
        (
            TarBlocks.header("l", type: "2", target: "../outside") + TarBlocks.file("l/f", "x"),
            TreeFault(.clash, errno: 20, entry: 2)
        ),
        (
            TarBlocks.header("l", type: "2", target: "../outside/f")
                + TarBlocks.header("h", type: "1", target: "l/f"),
            TreeFault(.hardLink, errno: 20, entry: 2)
        ),
        (
            TarBlocks.header("h", type: "1", target: "nothing"),
            TreeFault(.hardLink, errno: 2, entry: 1)
        ),
        (
            TarBlocks.header("d/", type: "5") + TarBlocks.header("h", type: "1", target: "d"),
            TreeFault(.make, errno: 1, entry: 2)
        ),
        (
            TarBlocks.header("d/", type: "5") + TarBlocks.file("d", "x"),
            TreeFault(.clash, errno: 21, entry: 2)
        ),
    ])
    func `Nobody goes through an archive's own links`(
        _ archive: [UInt8], _ fault: TreeFault
    ) throws {
        let scratch = try ScratchTree("mkdir outside; echo old > outside/f")
        let before = try scratch.listing(of: "outside")
        #expect(throws: fault) {
            try TarBlocks.unpack(archive + TarBlocks.end, to: scratch.path + "/in")
        }
        #expect(try scratch.listing(of: "outside") == before)
    }

    @Test func `A hard link to a link, and a file in its place, touch nobody else's`() throws {
        let scratch = try ScratchTree("mkdir outside; echo old > outside/f")
        let before = try scratch.listing(of: "outside")
        var archive = TarBlocks.header("l", type: "2", target: "../outside/f")
        archive += TarBlocks.header("h", type: "1", target: "l")
        archive += TarBlocks.file("h", "x") + TarBlocks.file("l", "y") + TarBlocks.end
        try TarBlocks.unpack(archive, to: scratch.path + "/in")
        #expect(
            try scratch.shell("cat in/h in/l; stat -c %F in/h in/l") == """
                xyregular file
                regular file

                """)
        #expect(try scratch.listing(of: "outside") == before)
    }

    @Test func `Records without end hold no more memory than keywords`() throws {
        var reader = TarReader()
        reader.append(TarBlocks.records("g", ["path": "a"]))
        for number in 0..<10_000 {
            reader.append(TarBlocks.records("x", ["path": "p\(number)", "key\(number)": "v"]))
            #expect(try reader.next() == nil)
        }
        reader.append(TarBlocks.header("x"))
        guard case .member(let member) = try reader.next() else {
            Issue.record("no member")
            return
        }
        #expect(member.names == [Array("p9999".utf8)])
    }

    @Test func `Paths as long as can be hold no more memory than many short ones`() throws {
        var tree = MemberTree(now: 0)
        let names = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 255), count: 199)
        for number in 0..<1000 {
            let member = TarMember(
                kind: .file, names: names + [Array("\(number)".utf8)], mode: 0o644, owner: 0,
                group: 0, seconds: 0, nanoseconds: 0)
            var bytes: [UInt8] = []
            try tree.add(member, into: &bytes)
        }
        // The root and the directories come before the first file.
        #expect(tree.entryCount == 1200)
        #expect(tree.path(ofEntry: 1199)?.count == 199 * 256 + 3)
        #expect(tree.path(ofEntry: 1198)?.suffix(3) == Array("998".utf8)[...])
        #expect(tree.path(ofEntry: 200) == nil)
    }

    @Test func `Whatever is changed in an archive, no name leads anywhere`() throws {
        let scratch = try ScratchTree(
            TarReaderTests.tree + "\n" + TarReaderTests.long
                + "\nrm t/sub/file6*; tar --format=posix -cf archive t; tar --format=gnu -cf b t")
        let archives = try ["/archive", "/b"].map {
            try HostFacts.read(scratch.path + $0, at: 0, count: 1 << 20)
        }
        var random = SystemRandomNumberGenerator()
        for round in 0..<400 {
            var archive = archives[round & 1]
            let block = Int.random(in: 0..<archive.count / 512, using: &random) * 512
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                archive[block + Int.random(in: 0..<512, using: &random)] =
                    [0, 0x2e, 0x2f, 0x31, 0x80, 0xff].randomElement(using: &random) ?? 0
            }
            // With the sum put right most get further.
            if round % 3 != 0 {
                let header = TarBlocks.summed(Array(archive[block..<block + 512]))
                archive.replaceSubrange(block..<block + 512, with: header)
            }
            do {
                for member in try TarBlocks.members(archive) {
                    #expect(member.names.allSatisfy(TreeEntry.isName))
                    if case .hardLink(let names) = member.kind {
                        #expect(!names.isEmpty && names.allSatisfy(TreeEntry.isName))
                    }
                }
            } catch let fault as TarFault {
                #expect(!fault.message.isEmpty)
            }
        }
    }
}
