// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// `swiftlet port-forward`, to servers in a real machine without a network.
@Suite(.serialized) struct PortForwardTests {
    /// Servers in the guest: one that says what it hears, and one that hears all before it answers.
    private static let servers = """
        nc -ll -p 7 -e cat &
        nc -ll -p 9 -e sha256sum &
        mkdir /www; head -c 1000000 /dev/urandom > /www/file; httpd -p 80 -h /www
        while ! nc 127.0.0.1 7 < /dev/null || ! nc 127.0.0.1 9 < /dev/null; do sleep 0.1; done
        """

    /// A forward that runs, and the ports of this host, in the order of the rules.
    private final class Forward {
        let program: RunningProgram
        let ports: [UInt16]

        init(_ rules: String..., of machine: GuestMachine) throws {
            let program = try machine.host.start(["port-forward", machine.name] + rules)
            self.program = program
            var lines: [Substring] = []
            _ = RunningProgram.wait(seconds: 30) {
                lines = program.outputText.split(separator: "\n")
                return lines.count == rules.count
            }
            ports = try lines.map { line in
                let match = try #require(line.firstMatch(of: #/:([0-9]+) -> web:[0-9]+$/#))
                return try #require(UInt16(match.1))
            }
            try #require(ports.count == rules.count)
        }
    }

