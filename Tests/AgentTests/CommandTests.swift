// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Testing

@Suite struct CommandTests {
    struct Script: CustomTestStringConvertible, Sendable {
        let promise: String
        let script: String
        var output = ""
        var errorOutput = ""
        var end = CommandEnd.exited(0)
        var testDescription: String { promise }
    }

    static let scripts = [
        Script(
            promise: "output and error output are apart", script: "echo out; echo err >&2; exit 7",
            output: "out\n", errorOutput: "err\n", end: .exited(7)),
        Script(promise: "status 255 is told", script: "exit 255", end: .exited(255)),
        Script(promise: "a signal is told", script: "kill -9 $$", end: .killed(signal: 9)),
        Script(
            promise: "SIGPIPE has its default", script: "kill -PIPE $$", end: .killed(signal: 13)),
        Script(promise: "input is empty without being asked for", script: "wc -c", output: "0\n"),
        Script(promise: "a command begins in /", script: "pwd", output: "/\n"),
        Script(
            promise: "a command leads its own session", script: "ps -o sid= -p $$ | grep -c $$",
            output: "1\n"),
        Script(
            promise: "no descriptor of the agent's is inherited",
            script: "ls /proc/self/fd | wc -l",
            output: "4\n"),
        Script(
            promise: "no signal is blocked", script: "grep SigBlk /proc/self/status",
            output: "SigBlk:\t0000000000000000\n"),
        Script(
            promise: "what an orphan holds open is not waited for",
            script: "sleep 30 & echo hi", output: "hi\n"),
        Script(
            promise: "what is written at the end is not lost",
            script: "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done | tail -n 1",
            output: "199\n"),
    ]

    @Test(arguments: scripts)
    func `A command runs as promised`(_ script: Script) throws {
        let agent = try AgentProcess()
        let outcome = try agent.channel().shell(script.script)
        #expect(outcome.text == script.output)
        #expect(outcome.errorText == script.errorOutput)
        #expect(outcome.end == script.end)
    }

    static let failures: [(String, String, StartFailure)] = [
        ("no-such-program", "", StartFailure(step: .execute, errno: 2)),
        ("/no/such/program", "", StartFailure(step: .execute, errno: 2)),
        ("/etc/passwd", "", StartFailure(step: .execute, errno: 13)),
        ("/etc", "", StartFailure(step: .execute, errno: 13)),
        ("ls", "/no/such/directory", StartFailure(step: .directory, errno: 2)),
        ("ls", "/etc/passwd", StartFailure(step: .directory, errno: 20)),
    ]

    @Test(arguments: failures)
    func `A command that cannot start is told with its reason`(
        _ command: String, _ directory: String, _ failure: StartFailure
    ) throws {
        let agent = try AgentProcess()
        let outcome = try agent.channel().run(
            ExecRequest([command], workingDirectory: directory))
        #expect(outcome.end == .notStarted(failure))
    }

