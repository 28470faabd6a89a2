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
