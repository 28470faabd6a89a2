// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

@Suite struct TarReaderTests {
    /// Long names, all links, odd permissions, large numbers.
    static let tree = """
        mkdir -p t/empty t/sub/deep t/tight
        for size in 0 1 511 512 513 65536 65537; do
            head -c $size /dev/urandom > t/sub/file$size
        done
        echo a > t/tight/inside; printf x > 't/with space'; printf y > 't/-rf'
        ln -s sub/file1 t/relative; ln -s /etc/passwd t/absolute; ln -s nowhere t/dangling
        ln t/sub/file513 t/sub/deep/same; ln t/sub/file513 t/same
        chmod 4755 t/sub/file1; chmod 2711 t/sub/deep; chmod 0400 t/sub/file0; chmod 1777 t/empty
        [ $(id -u) -ne 0 ] || { chown 1234:4321 t/empty; chown -h 7:8 t/dangling; }
        find t -exec touch -h -d '2001-02-03 04:05:06 UTC' {} +
        """
    static let long = """
        p=t/$(printf '%090d' 1)/$(printf '%060d' 2); mkdir -p $p
        echo long > $p/$(printf '%099d' 3); echo longer > $p/$(printf '%0255d' 4)
        ln -s $(printf '%0200d' 5) t/far
        [ $(id -u) -ne 0 ] || chown 3000000:4000000000 t/sub/file512
        find t -exec touch -h -d '2001-02-03 04:05:06 UTC' {} +
        """

