// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// `swiftlet cp` with archives on standard input and output, to and from a real machine.
@Suite(.serialized) struct ArchiveTests {
    /// Runs a script of this host in which `swiftlet` is what was built.
    private func shell(
        _ script: String, on machine: GuestMachine, in scratch: ScratchTree
    ) throws -> Program {
        let program = try Built.file("bin/swiftlet")
        return try Program.run(
            "/bin/bash",
            ["-c", "swiftlet() { '\(program)' \"$@\"; }; cd '\(scratch.path)'; \(script)"],
            environment: machine.host.environment)
    }

    @Test func `A tree goes into a machine as an archive and comes back as one`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree(
            CopyTests.tree + "\nln t/sub/file65536 t/same; mkdir back; touch -d 2001-02-03 t")
        let there = try shell(
            "tar c --format=posix -C t . | swiftlet cp -v - web:/root/copy",
            on: machine, in: scratch)
        #expect(there.status == 0, "\(there.errorText)")
        #expect(
            try machine.shell(
                """
                cd /root/copy; stat -c '%a %u:%g %n' sub sub/file1 empty; readlink up
                stat -c %h same; cmp same sub/file65536
                """)
                    == """
                    2711 0:0 sub
                    400 0:0 sub/file1
                    1777 1234:4321 empty
                    ../../../up
                    2

                    """)
        let back = try shell(
            "swiftlet cp --keep-setid web:/root/copy - | tar xp -C back", on: machine, in: scratch)
        #expect(back.status == 0, "\(back.errorText)")
        // Out of a guest each name of a file is a file.
        #expect(try scratch.listing(of: "back/copy") == scratch.listing(of: "t"))
        let names = try shell(
            "swiftlet cp web:/root/copy/tight/. - | tar t", on: machine, in: scratch)
        #expect(names.outputText == "./\n./inside\n")
        // What has no name to say what it holds before it is read.
        let status = try shell(
            "swiftlet cp web:/proc/version - | tar xO | grep -c Linux; echo ${PIPESTATUS[0]}",
            on: machine, in: scratch)
        #expect(status.outputText == "1\n0\n", "\(status.errorText)")
    }

    @Test func `A large archive goes through, and devices are left out`() throws {
        let machine = try GuestMachine("mkdir /t; mkfifo /t/fifo; echo x > /t/x")
        let scratch = try ScratchTree("mkdir t; head -c 8388608 /dev/urandom > t/f; mkfifo t/p")
        let there = try shell("tar c t | swiftlet cp - web:/tmp", on: machine, in: scratch)
        #expect(there.status == 1)
        #expect(there.errorText == "swiftlet: 1 device, FIFO or socket was left out\n")
        #expect(
            try machine.shell("sha256sum < /tmp/t/f") == scratch.shell("sha256sum < t/f"))
        let back = try shell(
            """
            swiftlet cp web:/t - > a; echo $?; tar tf a
            swiftlet cp web:/tmp/t/f - | tar xO | cmp - t/f
            """,
            on: machine, in: scratch)
        #expect(back.outputText == "1\nt/\nt/x\n")
        #expect(back.errorText == "swiftlet: 1 device, FIFO or socket was left out\n")
    }

    @Test func `Whoever stops reading ends the copy, and the guest goes on`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree()
        try machine.shell("truncate -s 100M /tmp/large")
        let result = try shell(
            "swiftlet cp web:/tmp/large - | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}",
            on: machine, in: scratch)
        #expect(result.outputText == "141\n")
        #expect(result.errorText == "")
        #expect(try machine.shell("echo well") == "well\n")
    }

    @Test func `What cannot be is refused with a sentence`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree("mkdir t u; echo x > t/f; ln -s /etc t/l; echo y > u/l")
        try machine.shell("truncate -s 2M /tmp/large")
        let refusals = [
            ("swiftlet cp - web:/b < /dev/null", "standard input ended before an archive began"),
            ("echo hello | swiftlet cp - web:/b", "standard input is no tar archive"),
            (
                "tar cz t | swiftlet cp - web:/b",
                "standard input is compressed; put 'gzip -dc |' in front of swiftlet"
            ),
            (
                "tar c t | head -c 1000 | swiftlet cp - web:/b",
                "the archive is cut: standard input ended before it"
            ),
            (
                "tar cP ../${PWD##*/}/t/f | swiftlet cp - web:/b",
                "the archive has \"../\(scratch.path.split(separator: "/").last ?? "")/t/f\","
                    + " which leads out of its place"
            ),
            (
                "tar c t | swiftlet cp - web:/no/b",
                "cannot copy to \"web:/no/b\": no such file or directory"
            ),
            (
                "tar c t | swiftlet cp - web:/etc/passwd",
                "\"web:/etc/passwd\" is no directory, and a directory is to take its place"
            ),
            (
                "tar c --transform s,u/l,t/l/x, t/l u/l | swiftlet cp - web:/b",
                "the guest's copy of \"t/l\" is no directory, and a directory is to take its place"
            ),
            ("swiftlet cp web:/no -", "cannot open \"web:/no\": no such file or directory"),
            (
                "swiftlet cp web:/etc - > /dev/full",
                "cannot write the archive: No space left on device"
            ),
            ("swiftlet cp - x", "neither place is in a machine; write one as MACHINE:PATH"),
            (
                "swiftlet cp --limit 1M web:/tmp/large - | cat",
                "there is more data than the limit allows; raise it with --limit"
            ),
        ]
        for (script, text) in refusals {
            let result = try shell(
                "set -o pipefail; \(script)", on: machine, in: scratch)
            #expect(result.status == 125, "\(script)")
            #expect(result.errorText == "swiftlet: \(text)\n", "\(script)")
        }
        #expect(try machine.shell("test -e /etc/x || echo none") == "none\n")
    }

    @Test func `An archive is neither typed nor shown`() throws {
        let machine = try GuestMachine()
        for (arguments, text) in [
            (["cp", "-", "web:/b"], "an archive does not come from a terminal"),
            (["cp", "web:/etc", "-"], "an archive is not for a terminal"),
        ] {
            let environment = machine.host.environment.map { "\($0)=\($1)" }
            let terminal = try PseudoTerminal(
                "env", environment + [try Built.file("bin/swiftlet")] + arguments, rows: 24,
                columns: 80)
            #expect(terminal.shows(text), "\(terminal.rest)")
            #expect(terminal.end() == 125)
        }
    }
}
