// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

/// Connections to TCP ports, through the agent.
@Suite struct RelayTests {
    /// A channel that has become a connection, and the server's end of it.
    private func connect(
        _ agent: AgentProcess, to server: LoopbackServer
    ) throws -> (host: TestSocket, server: TestSocket, channel: TestChannel) {
        let channel = try agent.channel()
        try channel.send(.connect(port: server.port))
        let far = try server.accept()
        try #require(try channel.next() == .connected)
        return (TestSocket(try channel.release()), far, channel)
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func `Bytes go both ways, and each way ends on its own`(_ address: String) throws {
        let (host, far, channel) = try connect(
            try AgentProcess(), to: try LoopbackServer(at: address))
        defer { withExtendedLifetime(channel) {} }
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try host.send(Array("hello".utf8))
        #expect(try far.receive() == Array("hello".utf8))
        host.endWriting()
        #expect(try far.receive() == [])
        try far.send(Array(bytes[..<100_000]))
        #expect(try host.receive(count: 100_000) == Array(bytes[..<100_000]))
        far.endWriting()
        #expect(try host.receiveAll() == [])
    }

    @Test func `A server that ends first still hears`() throws {
        let (host, far, channel) = try connect(try AgentProcess(), to: try LoopbackServer())
        defer { withExtendedLifetime(channel) {} }
        try far.send([1, 2, 3])
        far.endWriting()
        #expect(try host.receiveAll() == [1, 2, 3])
        try host.send([4, 5])
        #expect(try far.receive() == [4, 5])
        host.endWriting()
        #expect(try far.receive() == [])
    }

    @Test(arguments: [0, 1, 65_536, 150_000, 196_608, 262_144, 400_000, 450_000])
    func `An end that comes together with the data before it is passed on`(_ count: Int) throws {
        let agent = try AgentProcess()
        let (host, far, channel) = try connect(agent, to: try LoopbackServer())
        defer { withExtendedLifetime(channel) {} }
        // All of it is there when the agent looks.
        agent.pause()
        try far.send([UInt8](repeating: 7, count: count))
        far.endWriting()
        agent.resume()
        #expect(try host.receiveAll().count == count)
    }

    @Test func `A port without a server is refused, and the channel goes on`() throws {
        let port: UInt16
        do {
            port = try LoopbackServer().port
        }
        let channel = try AgentProcess().channel()
        try channel.send(.connect(port: port))
        #expect(try channel.next() == .refused(Refusal(.system, detail: 111)))
        #expect(try channel.shell("echo on").text == "on\n")
    }

    @Test func `Neither a command nor bytes may be there before the connection`() throws {
        let server = try LoopbackServer()
        let agent = try AgentProcess()
        let busy = try agent.channel()
        try busy.send(.execute(ExecRequest(["sleep", "30"])), .connect(port: server.port))
        #expect(try busy.next() == .refused(Refusal(.outOfTurn, detail: 32)))
        let hasty = try agent.channel()
        try hasty.send(.connect(port: server.port), .ping(1))
        #expect(try hasty.next() == .refused(Refusal(.outOfTurn, detail: 32)))
        #expect(try hasty.next() == .pong(1))
    }

    @Test func `A server hears that the host has gone, also when nothing moves`() throws {
        let agent = try AgentProcess()
        let server = try LoopbackServer()
        var ends: (host: TestSocket, server: TestSocket, channel: TestChannel)? =
            try connect(agent, to: server)
        let far = try #require(ends?.server)
        ends?.host.endWriting()
        #expect(try far.receive() == [])
        ends = nil
        // The agent lets go of the connection: what the server says now finds nobody.
        let isGone = try (0..<100).contains { _ in
            guard (try? UnixSocket.send([1], to: far.socket.rawValue)) != nil else { return true }
            _ = try agent.channel().shell("sleep 0.05")
            return false
        }
        #expect(isGone)
    }

    @Test func `A server that does not read holds up its own connection only`() throws {
        let agent = try AgentProcess()
        let server = try LoopbackServer()
        let (host, far, channel) = try connect(agent, to: server)
        defer { withExtendedLifetime(channel) {} }
        let sent = host.sendUntilFull(limit: 64 << 20)
        #expect(sent < 16 << 20)
        #expect(try agent.channel().shell("echo well").text == "well\n")
        host.endWriting()
        #expect(try far.receiveAll().count == sent)
    }

    @Test func `A host that does not read holds up its own connection only`() throws {
        let agent = try AgentProcess()
        let (host, far, channel) = try connect(agent, to: try LoopbackServer())
        defer { withExtendedLifetime(channel) {} }
        let sent = far.sendUntilFull(limit: 64 << 20)
        #expect(sent < 16 << 20)
        #expect(try agent.channel().shell("echo well").text == "well\n")
        far.endWriting()
        #expect(try host.receiveAll().count == sent)
    }

    @Test func `A hundred and fifty connections at a time each have their own bytes`() throws {
        let agent = try AgentProcess()
        let server = try LoopbackServer()
        let connections = try (0..<150).map { _ in try connect(agent, to: server) }
        for (index, connection) in connections.enumerated() {
            try connection.host.send([UInt8(index)])
            connection.host.endWriting()
        }
        for (index, connection) in connections.enumerated().reversed() {
            #expect(try connection.server.receiveAll() == [UInt8(index)])
            try connection.server.send([UInt8(index), 1])
            connection.server.endWriting()
            #expect(try connection.host.receiveAll() == [UInt8(index), 1])
        }
    }
}
