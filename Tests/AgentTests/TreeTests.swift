// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Agent

@Suite struct TreeTests {
    /// Files of sizes around a frame's, all permissions, all links, odd names, a FIFO.
    static let colourful = """
        mkdir t t/empty t/sub t/sub/deep t/tight t/sticky
        for size in 0 1 4095 65535 65536 65537 300000; do
            head -c $size /dev/urandom > t/sub/file$size
        done
        echo a > t/tight/inside
        printf 'x' > "t/with space"; printf 'y' > 't/-rf'; printf 'z' > 't/new
        line'
        : > "t/$(printf 'b\\303\\244d-\\377')"
        : > "t/$(printf '%0255d' 7)"
        ln -s sub/file1 t/relative; ln -s /etc/passwd t/absolute; ln -s ../../../up t/up
        ln -s nowhere t/dangling; ln -s sub t/todir
        mkfifo t/fifo
        chmod 4755 t/sub/file1; chmod 2711 t/sub/deep; chmod 0400 t/sub/file0
        chmod 0604 t/sub/file4095; chmod 1777 t/sticky
        [ $(id -u) -ne 0 ] || { chown 1234:4321 t/sub/file4095 t/empty; chown -h 7:8 t/up; }
        touch -d '1999-12-31 23:59:59.987654321 UTC' t/sub/file1 t/sub/deep
        touch -h -d '1960-01-01 UTC' t/dangling
        chmod 0555 t/tight; touch -d '2001-02-03' t/tight t
        """

    @Test func `A tree comes out as it went in, owners, permissions and times included`() throws {
        let scratch = try ScratchTree(Self.colourful)
        let writer = try TreeCopy.run(scratch.path + "/t", to: scratch.path + "/copy")
        #expect(writer.omittedCount == 1)
        try scratch.shell("rm t/fifo; touch -d '2001-02-03' t")
        #expect(try scratch.listing(of: "copy") == scratch.listing(of: "t"))
    }

    /// Where a tree goes, with what is there.
    struct Place: CustomTestStringConvertible, Sendable {
        let source: String
        let destination: String
        var isContents = false
        /// Paths that are there afterwards, beside what was; or what is refused.
        let result: Result<[String], TreeFault>
        var testDescription: String { "\(source)\(isContents ? "/." : "") to \(destination)" }
    }

    static let places: [Place] = [
        Place(source: "f", destination: "new", result: .success(["new"])),
        Place(source: "f", destination: "d", result: .success(["d/name"])),
        Place(source: "f", destination: "d/", result: .success(["d/name"])),
        Place(source: "f", destination: "d/new", result: .success(["d/new"])),
        Place(source: "f", destination: "g", result: .success([])),
        Place(source: "f", destination: ".", result: .success(["name"])),
        Place(source: "f", destination: "d/..", result: .success(["name"])),
        Place(source: "f", destination: "dangling", result: .success([])),
        Place(source: "f", destination: "link", result: .success(["d/name"])),
        Place(
            source: "f", destination: "new/",
            result: .failure(TreeFault(.destination, errno: 20))),
        Place(
            source: "f", destination: "no/new",
            result: .failure(TreeFault(.destination, errno: 2))),
        Place(
            source: "f", destination: "g/new",
            result: .failure(TreeFault(.destination, errno: 20))),
        Place(source: "f", destination: "e", result: .failure(TreeFault(.clash, errno: 21))),
        Place(source: "t", destination: "new", result: .success(["new", "new/x"])),
        Place(source: "t", destination: "new//", result: .success(["new", "new/x"])),
        Place(source: "t", destination: "d", result: .success(["d/name", "d/name/x"])),
        Place(source: "t", destination: "d", isContents: true, result: .success(["d/x"])),
        Place(
            source: "t", destination: "new", isContents: true, result: .success(["new", "new/x"])),
        Place(source: "t", destination: "g", result: .failure(TreeFault(.clash, errno: 20))),
        Place(source: "t", destination: "h", result: .failure(TreeFault(.clash, errno: 20))),
        Place(
            source: "t", destination: "w", isContents: true,
            result: .failure(TreeFault(.clash, errno: 21, entry: 1))),
        Place(source: "link", destination: "new", result: .success(["new"])),
        Place(source: "link/", destination: "new", result: .success(["new"])),
        Place(source: "no", destination: "new", result: .failure(TreeFault(.open, errno: 2))),
        Place(source: "f/", destination: "new", result: .failure(TreeFault(.open, errno: 20))),
    ]

