// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

@Suite struct ForwardRuleTests {
    static let rules: [(String, ForwardRule)] = [
        ("8080:80", ForwardRule(port: 8080, guestPort: 80)),
        ("80", ForwardRule(port: 80, guestPort: 80)),
        ("0:80", ForwardRule(port: 0, guestPort: 80)),
        ("0.0.0.0:1:2", ForwardRule(address: "0.0.0.0", port: 1, guestPort: 2)),
        ("localhost:1:2", ForwardRule(port: 1, guestPort: 2)),
        ("[::1]:1:2", ForwardRule(address: "::1", port: 1, guestPort: 2)),
        ("65535:65535", ForwardRule(port: 65535, guestPort: 65535)),
    ]

    @Test(arguments: rules)
    func `A rule is read`(_ text: String, _ rule: ForwardRule) throws {
        #expect(try ForwardRule(text) == rule)
    }

    @Test(arguments: [
        "", ":", "80:", ":80", "80:0", "0", "65536:1", "1:65536", "-1:2", "+1:2", "a:b", "1:2:3:4",
        "example.org:1:2", "[::1]", "[::1]:1", "[::1:1:2", "::1:1:2", ":1:2", "1 :2",
    ])
    func `What is no rule is refused`(_ text: String) {
        let error = #expect(throws: ClientError.self) { try ForwardRule(text) }
        #expect(error?.kind == .badConfiguration)
    }
}

/// Ports that lead to a guest which the test plays.
@Suite struct PortForwardTests {
    private let monitor: TestSocket
    private let forward: PortForward
    private let port: UInt16

    init() throws {
        let name = "@" + ScratchPath.unique("forward")
        monitor = TestSocket(try UnixSocket.listen(at: name))
        forward = try PortForward([ForwardRule(port: 0, guestPort: 80)], by: name)
        port = try #require(forward.rules.first?.port)
    }

    /// Serves until `isTrue`, five seconds at most; what failed meanwhile.
    @discardableResult
    private func serve(until isTrue: () throws -> Bool) throws -> [PortForward.Failure] {
        let deadline = Clock.monotonic + 5_000_000_000
        var failures: [PortForward.Failure] = []
        while try !isTrue() {
            try #require(Clock.monotonic < deadline)
            var set = PollSet()
            forward.register(in: &set)
            set.wait(milliseconds: 10)
            failures += forward.serve()
        }
        return failures
    }

    /// The next connection to the monitor, if one waits.
    private func accept() -> TestSocket? {
        do throws(Errno) {
            return TestSocket(try UnixSocket.accept(on: monitor.socket.rawValue))
        } catch {
            return nil
        }
    }

