// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Testing

@Suite struct ChannelTests {
    @Test func `A ping is answered, also while a command runs`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.ping(7))
        #expect(try channel.next() == .pong(7))
        try channel.send(.execute(ExecRequest(["sleep", "30"])), .ping(8))
        #expect(try channel.next() == .pong(8))
        try channel.send(.signal(2))
        #expect(try channel.outcome().end == .killed(signal: 2))
    }

    @Test func `An unknown kind is refused and the channel goes on`() throws {
        let channel = try AgentProcess().channel()
        try channel.send([2, 0, 0, 0, 0x39, 5, 0, 0, 1, 2])
        #expect(try channel.next() == .refused(Refusal(.unknownKind, detail: 1337)))
        #expect(try channel.shell("echo on").text == "on\n")
    }

    static let strangers: [(String, [UInt8], Refusal?)] = [
        ("noise", Array("GET / HTTP/1.1\r\n\r\n".utf8), Refusal(.malformed)),
        ("no magic", [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], Refusal(.malformed)),
        (
            "version 0", [8, 0, 0, 0, 1, 0, 0, 0, 0x53, 0x57, 0x46, 0x54, 0, 0, 0, 0],
            Refusal(.version, detail: 0)
        ),
        ("no hello", [0, 0, 0, 0, 18, 0, 0, 0], Refusal(.outOfTurn, detail: 18)),
    ]

    @Test(arguments: strangers)
    func `Who does not begin with a hello is told so and hung up on`(
        _ name: String, _ bytes: [UInt8], _ refusal: Refusal?
    ) throws {
        let channel = try AgentProcess().connect()
        try channel.send(bytes)
        #expect(try channel.next() == .hello(version: AgentProtocol.version))
        if let refusal { #expect(try channel.next() == .refused(refusal)) }
        #expect(throws: (any Error).self) { try channel.next() }
    }

    @Test func `A host of a later version is spoken with`() throws {
        let channel = try AgentProcess().connect()
        try channel.send(.hello(version: 9), .ping(1))
        #expect(try channel.next() == .hello(version: AgentProtocol.version))
        #expect(try channel.next() == .pong(1))
    }

    @Test func `A second command on a busy channel is refused`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(
            .execute(ExecRequest(["sleep", "30"])), .execute(ExecRequest(["true"])))
        #expect(try channel.next() == .refused(Refusal(.outOfTurn, detail: 16)))
        try channel.send(.signal(15))
        #expect(try channel.outcome().end == .killed(signal: 15))
    }

    @Test func `What only an agent may say is refused`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(.ended(.exited(0)), .output([1]))
        #expect(try channel.next() == .refused(Refusal(.outOfTurn, detail: 24)))
        #expect(try channel.next() == .refused(Refusal(.outOfTurn, detail: 20)))
    }

    @Test func `Frames for a command that has ended are no harm`() throws {
        let channel = try AgentProcess().channel()
        try channel.send(
            .input([1]), .endOfInput, .signal(9), .resize(TerminalSize(rows: 1, columns: 1)))
        #expect(try channel.shell("echo well").text == "well\n")
    }

    @Test func `A command whose channel closes is hung up`() throws {
        let agent = try AgentProcess()
        let other = try agent.channel()
        var channel: TestChannel? = try agent.channel()
        let polite = "trap 'exit 0' HUP; echo $$; while :; do sleep 0.1; done"
        try channel?.send(.execute(ExecRequest(["sh", "-c", polite])))
        guard case .output(let line)? = try channel?.next() else {
            Issue.record("no output")
            return
        }
        let number = String(decoding: line, as: UTF8.self).dropLast()
        channel = nil
        let script = "for i in $(seq 40); do kill -0 \(number) || exit 7; sleep 0.1; done 2>&-"
        #expect(try other.shell(script).end == .exited(7))
    }

    @Test func `A command that does not mind being hung up is killed`() throws {
        let agent = try AgentProcess()
        let other = try agent.channel()
        var channel: TestChannel? = try agent.channel()
        let deaf = "trap '' HUP; echo $$; while :; do sleep 0.1; done"
        try channel?.send(.execute(ExecRequest(["sh", "-c", deaf])))
        guard case .output(let line)? = try channel?.next() else {
            Issue.record("no output")
            return
        }
        let number = String(decoding: line, as: UTF8.self).dropLast()
        channel = nil
        let script = "for i in $(seq 60); do kill -0 \(number) || exit 7; sleep 0.1; done 2>&-"
        #expect(try other.shell(script).end == .exited(7))
    }

    @Test func `Orphans are reaped`() throws {
        let channel = try AgentProcess().channel()
        _ = try channel.shell("for i in 1 2 3 4 5; do (sleep 0.1 & ); done")
        let zombies = try channel.shell("sleep 0.5; ps -o stat= --ppid $PPID | grep -c Z")
        #expect(zombies.text == "0\n")
    }

    @Test func `An agent that is asked to end answers and ends`() throws {
        let agent = try AgentProcess()
        let channel = try agent.channel()
        try channel.send(.shutDown(.powerOff))
        #expect(try channel.next() == .done)
        #expect(agent.ends())
    }

    @Test func `More channels than the agent can hold are turned away`() throws {
        let agent = try AgentProcess()
        let channels = try (0..<200).map { _ in try agent.channel() }
        let late = try agent.connect()
        #expect(try late.next() == .hello(version: AgentProtocol.version))
        #expect(try late.next() == .refused(Refusal(.busy)))
        #expect(throws: (any Error).self) { try late.next() }
        #expect(try channels[100].shell("echo held").text == "held\n")
    }

    @Test func `Random bytes never harm the agent`() throws {
        let agent = try AgentProcess()
        var random = FrameFuzzTests.SplitMix(state: 4)
        for _ in 0..<200 {
            let channel = try agent.connect()
            var bytes = try Frame.hello(version: 1).encoded()
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                // Every kind but those that would run what chance says or end the agent.
                let kind = UInt8.random(in: 8...30, using: &random)
                let count = UInt8.random(in: 0...12, using: &random)
                bytes += [count, 0, 0, 0, kind == 16 ? 17 : kind, 0, 0, 0]
                bytes += (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            try? channel.send(bytes)
        }
        #expect(try agent.channel().shell("echo alive").text == "alive\n")
    }
}