    @Test(arguments: ["v7", "ustar", "oldgnu", "gnu", "posix"], [1, 700, 65536])
    func `What tar packed comes out as it went in`(_ format: String, _ piece: Int) throws {
        let hasLong = ["oldgnu", "gnu", "posix"].contains(format)
        // Byte by byte, a large file is no more of a test.
        let small = piece == 1 ? "rm t/sub/file655*" : ""
        let scratch = try ScratchTree(
            """
            \(Self.tree)
            \(hasLong ? Self.long : "")
            \(small)
            find t -type d -exec touch -d '2001-02-03 04:05:06 UTC' {} +
            tar --format=\(format) -cf archive -C t .
            """)
        let archive = try HostFacts.read(scratch.path + "/archive", at: 0, count: 4 << 20)
        try TarBlocks.unpack(archive, to: scratch.path + "/copy", piece: piece)
        #expect(try scratch.listing(of: "copy") == scratch.listing(of: "t"))
        #expect(
            try scratch.shell("cd copy; stat -c %h same; stat -c %i same sub/file513 | uniq -c")
                .contains("3\n      2 "))
    }

    @Test func `Pax keeps fractions of seconds, also before 1970`() throws {
        let scratch = try ScratchTree(
            """
            mkdir t; echo a > t/a; echo b > t/b
            touch -d '1999-12-31 23:59:59.987654321 UTC' t/a
            touch -d '1960-01-01 00:00:00.25 UTC' t/b; touch -d '2001-02-03 UTC' t
            tar --format=posix -cf archive -C t .
            """)
        let archive = try HostFacts.read(scratch.path + "/archive", at: 0, count: 1 << 20)
        try TarBlocks.unpack(archive, to: scratch.path + "/copy")
        #expect(try scratch.listing(of: "copy") == scratch.listing(of: "t"))
    }

    @Test func `Members in any order and without their directories are put in place`() throws {
        let scratch = try ScratchTree("mkdir d d/kept; chmod 700 d d/kept; echo old > d/kept/f")
        var archive = TarBlocks.file("a/b/c", "1") + TarBlocks.file("x", "2")
        archive += TarBlocks.file("/a/b/d", "3") + TarBlocks.header("./a/", type: "5")
        archive += TarBlocks.file("a/./e", "4") + TarBlocks.file("kept//f", "new")
        archive += TarBlocks.header("old/", type: "\0", mode: "0000750", magic: "")
        archive += TarBlocks.header("a/b/l", type: "1", target: "./kept/f")
        archive += TarBlocks.header("x", type: "1", target: "/x") + TarBlocks.end
        let writer = try TarBlocks.unpack(archive, to: scratch.path + "/d")
        #expect(
            try scratch.shell("cd d; cat a/b/c x a/b/d a/e kept/f a/b/l; stat -c %a . kept a old")
                == "1234newnew700\n700\n755\n750\n")
        #expect(writer.omittedCount == 0)
    }

    @Test func `Records hold in place of a header, for one member or for all that follow`() throws {
        var archive = TarBlocks.records("g", ["uid": "70000", "mtime": "7.5", "comment": "x"])
        archive += TarBlocks.records("x", ["path": "long/p", "gid": "5", "size": "1", "a.b": "y"])
        archive += TarBlocks.header("cut", owner: "0000001") + TarBlocks.data("z")
        archive += TarBlocks.records("x", ["uid": "", "mtime": "-0.25"])
        archive += TarBlocks.header("q", owner: "0000001")
        archive += TarBlocks.records("x", ["linkpath": "there"])
        archive += TarBlocks.header("l", type: "2", target: "here") + TarBlocks.end
        func member(
            _ path: String, _ kind: TarMember.Kind, _ owner: UInt32, _ group: UInt32,
            _ seconds: Int64, _ nanoseconds: UInt32
        ) -> TarMember {
            TarMember(
                kind: kind, names: TarBlocks.names(path), mode: 0o644, owner: owner, group: group,
                seconds: seconds, nanoseconds: nanoseconds)
        }
        #expect(
            try TarBlocks.members(archive) == [
                member("long/p", .file, 70000, 5, 7, 500_000_000),
                member("q", .file, 1, 0, -1, 750_000_000),
                member("l", .link(target: Array("there".utf8)), 70000, 0, 7, 500_000_000),
            ])
    }

    static let times: [(String, Int64, UInt32)] = [
        ("0", 0, 0), ("12.000000001", 12, 1), ("1.5", 1, 500_000_000),
        ("1.9999999999", 1, 999_999_999), ("-1", -1, 0), ("-1.5", -2, 500_000_000),
        ("-0.000000001", -1, 999_999_999), ("-1.0000000001", -2, 999_999_999),
        ("-1.9999999999", -2, 0), ("9223372036854775807", .max, 0),
    ]

    @Test(arguments: times)
    func `Times are rounded down`(_ text: String, _ seconds: Int64, _ nanoseconds: UInt32) {
        let time = PaxRecord("mtime", text).time
        #expect(time?.seconds == seconds)
        #expect(time?.nanoseconds == nanoseconds)
    }

    @Test(arguments: ["", "x", "1.x", "--1", "+1", "1.-5", " 1", "9223372036854775808", "."])
    func `What is no time is none`(_ text: String) {
        #expect(PaxRecord("mtime", text).time == nil)
    }

    @Test func `Numbers are octal or binary`() {
        func number(_ bytes: [UInt8]) -> Int64? { TarHeader.number(bytes[...]) }
        #expect(number(Array("0000644\0".utf8)) == 0o644)
        #expect(number(Array("   644 \0".utf8)) == 0o644)
        #expect(number(Array("77777777777".utf8)) == 0o77_777_777_777)
        #expect(number([0, 0]) == 0)
        #expect(number([0x80, 0, 0, 0, 0, 0, 1, 0]) == 256)
        #expect(number([UInt8](repeating: 0xff, count: 12)) == -1)
        #expect(number([0x80] + [0, 0, 0] + [0x7f] + [UInt8](repeating: 0xff, count: 7)) == .max)
        #expect(number([0x80] + [0, 0, 0] + [UInt8](repeating: 0xff, count: 8)) == nil)
        #expect(number([UInt8](repeating: 0x81, count: 12)) == nil)
        #expect(number(Array("0000648\0".utf8)) == nil)
        #expect(number(Array("-1\0".utf8)) == nil)
    }

    @Test func `An archive may end in one block of zeros, and behind two nothing is read`() throws {
        let file = TarBlocks.file("a", "x")
        #expect(try TarBlocks.members(file + [UInt8](repeating: 0, count: 512)).count == 1)
        #expect(try TarBlocks.members(file + TarBlocks.end + file).count == 1)
        #expect(try TarBlocks.members(TarBlocks.end) == [])
        // One alone is passed over, as where archives were put together.
        // What waits to be read when the end is known is read.
        var reader = TarReader()
        reader.append(file + TarBlocks.end)
        reader.finish()
        var count = 0
        while try reader.next() != .end { count += 1 }
        #expect(count == 3)
        let both = file + [UInt8](repeating: 0, count: 512) + TarBlocks.file("b", "y")
        #expect(try TarBlocks.members(both + TarBlocks.end).count == 2)
    }
}
