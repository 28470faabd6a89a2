// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// What a driver may do wrong, packet by packet.
@Suite struct VsockHostileTests {
    struct Violation: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What the guest hears.
        let answer: [VsockOperation]
        let change: @Sendable (inout VsockHeader) -> Void

        init(
            _ name: String, _ answer: [VsockOperation],
            _ change: @escaping @Sendable (inout VsockHeader) -> Void
        ) {
            testDescription = name
            self.answer = answer
            self.change = change
        }
    }

    /// Changes to a good packet of four bytes on an open connection.
    static let violations = [
        Violation("another guest's CID", []) { $0.sourceCID = 4 },
        Violation("the host's CID as sender", []) { $0.sourceCID = 2 },
        Violation("a reserved CID as sender", []) { $0.sourceCID = .max },
        Violation("high bits in the sender's CID", []) { $0.sourceCID |= 1 << 40 },
        Violation("itself as receiver", []) { $0.destinationCID = 3 },
        Violation("the hypervisor as receiver", []) { $0.destinationCID = 0 },
        Violation("high bits in the receiver's CID", []) { $0.destinationCID |= 1 << 63 },
        Violation("another type", [.reset]) { $0.type = 2 },
        Violation("type 0", [.reset]) { $0.type = 0 },
        Violation("operation 0", [.reset]) { $0.operation = 0 },
        Violation("operation 8", [.reset]) { $0.operation = 8 },
        Violation("operation 65,535", [.reset]) { $0.operation = .max },
        Violation("more bytes than there are", [.reset]) { $0.length = 5 },
        Violation("4 GiB of bytes", [.reset]) { $0.length = .max },
        Violation("bytes for a port that nobody opened", [.reset]) { $0.destinationPort = 77 },
        Violation("bytes from a port that nobody opened", [.reset]) { $0.sourcePort = 77 },
        Violation("a request for an open connection", [.reset]) {
            $0.operation = VsockOperation.request.rawValue
        },
        Violation("a response to nothing", [.reset]) {
            $0.operation = VsockOperation.response.rawValue
        },
        Violation("a reset for nothing", []) {
            $0.operation = VsockOperation.reset.rawValue
            $0.sourcePort = 77
        },
        Violation("a credit update for nothing", [.reset]) {
            $0.operation = VsockOperation.creditUpdate.rawValue
            $0.sourcePort = 77
        },
        Violation("a request for a port without a socket", [.reset]) {
            $0.operation = VsockOperation.request.rawValue
            $0.destinationPort = 4_294_967_295
            $0.sourcePort = 77
        },
        Violation("a buffer of no bytes", []) { $0.bufferSize = 0 },
        Violation("a buffer of 4 GiB", []) { $0.bufferSize = .max },
        Violation("unknown flags", []) { $0.flags = .max },
    ]

    @Test(arguments: violations)
    func `A bad packet is answered or dropped, and the next connection works`(
        _ violation: Violation
    ) throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        var header = guest.header(.data, host: host, guest: 9, length: 4)

        violation.change(&header)
        try guest.post(header, [1, 2, 3, 4])
        guest.driver.notify(1)

        #expect(try guest.operations() == violation.answer)
        #expect(guest.driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])
        let (other, otherHost) = try guest.accept(port: 10)
        try guest.send(.data, host: otherHost, guest: 10, [6])
        #expect(other.bytes() == [6])
        _ = peer
    }

    @Test(arguments: [0, 1, 43])
    func `A packet shorter than its header is dropped`(_ count: UInt32) throws {
        let guest = try VsockGuest()

        guest.driver.rings[1].publish([.readable(0x100_0000, count)])
        guest.driver.notify(1)

        #expect(guest.driver.rings[1].takeUsed().count == 1)
        #expect(try guest.receive().isEmpty)
    }

    @Test func `A header in many pieces is a header`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        let base: UInt64 = 0x190_0000
        let header = guest.header(.data, host: host, guest: 9, length: 2)
        try guest.driver.memory.store(header, at: GuestAddress(base))
        try guest.driver.memory.write([5, 6], at: GuestAddress(base + 44))

        let pieces = (0..<46 as Range<UInt64>).map { DriverRing.Buffer.readable(base + $0, 1) }
        guest.driver.rings[1].publish(pieces)
        guest.driver.notify(1)

        #expect(peer.bytes() == [5, 6])
    }

    @Test func `Buffers too small for a packet are used up and harm nobody`() throws {
        let guest = try VsockGuest(receiveBuffers: 0)
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        peer.send("CONNECT 5\n")
        guest.driver.settle()

        guest.giveBuffers(20, size: 43)
        #expect(try guest.receive().isEmpty)
        guest.giveBuffers(1, size: 44)
        let request = try #require(try guest.receive(keeping: true).first)
        try guest.send(.response, host: request.header.sourcePort, guest: 5)
        peer.send("x")
        // No room for a single byte of payload.
        guest.giveBuffers(20, size: 44)
        #expect(try guest.receive(keeping: true).allSatisfy { $0.payload.isEmpty })
        guest.giveBuffers(1, size: 45)
        #expect(try guest.receive(keeping: true).last?.payload == Array("x".utf8))
    }

    @Test func `A flood without room for answers waits, and nothing is lost`() throws {
        let guest = try VsockGuest(receiveBuffers: 0)
        var answered = 0

        for _ in 0..<4 {
            for _ in 0..<100 { try guest.post(guest.header(.data, host: 1, guest: 1)) }
            guest.driver.notify(1)
        }
        let (resets, pending) = guest.driver.transport.withDevice {
            ($0.resets.count, $0.flags.isStalled)
        }
        #expect(resets == Vsock.resetLimit)
        #expect(pending)
        #expect(guest.driver.rings[1].takeUsed().count == Vsock.resetLimit)

        for _ in 0..<40 {
            guest.giveBuffers(16)
            answered += try guest.receive(keeping: true).count
        }
        #expect(answered == 400)
        let left = guest.driver.transport.withDevice { $0.resets.count }
        #expect(left == 0)
    }

    @Test func `A storm of shutdowns is survived`() throws {
        let guest = try VsockGuest()
        for round in 0..<200 as Range<UInt32> {
            let (peer, host) = try guest.accept(port: round)
            for flags in [0, 1, 2, 1, 2, 3, 3, .max] as [UInt32] {
                var header = guest.header(.shutdown, host: host, guest: round)
                header.flags = flags
                try guest.post(header)
            }
            guest.driver.notify(1)
            // The first that ends both halves ends the connection; those after it are strangers.
            #expect(try guest.operations().allSatisfy { $0 == .reset })
            #expect(peer.bytes() == nil)
        }
        #expect(guest.connectionCount == 0)
    }

    @Test func `A reset of the device ends all connections`() throws {
        let guest = try VsockGuest()
        let (peer, _) = try guest.accept(port: 9)

        guest.driver.reset()

        #expect(guest.connectionCount == 0)
        // The thread of a vCPU, which asks for it, closes no descriptor.
        #expect(peer.bytes() == [])
        guest.driver.settle()
        #expect(peer.bytes() == nil)
        guest.driver.start()
        guest.giveBuffers(4)
        let (again, host) = try guest.accept(port: 9)
        try guest.send(.data, host: host, guest: 9, [1])
        #expect(again.bytes() == [1])
    }

    @Test func `What a reset has ended is closed before the next driver is served`() throws {
        let guest = try VsockGuest()
        let (old, _) = try guest.accept(port: 9)
        old.send("for nobody")

        guest.driver.start()
        guest.giveBuffers(4)
        #expect(old.bytes() == nil)
        let (peer, host) = try guest.accept(port: 9)
        try guest.send(.data, host: host, guest: 9, [1])

        #expect(peer.bytes() == [1])
        #expect(guest.connectionCount == 1)
        let statistics = guest.driver.transport.withDevice { $0.statistics }
        #expect(statistics.connections == 2)
        #expect(statistics.closed == 1)
    }

    @Test func `A caller that asks and leaves at once leaves nothing behind`() throws {
        let guest = try VsockGuest()
        let caller = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        guest.driver.settle()
        #expect(guest.connectionCount == 1)

        caller.send("CONNECT 5\n")
        caller.close()
        #expect(try guest.receive().isEmpty)
        #expect(guest.connectionCount == 0)

        // The first port that a caller gets is nobody's but the next one's.
        let (peer, host) = try guest.accept(port: 6)
        #expect(host == 1 << 30 + 1)
        try guest.send(.data, host: host, guest: 5, [1])
        #expect(try guest.operations() == [.reset])
        #expect(peer.bytes() == [])
    }

    @Test func `A connection that keeps nothing has no room for it`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)

        try guest.send(.data, host: host, guest: 9, [1, 2, 3])

        #expect(peer.bytes() == [1, 2, 3])
        let room = guest.driver.transport.withDevice { device in
            device.table.all.map(\.guest.backlog.storage.count)
        }
        #expect(room == [0])
    }

    @Test func `A guest that never answers loses the connection`() throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        peer.send("CONNECT 5\n")
        #expect(try guest.operations() == [.request])

        guest.driver.transport.withDevice { device in
            for connection in device.table.all { connection.deadline = 1 }
            device.host.timer.arm(at: 1)
        }
        var ended = false
        let limit = Clock.monotonic + 2_000_000_000
        while !ended, Clock.monotonic < limit {
            guest.driver.settle()
            ended = peer.bytes() == nil
        }

        #expect(ended)
        #expect(try guest.operations() == [.reset])
    }

    @Test(arguments: ["", "CONNECT 5"])
    func `A caller that does not say to which port loses its place`(_ words: String) throws {
        let guest = try VsockGuest()
        let (speaker, host) = try guest.accept(port: 6)
        guest.driver.transport.withDevice { $0.greetingPatience = 0 }
        let caller = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        caller.send(words)

        var ended = false
        let limit = Clock.monotonic + 2_000_000_000
        while !ended, Clock.monotonic < limit {
            guest.driver.settle()
            ended = caller.bytes() == nil
        }

        #expect(ended)
        #expect(guest.connectionCount == 1)
        let abandoned = guest.driver.transport.withDevice { $0.statistics.abandoned }
        #expect(abandoned == 0)
        // The guest has never heard of it, and who did say so is still heard.
        #expect(try guest.operations().isEmpty)
        try guest.send(.data, host: host, guest: 6, [1])
        #expect(speaker.bytes() == [1])
    }

    @Test func `A caller that spoke while nobody looked keeps its place`() throws {
        let guest = try VsockGuest()
        let caller = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        // It is accepted, and then its socket has news no more.
        guest.driver.transport.serveHost()
        guest.driver.transport.serveHost()
        guest.driver.transport.withDevice { device in
            for connection in device.table.all { connection.deadline = 0 }
            device.host.timer.arm(at: 1)
        }
        for _ in 0..<1_000_000 where guest.driver.isQuiet { Thread.yield() }
        caller.send("CONNECT 5\n")

        #expect(try guest.operations() == [.request])
        #expect(guest.connectionCount == 1)
        #expect(caller.bytes() == [])
    }

    @Test(arguments: [0, 1, 2, UInt32.max])
    func `A reserved address is refused`(_ cid: UInt32) {
        #expect(throws: VsockError.guestCID(cid)) {
            _ = try Vsock(guestCID: cid, path: VsockGuest.freshPath())
        }
    }

    @Test func `A path too long for a port behind it is refused`() {
        let path = "/tmp/" + String(repeating: "x", count: 92)
        #expect(throws: VsockError.path(path)) { _ = try Vsock(guestCID: 3, path: path) }
        #expect(throws: VsockError.path("")) { _ = try Vsock(guestCID: 3, path: "") }
    }

    @Test func `A path that is taken is refused and stays`() throws {
        let path = VsockGuest.freshPath()
        let listener = try UnixSocket.listen(at: path)
        defer { UnixSocket.remove(path) }

        #expect(throws: VsockError.self) { _ = try Vsock(guestCID: 3, path: path) }
        _ = try UnixSocket.connect(to: path)
        _ = listener.rawValue
    }
}