    /// A connection that the monitor has heard of, and what it was asked for.
    private func call() throws -> (client: TestSocket, guest: TestSocket) {
        let client = try TestSocket(connectingTo: port)
        var guest: TestSocket?
        try serve {
            guest = accept()
            return guest != nil
        }
        return (client, try #require(guest))
    }

    private static var request: [UInt8] {
        get throws {
            try Array("CONNECT 1024\n".utf8) + Frame.hello(version: AgentProtocol.version).encoded()
                + Frame.connect(port: 80).encoded()
        }
    }

    private static func answer(_ frames: Frame...) throws -> [UInt8] {
        try frames.reduce(Array("OK 1073741824\n".utf8)) { try $0 + $1.encoded() }
    }

    @Test func `The agent is asked for the port, and then bytes flow both ways`() throws {
        let (client, guest) = try call()
        #expect(try guest.receive() == Self.request)
        // The answer in pieces, and the guest's first bytes right behind it.
        let answer =
            try Self.answer(.hello(version: AgentProtocol.version), .connected) + [1, 2, 3]
        for byte in answer {
            try guest.send([byte])
            try serve { true }
        }
        try serve { try client.isReadable }
        #expect(try client.receive() == [1, 2, 3])
        try client.send([4, 5])
        try serve { try guest.isReadable }
        #expect(try guest.receive() == [4, 5])

        client.endWriting()
        try serve { try guest.isReadable }
        #expect(try guest.receive() == [])
        try guest.send([6])
        guest.endWriting()
        try serve { forward.connectionCount == 0 }
        #expect(try client.receiveAll() == [6])
    }

    struct Refused: CustomTestStringConvertible, Sendable {
        let answer: [UInt8]
        let reason: String
        var testDescription: String { reason }
    }

    static let refusals = [
        Refused(
            answer: (try? answer(
                .hello(version: AgentProtocol.version), .refused(Refusal(.system, detail: 111))))
                ?? [],
            reason: "nobody listens there"),
        Refused(
            answer: (try? answer(.hello(version: 1), .refused(Refusal(.unknownKind, detail: 32))))
                ?? [],
            reason: "the guest's agent is too old to forward ports; start the machine anew"),
        Refused(answer: Array("HTTP/1.1 200 OK\r\n".utf8), reason: "the monitor's answer is none"),
        Refused(
            answer: Array(repeating: 0x4f, count: 100), reason: "the monitor's answer is none"),
        Refused(
            answer: Array("OK 1\n".utf8) + [255, 255, 255, 255, 0, 0, 0, 0],
            reason: "the guest's agent broke the protocol"),
        Refused(
            answer: (try? answer(.hello(version: AgentProtocol.version), .output([1]))) ?? [],
            reason: "the guest's agent broke the protocol"),
        // Without end they would keep everybody else waiting.
        Refused(
            answer: (try? answer(.hello(version: AgentProtocol.version), .hello(version: 2))) ?? [],
            reason: "the guest's agent broke the protocol"),
    ]

    @Test(arguments: refusals)
    func `Who cannot be passed on is cut off, and why is told`(_ refused: Refused) throws {
        let (client, guest) = try call()
        try guest.send(refused.answer)
        let failures = try serve { forward.connectionCount == 0 }
        #expect(failures == [PortForward.Failure(guestPort: 80, reason: refused.reason)])
        #expect(throws: Errno.connectionReset) { try client.receive() }
    }

    @Test func `A monitor that is gone is told once for each caller`() throws {
        let gone = try PortForward([ForwardRule(port: 0, guestPort: 80)], by: "@swiftlet/none")
        let client = try TestSocket(connectingTo: try #require(gone.rules.first?.port))
        #expect(gone.serve().map(\.guestPort) == [80])
        #expect(throws: Errno.connectionReset) { try client.receive() }
    }

    @Test func `More callers than are served at a time wait their turn`() throws {
        var guests: [TestSocket] = []
        func greet() throws {
            while let next = accept() {
                try next.send(try Self.answer(.hello(version: AgentProtocol.version), .connected))
                guests.append(next)
            }
        }
        var clients: [TestSocket] = []
        for _ in 0..<PortForward.connectionLimit + 3 {
            clients.append(try TestSocket(connectingTo: port))
            _ = forward.serve()
            try greet()
        }
        try serve {
            try greet()
            return guests.count == PortForward.connectionLimit
        }
        for _ in 0..<20 { try serve { true } }
        try greet()
        #expect(forward.connectionCount == PortForward.connectionLimit)
        #expect(guests.count == PortForward.connectionLimit)
        guests.removeFirst(3)
        try serve {
            try greet()
            return guests.count == PortForward.connectionLimit
        }
    }

    @Test func `A guest that lets go while nothing moves breaks its caller's connection`() throws {
        let client: TestSocket
        do {
            let (caller, guest) = try call()
            client = caller
            try guest.send(
                try Self.answer(.hello(version: AgentProtocol.version), .connected) + [1])
            try serve { try client.isReadable }
            #expect(try client.receive() == [1])
            guest.endWriting()
            try serve { try client.isReadable }
            #expect(try client.receive() == [])
            #expect(forward.connectionCount == 1)
        }
        try serve { forward.connectionCount == 0 }
    }

    @Test func `A port that is taken is refused with a sentence`() throws {
        let error = #expect(throws: ClientError.self) {
            try PortForward([ForwardRule(port: port, guestPort: 80)], by: "@x")
        }
        #expect(
            error?.message == "cannot listen at 127.0.0.1:\(port): another program has that port")
    }
}
