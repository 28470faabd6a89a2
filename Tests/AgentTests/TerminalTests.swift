// SPDX-License-Identifier: Apache-2.0
import Agent
import Testing

@Suite struct TerminalTests {
    private func request(_ script: String) -> ExecRequest {
        var request = ExecRequest(["sh", "-c", script])
        request.terminal = TerminalSize(rows: 33, columns: 77)
        request.wantsInput = true
        return request
    }

    @Test func `A terminal has the size and the kind that were asked for`() throws {
        let channel = try AgentProcess().channel()
        let outcome = try channel.run(request("stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2"))
        #expect(outcome.text == "33 77\r\nxterm\r\n")
        #expect(outcome.end == .exited(0))
    }

    @Test func `A new size reaches the command as a signal`() throws {
        let channel = try AgentProcess().channel()
        let script = "trap 'stty size; exit 4' WINCH; echo go; while :; do sleep 0.05; done"
        try channel.send(.execute(request(script)))
        try channel.awaitOutput("go\r\n")
        try channel.send(.resize(TerminalSize(rows: 10, columns: 20)))
        let outcome = try channel.outcome()
        #expect(outcome.text == "10 20\r\n")
        #expect(outcome.end == .exited(4))
    }

    @Test func `Ctrl-C interrupts`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.execute(request("echo go; exec sleep 30")))
        try channel.awaitOutput("go\r\n")
        try channel.send(.input([3]))
        #expect(try channel.outcome().end == .killed(signal: 2))
    }

    @Test func `The end of input reads as Ctrl-D`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.execute(request("stty -echo; echo go; cat; echo bye")))
        try channel.awaitOutput("go\r\n")
        try channel.send(.input(Array("line\n".utf8)), .endOfInput)
        let outcome = try channel.outcome()
        #expect(outcome.text == "line\r\nbye\r\n")
    }

    @Test func `The end of input is for each that reads, as that of a pipe`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.execute(request("cat; echo one; cat; echo two")), .endOfInput)
        #expect(try channel.outcome().text == "one\r\ntwo\r\n")
    }

    @Test func `A line without its end is read, and then the end`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(
            .execute(request("stty -echo; echo go; cat; echo .")), .input(Array("word".utf8)),
            .endOfInput)
        #expect(try channel.outcome().text.hasSuffix("word.\r\n"))
    }

    /// A Ctrl-D that waits while the mode changes is read as zero.
    @Test func `Who makes the terminal raw after the end of input has come hears of it, too`()
        throws
    {
        let channel = try AgentProcess().channel()
        let script = "sleep 0.2; stty -icanon -echo; dd bs=1 count=3 2>/dev/null | od -An -tx1"
        try channel.send(.execute(request(script)), .endOfInput)
        #expect(try channel.outcome().text.hasSuffix(" 15 04\r\n"))
    }

    /// Its line begins with what has become of the first Ctrl-D, on which a further one ends nothing.
    @Test func `A shell with an editor of its own ends at the end of input`() throws {
        let channel = try AgentProcess().channel()
        var shell = ExecRequest(["busybox", "sh"])
        shell.terminal = .init(rows: 24, columns: 80)
        shell.wantsInput = true
        try channel.send(.execute(shell), .endOfInput)
        #expect(try channel.outcome().end == .exited(0))
        try channel.send(
            .execute(shell), .input(Array("true\nhalf a l".utf8)), .endOfInput)
        #expect(try channel.outcome().end == .exited(0))
    }

    @Test func `Who reads nothing is left alone after the end of input`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.execute(request("sleep 0.5; exit 5")), .endOfInput)
        #expect(try channel.outcome().end == .exited(5))
    }

    @Test func `The last output before the end is never lost`() throws {
        let channel = try AgentProcess().channel()
        for _ in 0..<100 {
            #expect(try channel.run(request("echo hello; echo bye")).text == "hello\r\nbye\r\n")
        }
    }

    @Test func `A terminal's command that closes everything but lives is waited for`() throws {
        let channel = try AgentProcess().channel()
        let outcome = try channel.run(
            request("exec >&- 2>&- <&-; sleep 0.3; exit 5"))
        #expect(outcome.end == .exited(5))
    }
}