    @Test func `Bytes go both ways through several ports, and each way ends on its own`() throws {
        let machine = try GuestMachine(Self.servers)
        let forward = try Forward("0:7", "127.0.0.1:0:9", "[::1]:0:80", of: machine)
        #expect(forward.program.outputText.contains("[::1]:\(forward.ports[2]) -> web:80\n"))

        let echo = try TestSocket(connectingTo: forward.ports[0])
        try echo.send(Array("hello".utf8))
        #expect(try echo.receive() == Array("hello".utf8))
        echo.endWriting()
        #expect(try echo.receiveAll() == [])

        // The answer comes only after our end has been heard.
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        let bytes = Array(try #require(try random.read(upToCount: 3_000_000)))
        let sum = try TestSocket(connectingTo: forward.ports[1])
        try sum.send(bytes)
        sum.endWriting()
        let answer = String(decoding: try sum.receiveAll(), as: UTF8.self)
        let expected = try Program.run("sha256sum", [], input: Data(bytes)).outputText
        #expect(answer == expected)

        let page = try Program.run(
            "curl", ["-sS", "-g", "-o", "-", "http://[::1]:\(forward.ports[2])/file"])
        #expect(page.status == 0, "\(page.errorText)")
        #expect(page.output.count == 1_000_000)
        let wanted = try machine.shell("sha256sum < /www/file")
        #expect(try Program.run("sha256sum", [], input: page.output).outputText == wanted)

        forward.program.send(SIGINT)
        let end = try forward.program.end(seconds: 10)
        #expect(end.status == 0)
        #expect(end.errorText == "")
        #expect(throws: (any Error).self) { try TestSocket(connectingTo: forward.ports[0]) }
    }

    @Test func `Two hundred callers at a time are all served, some after others`() throws {
        let machine = try GuestMachine(Self.servers)
        let forward = try Forward("0:7", of: machine)
        let callers = try (0..<200).map { _ in try TestSocket(connectingTo: forward.ports[0]) }
        for (index, caller) in callers.enumerated() {
            try caller.send([UInt8(index), 1, 2])
            caller.endWriting()
        }
        for (index, caller) in callers.enumerated() {
            #expect(try caller.receiveAll(seconds: 60) == [UInt8(index), 1, 2])
        }
        // Memory of the forward is bounded whatever goes through.
        let status = try String(
            contentsOfFile: "/proc/\(forward.program.identifier)/status", encoding: .utf8)
        let peak = try #require(status.firstMatch(of: #/VmHWM:\s+([0-9]+) kB/#))
        #expect(try #require(Int(peak.1)) < 96 << 10)
    }

    @Test func `A caller whose server does not read holds up nobody else`() throws {
        let machine = try GuestMachine(
            Self.servers + "\nnc -ll -p 11 -e sleep 1000 &")
        let forward = try Forward("0:7", "0:11", of: machine)
        let stuck = try TestSocket(connectingTo: forward.ports[1])
        let sent = stuck.sendUntilFull(limit: 64 << 20)
        #expect(sent < 32 << 20)
        let echo = try TestSocket(connectingTo: forward.ports[0])
        try echo.send([1, 2, 3])
        #expect(try echo.receive() == [1, 2, 3])
        #expect(try machine.shell("echo well") == "well\n")
    }

    @Test func `A port where nobody listens is told, and breaks the caller's connection`() throws {
        let machine = try GuestMachine()
        let forward = try Forward("0:4242", of: machine)
        for _ in 0..<3 {
            let caller = try TestSocket(connectingTo: forward.ports[0])
            #expect((try? caller.receive()) ?? [] == [])
        }
        forward.program.send(SIGTERM)
        let end = try forward.program.end(seconds: 10)
        #expect(end.status == 0)
        #expect(end.errorText == "swiftlet: port 4242 in the guest: nobody listens there\n")
    }

    @Test func `With --json each rule is an object, with the port that the kernel chose`() throws {
        let machine = try GuestMachine(Self.servers)
        let forward = try machine.host.start([
            "port-forward", "--json", machine.name, "0:7", "[::1]:0:80",
        ])
        var lines: [Substring] = []
        _ = RunningProgram.wait(seconds: 30) {
            lines = forward.outputText.split(separator: "\n")
            return lines.count == 2 && forward.outputText.hasSuffix("\n")
        }
        let objects = try lines.map { line in
            try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        try #require(objects.count == 2)
        #expect(objects.map { $0["name"] as? String } == ["web", "web"])
        #expect(objects.map { $0["address"] as? String } == ["127.0.0.1", "::1"])
        #expect(objects.map { $0["guest_port"] as? Int } == [7, 80])
        #expect(
            objects.allSatisfy {
                Set($0.keys) == ["id", "name", "address", "port", "guest_port"]
            })
        let port = try #require(objects[0]["port"] as? Int)
        let echo = try TestSocket(connectingTo: try #require(UInt16(exactly: port)))
        try echo.send(Array("hello".utf8))
        #expect(try echo.receive() == Array("hello".utf8))
        forward.send(SIGINT)
        #expect(try forward.end(seconds: 10).status == 0)
    }

    @Test func `It ends with its machine, and says so`() throws {
        let machine = try GuestMachine()
        let forward = try Forward("0:7", of: machine)
        try machine.host.done("kill", "web")
        let end = try forward.program.end(seconds: 20)
        #expect(end.status == 125)
        #expect(end.errorText == "swiftlet: the machine web has ended\n")
    }

    @Test func `What cannot be is refused with a sentence`() throws {
        let machine = try GuestMachine()
        let other = try Forward("0:7", of: machine)
        let refusals = [
            ("x", "'x' is no rule; write [HOST:]PORT:GUESTPORT"),
            ("80:0", "'80:0' is no rule"), ("example.org:1:2", "'example.org:1:2' is no rule"),
            (
                "\(other.ports[0]):7",
                "cannot listen at 127.0.0.1:\(other.ports[0]): another program"
            ),
            ("1.2.3.4:0:7", "cannot listen at 1.2.3.4:0: "),
        ]
        for (rule, text) in refusals {
            let result = try machine.host.swiftlet("port-forward", "web", rule)
            #expect(result.status == 125)
            #expect(result.errorText.hasPrefix("swiftlet: " + text), "\(result.errorText)")
        }
        let absent = try machine.host.swiftlet("port-forward", "no-machine", "1:2")
        #expect(absent.errorText == "swiftlet: no such machine: \"no-machine\"\n")
    }
}
