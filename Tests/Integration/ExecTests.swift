// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet exec`, in a real machine.
@Suite(.serialized) struct ExecTests {
    @Test func `Streams, status, environment and directory are those of the command`() throws {
        let machine = try GuestMachine()
        let host = machine.host
        let result = try host.swiftlet(
            "exec", "-e", "GREETING=hello world", "-w", "/tmp", "web", "--", "sh", "-c",
            "echo \"$GREETING\"; pwd; echo err >&2; cat; echo \"$1\"; exit 7", "sh", "a  b",
            input: "typed\n")
        #expect(result.outputText == "hello world\n/tmp\ntyped\na  b\n")
        #expect(result.errorText == "err\n")
        #expect(result.status == 7)

        #expect(try host.swiftlet("exec", "web", "sh", "-c", "kill -9 $$").status == 137)
        #expect(try host.swiftlet("exec", "web", "/etc/passwd").status == 126)
        let absent = try host.swiftlet("exec", "web", "--", "no-such-command")
        #expect(absent.status == 127)
        #expect(absent.errorText == "swiftlet: exec: \"no-such-command\": not found\n")
        let lost = try host.swiftlet("exec", "-w", "/nowhere", "web", "true")
        #expect(lost.status == 126)
        let late = try host.swiftlet("exec", "--timeout", "500ms", "web", "sleep", "100")
        #expect(late.status == 124)
        // What is left is hung up and gone.
        let count = #"cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -c 'sleep [1]00 '; true"#
        let isGone = RunningProgram.wait(seconds: 20) {
            (try? host.swiftlet("exec", "web", "sh", "-c", count))?.outputText == "0\n"
        }
        #expect(isGone)
    }

    @Test func `Commands side by side each have their own streams and end`() throws {
        let machine = try GuestMachine()
        let commands = try (1...6).map { number in
            try machine.host.start([
                "exec", "web", "sh", "-c",
                "for i in $(seq 50); do echo \(number); done; exit \(number)",
            ])
        }
        for (index, command) in commands.enumerated() {
            let end = try command.end()
            #expect(end.status == index + 1)
            #expect(end.outputText == String(repeating: "\(index + 1)\n", count: 50))
        }
    }

    @Test func `Eight MiB of random bytes come back through cat as they went`() throws {
        let machine = try GuestMachine()
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        let bytes = try #require(try random.read(upToCount: 8 << 20))
        let result = try Program.run(
            try Built.file("bin/swiftlet"), ["exec", "-i", "web", "cat"], input: bytes,
            environment: machine.host.environment)
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.output == bytes)
    }

    @Test func `A shell on a terminal keeps its size, is interrupted, and leaves ours as it was`()
        throws
    {
        let machine = try GuestMachine()
        let terminal = try PseudoTerminal(
            "sh",
            [
                "-c",
                """
                export XDG_STATE_HOME=\(machine.host.folder.path)
                stty -a > /dev/null; before=$(stty -g)
                \(try Built.file("bin/swiftlet")) exec -it web sh; status=$?
                [ "$(stty -g)" = "$before" ] && echo restored $status
                """,
            ], rows: 24, columns: 80)
        terminal.useShell(exit: 9)
        #expect(terminal.shows("restored 9"), "\(terminal.rest)")
        #expect(terminal.end() == 0)
    }

    @Test func `A terminal in the guest without one here is for those who ask for no keys`()
        throws
    {
        let machine = try GuestMachine()
        let host = machine.host
        let refused = try host.swiftlet("exec", "-it", "web", "sh")
        #expect(refused.status == 125)
        #expect(
            refused.errorText == "swiftlet: the input device is not a TTY: "
                + "give -i without -t, or -t without -i\n")
        // Its input ends before the shell has made its terminal raw, and after.
        #expect(try host.swiftlet("exec", "-t", "web", "sh").status == 0)
        let typed = try host.swiftlet(
            "exec", "-t", "web", "sh", input: "test -t 0 && echo ter''minal\n(exit 4)\n")
        #expect(typed.status == 4)
        #expect(typed.outputText.contains("terminal\r\n"), "\(typed.outputText)")
        let later = try host.swiftlet("exec", "-t", "web", "sh", "-c", "cat; sleep 1; cat; sh")
        #expect(later.status == 0)
    }

    @Test func `Ctrl-C goes to the command, and a second one leaves it`() throws {
        let machine = try GuestMachine()
        let polite = try machine.host.start([
            "exec", "web", "sh", "-c",
            "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done",
        ])
        #expect(RunningProgram.wait(seconds: 30) { polite.outputText == "ready\n" })
        polite.send(SIGINT)
        let end = try polite.end()
        #expect(end.status == 3)
        #expect(end.outputText == "ready\ncaught\n")

        let deaf = try machine.host.start([
            "exec", "web", "sh", "-c", "trap '' INT; echo ready; while :; do sleep 0.1; done",
        ])
        #expect(RunningProgram.wait(seconds: 30) { deaf.outputText == "ready\n" })
        deaf.send(SIGINT)
        usleep(300_000)
        deaf.send(SIGINT)
        #expect(try deaf.end(seconds: 10).status == 130)
    }

    @Test func `A command ends with its machine, and says so`() throws {
        let machine = try GuestMachine()
        let command = try machine.host.start(["exec", "web", "sh", "-c", "echo on; sleep 100"])
        #expect(RunningProgram.wait(seconds: 30) { command.outputText == "on\n" })
        try machine.host.done("kill", "web")
        let end = try command.end(seconds: 30)
        #expect(end.status == 125)
        #expect(end.errorText == "swiftlet: the machine web ended, and the command with it\n")
        let again = try machine.host.swiftlet("exec", "web", "true")
        #expect(again.status == 125)
        #expect(again.errorText == "swiftlet: the machine web is not running\n")
    }

    @Test(arguments: [
        (["exec"], "In which machine?"), (["exec", "web"], "What is to be run in web?"),
        (["exec", "--", "web", "--"], "What is to be run in web?"),
        (["exec", "--no", "web", "true"], "Unknown option '--no'"),
        (["exec", "-e", "=x", "web", "true"], "'=x' is no environment variable"),
        (["exec", "web", ""], "The command's name is empty"),
        (["exec", "no-machine", "true"], "no such machine: \"no-machine\""),
    ])
    func `What cannot be is refused with a sentence`(_ words: [String], _ text: String) throws {
        let host = try DetachedHost()
        let result = try Program.run(
            try Built.file("bin/swiftlet"), words, environment: host.environment)
        #expect(result.status == 125)
        #expect(result.errorText.contains(text), "\(result.errorText)")
    }
}
