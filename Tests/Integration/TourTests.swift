// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Every verb of the command line in one tour, with two machines side by side.
@Suite(.serialized) struct TourTests {
    private static let script = """
        trap 'echo bye; exit 7' TERM
        trap 'echo hup' HUP
        echo "I am $NAME"
        echo problem >&2
        while true; do sleep 0.1; done
        """

    private func start(_ name: String, on host: DetachedHost) throws -> String {
        try host.done(
            "run", "--detach", "--name", name, "--engine", "soft", "-e", "NAME=\(name)", "--",
            "sh", "-c", Self.script
        ).trimmingCharacters(in: .newlines)
    }

    /// Until a machine's log has `text`.
    private func wait(for text: String, of name: String, on host: DetachedHost) throws {
        let seen = RunningProgram.wait(seconds: 60) {
            (try? host.swiftlet("logs", name))?.outputText.contains(text) ?? false
        }
        #expect(seen, "\(text) is not in the log of \(name)")
    }

    @Test func `The tour`() throws {
        let host = try DetachedHost()
        let first = try start("first", on: host)
        let second = try start("second", on: host)
        #expect(first.wholeMatch(of: #/[0-9a-f]{12}/#) != nil)

        // ps
        let lines = try host.done("ps").split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0].split(separator: " ") == ["ID", "NAME", "STATUS", "CREATED", "COMMAND"])
        #expect(lines[1].hasPrefix("\(second)   second   running "))
        #expect(lines[2].hasPrefix("\(first)   first    running "))
        #expect(try host.done("ps", "--quiet") == "\(second)\n\(first)\n")
        let listed = try host.json(["ps", "--json"])
        #expect(listed.map { $0["state"] as? String } == ["running", "running"])

        // inspect
        let inspected = try host.json(["inspect", "--json", "first"])
        #expect(inspected[0]["id"] as? String == first)
        #expect(inspected[0]["engine"] as? String == "soft")
        #expect(inspected[0]["memory_mib"] as? Int == 128)
        #expect(try host.done("inspect", String(second.prefix(11))).contains("second"))

        // logs
        try wait(for: "I am first\n", of: "first", on: host)
        try wait(for: "I am second\n", of: second, on: host)
        let logs = try host.swiftlet("logs", "first")
        #expect(logs.outputText == "I am first\n")
        #expect(logs.errorText == "problem\n")
        let follower = try host.start(["logs", "--follow", "--timestamps", "first"])

        // exec, cp, port-forward
        #expect(try host.done("exec", "first", "--", "sh", "-c", "echo $((6 * 7))") == "42\n")
        let typed = try host.swiftlet("exec", "-i", second, "tr", "a-z", "A-Z", input: "hello")
        #expect(typed.outputText == "HELLO")
        try copy("first", "second", on: host)
        try forward("second", on: host)
        try pauseAndResume("first", on: host)
        try measure(first, on: host)

        // kill: a signal for the command
        #expect(try host.done("kill", "--signal", "HUP", "first") == "first\n")
        try wait(for: "hup\n", of: "first", on: host)

        // stop and wait
        let waiter = try host.start(["wait", "first", "second"])
        #expect(try host.done("stop", "first") == "first\n")
        #expect(try follower.end(seconds: 30).status == 0)
        let followed = follower.outputText.split(separator: "\n")
        #expect(
            followed.map { $0.split(separator: " ", maxSplits: 1)[1] } == [
                "I am first", "hup", "bye",
            ])
        #expect(try host.done("ps", "--quiet") == "\(second)\n")
        #expect(try host.done("ps", "--all").contains("ended (7) "))

        // kill, rm
        let refused = try host.swiftlet("rm", "second")
        #expect(refused.status == 125)
        #expect(refused.errorText == "swiftlet: the machine second has not ended; stop it first\n")
        #expect(try host.done("kill", "second") == "second\n")
        #expect(try waiter.end(seconds: 30).status == 0)
        #expect(waiter.outputText == "7\n137\n")
        #expect(try host.done("rm", "first", "second") == "first\nsecond\n")
        #expect(try host.done("ps", "--all", "--quiet") == "")
        #expect(host.remains == [])
        #expect(host.processes == [])
    }

    /// A directory goes into one machine, from there to us, and on into the other.
    private func copy(_ first: String, _ second: String, on host: DetachedHost) throws {
        let folder = host.folder.appending(path: "files")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        try Data("some text\n".utf8).write(to: folder.appending(path: "file"))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o640], ofItemAtPath: folder.path + "/file")
        try host.done("cp", folder.path, "\(first):/tmp/there")
        try host.done("cp", "\(first):/tmp/there", folder.path + ".back")
        try host.done("cp", folder.path + ".back/.", "\(second):/tmp")
        #expect(
            try host.done("exec", second, "sh", "-c", "stat -c %a /tmp/file; cat /tmp/file")
                == "640\nsome text\n")
    }

    /// A page of the guest's is read at a port of ours.
    private func forward(_ name: String, on host: DetachedHost) throws {
        try host.done("exec", name, "httpd", "-p", "80", "-h", "/tmp")
        let forward = try host.start(["port-forward", name, "0:80"])
        var port: Substring?
        _ = RunningProgram.wait(seconds: 30) {
            port = forward.outputText.firstMatch(of: #/:([0-9]+) -> /#)?.1
            return port != nil
        }
        let page = try Program.run("curl", ["-sS", "http://127.0.0.1:\(port ?? "?")/file"])
        #expect(page.outputText == "some text\n", "\(page.errorText)")
        forward.send(SIGTERM)
        #expect(try forward.end(seconds: 30).status == 0)
    }

    private func pauseAndResume(_ name: String, on host: DetachedHost) throws {
        #expect(try host.done("pause", name) == "\(name)\n")
        #expect(try host.done("ps").contains("paused"))
        #expect(try host.done("resume", name) == "\(name)\n")
        #expect(!(try host.done("ps").contains("paused")))
    }

    private func measure(_ id: String, on host: DetachedHost) throws {
        let stats = try host.json(["stats", "--json", id])
        let memory = try #require(stats[0]["memory_pss_bytes"] as? Int)
        #expect((8 << 20..<192 << 20).contains(memory))
        #expect(try #require(stats[0]["cpu_ns"] as? Int) > 1_000_000)
        #expect(try #require(stats[0]["exits"] as? Int) > 0)
        #expect(stats[0]["memory_limit_bytes"] as? Int == 128 << 20)
        let table = try host.done("stats").split(separator: "\n")
        #expect(table.count == 3)
        #expect(table[0].hasPrefix("ID "))
    }

    @Test(.enabled(if: getuid() == 0, "making a TAP device needs root"))
    func `Network and disk are counted from the guest's side`() throws {
        let host = try DetachedHost()
        let disk = host.folder.appending(path: "disk")
        try Data(count: 1 << 20).write(to: disk)
        try host.done(
            "run", "-d", "--name", "busy", "--engine", "soft", "--net", "tap", "--disk", disk.path,
            "sh", "-c",
            """
            dd if=/dev/vda of=/dev/null bs=64k count=8
            dd if=/dev/zero of=/dev/vda bs=64k count=4 conv=fsync
            gateway=$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')
            ping -c 2 -s 1000 $gateway && echo pinged
            sleep 600
            """)
        try wait(for: "pinged\n", of: "busy", on: host)
        let stats = try host.json(["stats", "--json", "busy"])[0]
        #expect(try #require(stats["block_read_bytes"] as? Int) >= 512 << 10)
        #expect(try #require(stats["block_write_bytes"] as? Int) >= 256 << 10)
        #expect(try #require(stats["net_rx_bytes"] as? Int) >= 2000)
        #expect(try #require(stats["net_tx_bytes"] as? Int) >= 2000)
        try host.done("rm", "-f", "busy")
    }

    @Test func `A command that cannot be started leaves no machine`() throws {
        let host = try DetachedHost()
        let absent = try host.swiftlet("run", "--detach", "--engine", "soft", "no-such-command")
        #expect(absent.status == 127)
        #expect(absent.outputText == "")
        #expect(absent.errorText == "swiftlet: exec: \"no-such-command\": not found\n")
        let disk = try host.swiftlet("run", "--detach", "--disk", "/no/such/disk", "true")
        #expect(disk.status == 125)
        #expect(disk.errorText.contains("/no/such/disk"))
        #expect(host.remains == [])
        #expect(host.processes == [])
    }

    @Test func `A short command's output and status are kept`() throws {
        let host = try DetachedHost()
        let id = try host.done(
            "run", "-d", "--engine", "soft", "sh", "-c", "seq 1 5; echo no >&2; exit 3")
        #expect(try host.done("wait", id.trimmingCharacters(in: .newlines)) == "3\n")
        let name = try #require(
            try host.json(["ps", "-a", "--json"])[0]["name"] as? String)
        #expect(try host.swiftlet("logs", "--tail", "2", name).outputText == "5\n")
        #expect(try host.swiftlet("logs", "--tail", "3", name).outputText == "4\n5\n")
        #expect(try host.swiftlet("logs", name).outputText == "1\n2\n3\n4\n5\n")
        for verb in ["pause", "resume", "kill"] {
            let refused = try host.swiftlet(verb, name)
            #expect(refused.status == 125)
            #expect(refused.errorText == "swiftlet: the machine \(name) is not running\n")
        }
        // As docker has it: what has ended is stopped.
        #expect(try host.done("stop", name) == "\(name)\n")
        try host.done("rm", name)
    }

    @Test func `A command that does not heed SIGTERM is ended all the same`() throws {
        let host = try DetachedHost()
        try host.done(
            "run", "-d", "--name", "deaf", "--engine", "soft", "sh", "-c",
            "trap '' TERM; echo deaf; while true; do sleep 1; done")
        try wait(for: "deaf\n", of: "deaf", on: host)
        try host.done("stop", "--time", "500ms", "deaf")
        #expect(try host.done("wait", "deaf") == "137\n")
        try host.done("rm", "deaf")
    }

    @Test func `A deadline of a machine's own ends it with 124`() throws {
        let host = try DetachedHost()
        try host.done(
            "run", "-d", "--name", "late", "--engine", "soft", "--timeout", "8s", "sleep", "600")
        #expect(try host.done("wait", "late") == "124\n")
    }

    @Test func `What is asked of no machine is refused with one sentence`() throws {
        let host = try DetachedHost()
        let requests = [
            ["exec", "x", "true"], ["cp", "x:/a", "."], ["port-forward", "x", "0:80"],
            ["inspect", "x"], ["logs", "x"], ["stop", "x"], ["kill", "x"], ["rm", "x"],
            ["pause", "x"], ["resume", "x"], ["wait", "x"], ["stats", "x"],
        ]
        for request in requests {
            let refused = try host.start(request).end()
            #expect(refused.status == 125, "\(request)")
            #expect(refused.errorText == "swiftlet: no such machine: \"x\"\n", "\(request)")
        }
        let taken = try start("web", on: host)
        let again = try host.swiftlet("run", "-d", "--name", "web", "--engine", "soft", "true")
        #expect(again.status == 125)
        #expect(
            again.errorText
                == "swiftlet: the name web is taken by the machine \(taken); rm it first\n")
        try host.done("rm", "--force", "web")
    }

    @Test func `Every verb has examples, and every shell a completion`() throws {
        let host = try DetachedHost()
        let help = try host.done("--help")
        let page = try Checkout.text(of: "docs/cli.md")
        for line in help.split(separator: "\n").drop(while: { !$0.hasPrefix("SUBCOMMANDS") }) {
            guard let verb = line.wholeMatch(of: #/ {2}([a-z-]+) .*/#)?.1, verb != "help" else {
                continue
            }
            let text = try host.done(String(verb), "--help")
            #expect(text.contains("Examples:\n"), "\(verb)")
            #expect(page.contains("\n## `\(verb)`\n"), "docs/cli.md has no \(verb)")
        }
        #expect(!help.contains("supervise"))
        for (shell, mark) in [
            ("bash", "complete "), ("zsh", "#compdef swiftlet"), ("fish", "complete "),
        ] {
            #expect(try host.done("completion", shell).contains(mark), "\(shell)")
        }
    }
}