    @Test(arguments: places)
    func `A tree goes where cp would put it`(_ place: Place) throws {
        let scratch = try ScratchTree(
            """
            echo f > f; echo g > g; mkdir d t e e/name h w w/x; echo x > t/x; echo n > h/name
            ln -s d link; ln -s nothing dangling
            """)
        let before = try scratch.shell("find . | sort").split(separator: "\n")
        let outcome = Result {
            _ = try TreeCopy.run(
                scratch.path + "/" + place.source, to: scratch.path + "/" + place.destination,
                isContents: place.isContents)
        }.mapError { $0 as? TreeFault ?? TreeFault(.order) }
        let after = try scratch.shell("find . | sort").split(separator: "\n")
        let new = Set(after).subtracting(before).map { String($0.dropFirst(2)) }.sorted()
        switch place.result {
        case .success(let paths):
            #expect(throws: Never.self) { try outcome.get() }
            #expect(new == paths)
        case .failure(let fault): #expect(throws: fault) { try outcome.get() }
        }
    }

    @Test func `What is replaced is replaced whole, and what is entered stays as it is`() throws {
        let scratch = try ScratchTree(
            """
            mkdir -p t/sub d/sub; echo new > t/file; echo new > t/sub/file; echo new > t/link
            echo 'old and longer' > d/file; echo other > other; ln -s ../other d/link
            ln d/file hard; echo kept > d/sub/kept; chmod 700 d d/sub; chmod 755 t t/sub
            """)
        try TreeCopy.run(scratch.path + "/t", to: scratch.path + "/d", isContents: true)
        #expect(
            try scratch.shell("cat d/file d/sub/file d/sub/kept d/link other hard")
                == "new\nnew\nkept\nnew\nother\nold and longer\n")
        #expect(
            try scratch.shell("stat -c '%a %F' d d/sub d/link")
                == "700 directory\n700 directory\n644 regular file\n")
    }

    @Test func `A host follows no link in its place and takes no rights from a guest`() throws {
        let scratch = try ScratchTree(
            "echo f > f; chmod 6755 f; mkdir d; ln -s d link; ln -s nothing dangling")
        var policy = TreePolicy()
        policy.followsLink = false
        policy.dropsSetID = true
        for place in ["link", "dangling"] {
            #expect(throws: TreeFault(.link)) {
                try TreeCopy.run(
                    scratch.path + "/f", to: scratch.path + "/" + place, policy: policy)
            }
        }
        try TreeCopy.run(scratch.path + "/f", to: scratch.path + "/link/", policy: policy)
        #expect(try scratch.shell("stat -c %a d/name") == "755\n")
    }

    @Test func `What the kernel shows of itself is read to its end though it has no size`() throws {
        let scratch = try ScratchTree()
        try TreeCopy.run("/proc/self/status", to: scratch.path + "/status")
        #expect(try scratch.shell("grep -c VmRSS status") == "1\n")
    }

    @Test func `A tree too deep is refused, and one not too deep is copied`() throws {
        let scratch = try ScratchTree(
            """
            p=t; i=1; while [ $i -lt 200 ]; do p=$p/d; i=$((i + 1)); done; mkdir -p $p; echo x > $p/x
            """)
        try TreeCopy.run(scratch.path + "/t", to: scratch.path + "/copy")
        #expect(try scratch.shell("find copy -name x | xargs cat") == "x\n")
        try scratch.shell("mv t u; mkdir t; mv u t")
        #expect(throws: TreeFault(.depth, entry: 200)) {
            try TreeCopy.run(scratch.path + "/t", to: scratch.path + "/again")
        }
    }

    @Test func `An entry is found again by how many came before it`() throws {
        let scratch = try ScratchTree(
            "mkdir -p t/a t/b; for i in 1 2 3; do echo $i > t/a/f$i; ln -s x t/b/l$i; done")
        let root = Array((scratch.path + "/t").utf8)
        var paths: [String] = []
        for index in 0..<9 as Range<UInt64> {
            let path = TreeReader.path(ofEntry: index, below: root)
            paths.append(
                String(decoding: path.dropFirst(scratch.path.utf8.count + 1), as: UTF8.self))
        }
        let expected = try scratch.shell("find t").split(separator: "\n").map(String.init)
        #expect(paths.first == "t")
        #expect(paths.sorted() == expected.sorted())
    }

    static let faults: [(TreeFault, String)] = [
        (TreeFault(.open, errno: 2), #"cannot open "x": no such file or directory"#),
        (TreeFault(.write, errno: 28), #"cannot write "x": no space left on device"#),
        (
            TreeFault(.clash, errno: 20),
            #""x" is no directory, and a directory is to take its place"#
        ),
        (
            TreeFault(.link),
            #""x" is a symbolic link, which is not followed: name the place it leads to"#
        ),
    ]

    @Test(arguments: faults)
    func `A fault says what could not be done`(_ fault: TreeFault, _ text: String) {
        #expect(fault.message("\"x\"") == text)
    }
}