    @Test func `The environment is the agent's with the request's on top`() throws {
        let agent = try AgentProcess()
        let outcome = try agent.channel().run(
            ExecRequest(["/usr/bin/env"], environment: ["A=b=c", "HOME=/there", "EMPTY="]))
        #expect(
            outcome.text == """
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                HOME=/there
                HOSTNAME=swiftlet
                A=b=c
                EMPTY=

                """)
    }

    @Test func `A program is looked up in the request's path`() throws {
        let agent = try AgentProcess()
        let outcome = try agent.channel().run(
            ExecRequest(["sh", "-c", "exit 3"], environment: ["PATH=/no/such:/bin"]))
        #expect(outcome.end == .exited(3))
        let missing = try agent.channel().run(ExecRequest(["sh"], environment: ["PATH=/proc"]))
        #expect(missing.end == .notStarted(StartFailure(step: .execute, errno: 2)))
    }

    @Test func `Input comes back identical, however much there is`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        var request = ExecRequest(["cat"])
        request.wantsInput = true
        try channel.send(.execute(request))
        var random = FrameFuzzTests.SplitMix(state: 3)
        let data = (0..<1 << 21).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var window = AgentProtocol.inputWindow
        var sent = 0
        var output: [UInt8] = []
        while output.count < data.count {
            while sent < data.count, window > 0 {
                let count = min(data.count - sent, window, 50_000)
                try channel.send(.input(Array(data[sent..<sent + count])))
                sent += count
                window -= count
            }
            switch try channel.next() {
            case .output(let bytes): output += bytes
            case .inputCredit(let count): window += Int(count)
            case let frame: Issue.record("\(frame)")
            }
        }
        #expect(output == data)
        try channel.send(.endOfInput)
        #expect(try channel.outcome().end == .exited(0))
    }

    @Test func `A command that reads no input does not stop signals`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        var request = ExecRequest(["sleep", "30"])
        request.wantsInput = true
        try channel.send(.execute(request))
        let block = [UInt8](repeating: 1, count: AgentProtocol.payloadLimit)
        for _ in 0..<4 { try channel.send(.input(block)) }
        try channel.send(.signal(15))
        #expect(try channel.outcome().end == .killed(signal: 15))
    }

    @Test func `Input beyond the window ends the channel`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        var request = ExecRequest(["sleep", "30"])
        request.wantsInput = true
        try channel.send(.execute(request))
        let block = [UInt8](repeating: 1, count: AgentProtocol.payloadLimit)
        for _ in 0..<6 { try channel.send(.input(block)) }
        var frame = try channel.next()
        while case .inputCredit = frame { frame = try channel.next() }
        #expect(frame == .refused(Refusal(.outOfTurn, detail: 17)))
        #expect(throws: (any Error).self) { try channel.next() }
    }

    @Test func `A command that closes its input gets the rest swallowed`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        var request = ExecRequest(["sh", "-c", "exec <&-; echo closed; sleep 30"])
        request.wantsInput = true
        try channel.send(.execute(request))
        try channel.awaitOutput("closed\n")
        var credit = 0
        for _ in 0..<8 {
            for _ in 0..<2 { try channel.send(.input([UInt8](repeating: 1, count: 32768))) }
            guard case .inputCredit(let count) = try channel.next() else { continue }
            credit += Int(count)
        }
        #expect(credit == 16 * 32768)
        try channel.send(.signal(9))
        #expect(try channel.outcome().end == .killed(signal: 9))
    }

    @Test func `Output waits for a host that does not read`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        try channel.send(.execute(ExecRequest(["head", "-c", "16777216", "/dev/zero"])))
        let other = try agent.channel()
        #expect(try other.shell("echo meanwhile").text == "meanwhile\n")
        let outcome = try channel.outcome()
        #expect(outcome.output.count == 16_777_216)
        #expect(outcome.output.allSatisfy { $0 == 0 })
        #expect(outcome.end == .exited(0))
    }

    @Test func `An orphan that writes for ever does not hold back the end`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        let outcome = try channel.shell("yes & echo $!; sleep 0.2")
        #expect(outcome.end == .exited(0))
    }

    @Test func `Commands follow each other on one channel`() throws {
        let channel = try AgentProcess().channel()
        for status in 0..<20 as Range<UInt8> {
            #expect(try channel.shell("exit \(status)").end == .exited(status))
        }
    }

    @Test func `Many commands run at once`() throws {
        let agent = try AgentProcess()
        let channels = try (0..<30).map { _ in try agent.channel() }
        for (index, channel) in channels.enumerated() {
            try channel.send(.execute(ExecRequest(["sh", "-c", "sleep 0.2; echo \(index)"])))
        }
        let start = Clock.monotonic
        for (index, channel) in channels.enumerated() {
            #expect(try channel.outcome().text == "\(index)\n")
        }
        #expect(Clock.monotonic - start < 5_000_000_000)
    }
}
