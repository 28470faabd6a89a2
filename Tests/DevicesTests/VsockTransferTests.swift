// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Credit, halves, ends, many at once.
@Suite struct VsockTransferTests {
    @Test func `A megabyte goes through unchanged both ways`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        let bytes = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        var toGuest: [UInt8] = []
        var toHost: [UInt8] = []
        var offered = 0
        var sent = 0

        for _ in 0..<20_000 where toGuest.count < bytes.count || toHost.count < bytes.count {
            if offered < bytes.count {
                offered += max(0, peer.send(Array(bytes[offered...].prefix(10_000))))
            }
            for packet in try guest.receive() where packet.operation == .data {
                toGuest += packet.payload
                guest.forwarded &+= UInt32(packet.payload.count)
            }
            if sent < bytes.count, sent - toHost.count < 100_000 {
                let part = Array(bytes[sent...].prefix(5_000))
                try guest.send(.data, host: host, guest: 9, part)
                sent += part.count
            }
            toHost += peer.bytes() ?? []
        }

        #expect(toGuest == bytes)
        #expect(toHost == bytes)
    }

    @Test func `What the host does not read is kept up to the credit, not a byte more`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        var sent: UInt32 = 0
        var told: UInt32 = 0

        // The host reads nothing. The guest sends as long as it has credit.
        for _ in 0..<1000 {
            for packet in try guest.receive() { told = packet.header.forwarded }
            let room = UInt32(VsockTable.largeBuffer) &- (sent &- told)
            guard room > 0 else { break }
            let count = min(room, 60_000)
            try guest.send(
                .data, host: host, guest: 9, [UInt8](repeating: 1, count: Int(count)))
            sent += count
        }
        try guest.send(.creditRequest, host: host, guest: 9)
        let update = try #require(try guest.receive().last)
        #expect(update.operation == .creditUpdate)
        #expect(sent &- update.header.forwarded <= UInt32(VsockTable.largeBuffer))

        // All of it arrives once the host reads, and credit comes back.
        #expect(guest.arrives(at: peer, atMost: Int(sent)) == Int(sent))
        let credit = try #require(try guest.receive().last).header.forwarded
        #expect(sent &- credit < UInt32(VsockTable.largeBuffer / 2))

        // One byte beyond the credit ends the connection.
        let over = VsockTable.largeBuffer + 1
        var header = guest.header(.data, host: host, guest: 9, length: over)
        header.length = UInt32(over)
        try guest.post(header, [UInt8](repeating: 0, count: 100_000))
        guest.driver.notify(1)
        #expect(try guest.operations() == [.reset])
        #expect(peer.bytes() == nil)
    }

    @Test func `The guest's credit holds the host back, and is asked for`() throws {
        let guest = try VsockGuest()
        guest.credit = 10
        let (peer, host) = try guest.accept(port: 9)
        peer.send([UInt8](repeating: 7, count: 25))

        let first = try guest.receive()
        #expect(first.map(\.operation) == [.data, .creditRequest])
        #expect(first.first?.payload.count == 10)
        #expect(try guest.receive().isEmpty)

        guest.forwarded = 10
        try guest.send(.creditUpdate, host: host, guest: 9)
        #expect(try guest.receive().first?.payload.count == 10)
        guest.forwarded = 20
        try guest.send(.creditUpdate, host: host, guest: 9)
        #expect(try guest.receive().first?.payload.count == 5)
    }

    @Test func `A guest that counts its credit wrong gets nothing, and harms nobody`() throws {
        let guest = try VsockGuest()
        guest.forwarded = 5_000_000
        let (peer, host) = try guest.accept(port: 9)
        peer.send([1, 2, 3])

        #expect(try guest.receive().allSatisfy { $0.payload.isEmpty })
        guest.forwarded = 0
        try guest.send(.creditUpdate, host: host, guest: 9)
        #expect(try guest.receive().map(\.payload).contains([1, 2, 3]))
    }

    @Test func `The host's half ends, the guest's goes on`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        peer.send("last")
        peer.shutdown(.writing)

        let packets = try guest.receive()
        #expect(packets.map(\.operation) == [.data, .shutdown])
        #expect(packets.last?.header.flags == VsockShutdown.send.rawValue)
        try guest.send(.data, host: host, guest: 9, Array("answer".utf8))
        #expect(peer.text() == "answer")
        try guest.send(.shutdown, host: host, guest: 9, shutdown: .both)
        #expect(try guest.operations() == [.reset])
        #expect(peer.bytes() == nil)
    }

    @Test func `The guest's half ends, the host's goes on`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        try guest.send(.data, host: host, guest: 9, Array("last".utf8))
        try guest.send(.shutdown, host: host, guest: 9, shutdown: .send)

        #expect(peer.text() == "last")
        #expect(peer.bytes() == nil)
        peer.send("answer")
        #expect(try guest.receive().map(\.payload) == [Array("answer".utf8)])
        peer.close()
        let end = try guest.receive()
        #expect(end.last?.operation == .shutdown)
        #expect(end.last?.header.flags == VsockShutdown.both.rawValue)
    }

    @Test func `A guest that reads no more is sent no more`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        try guest.send(.shutdown, host: host, guest: 9, shutdown: .receive)

        #expect(peer.send("lost") == -1)
        #expect(try guest.receive().isEmpty)
        try guest.send(.data, host: host, guest: 9, [5])
        #expect(peer.bytes() == [5])
    }

    @Test func `A host that leaves tells the guest, which then answers`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        peer.send("bye")
        peer.close()

        let packets = try guest.receive()
        #expect(packets.contains { $0.payload == Array("bye".utf8) })
        #expect(packets.last?.operation == .shutdown)
        #expect(packets.last?.header.flags == VsockShutdown.both.rawValue)
        try guest.send(.reset, host: host, guest: 9)
        #expect(guest.connectionCount == 0)
    }

    @Test func `What the guest sent before it left still reaches a slow host`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        let bytes = [UInt8](repeating: 3, count: 60_000)
        for _ in 0..<6 { try guest.send(.data, host: host, guest: 9, bytes) }
        try guest.send(.shutdown, host: host, guest: 9, shutdown: .both)
        #expect(try guest.operations().last == .reset)

        #expect(guest.arrives(at: peer) == 360_000)
        #expect(guest.connectionCount == 0)
    }

    @Test func `A host that leaves before it has all is counted`() throws {
        for isKept in [false, true] {
            let guest = try VsockGuest()
            let (peer, host) = try guest.accept(port: 9)
            let bytes = [UInt8](repeating: 3, count: isKept ? 60_000 : 100)
            for _ in 0..<6 { try guest.send(.data, host: host, guest: 9, bytes) }
            peer.close()
            #expect(try guest.operations().contains(.shutdown))
            let statistics = guest.driver.transport.withDevice { $0.statistics }
            #expect(statistics.flushFailures == (isKept ? 1 : 0))
        }
    }

    @Test func `A call that the guest refuses ends for the host`() throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        peer.send("CONNECT 99\n")
        let request = try #require(try guest.receive().first)

        try guest.send(.reset, host: request.header.sourcePort, guest: 99)

        #expect(peer.bytes() == nil)
        #expect(guest.connectionCount == 0)
    }

    @Test func `A caller who leaves early ends the call for the guest`() throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        peer.send("CONNECT 99\n")
        #expect(try guest.operations() == [.request])

        peer.close()

        #expect(try guest.operations() == [.reset])
        #expect(guest.connectionCount == 0)
    }

    @Test(arguments: [
        "HELLO 5\n", "CONNECT\n", "CONNECT x\n", "CONNECT -1\n", "CONNECT 4294967296\n",
        "CONNECT 5 5\n", "\n", "CONNECT 000000000000000000000000000000005\n", "CONNECT 5\u{0}\n",
    ])
    func `Who greets wrongly is shown out`(_ greeting: String) throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))

        peer.send(greeting)

        #expect(try guest.receive().isEmpty)
        #expect(peer.bytes() == nil)
        #expect(guest.connectionCount == 0)
    }

    @Test func `A greeting may come in pieces`() throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))
        for piece in ["conn", "ect ", "12", "34\r"] {
            peer.send(piece)
            #expect(try guest.receive().isEmpty)
        }
        peer.send("\n")
        #expect(try guest.receive().first?.header.destinationPort == 1234)
    }

    @Test func `A thousand connections, and then no more`() throws {
        let guest = try VsockGuest()
        let listener = try UnixSocket.listen(at: "\(guest.path)_1", backlog: 4096)
        defer { UnixSocket.remove("\(guest.path)_1") }
        var sockets: [VsockGuest.Peer] = []

        for port in 0..<UInt32(VsockTable.limit) {
            try guest.send(.request, host: 1, guest: port)
            guard try guest.operations() == [.response] else {
                Issue.record("connection \(port)")
                return
            }
            sockets.append(VsockGuest.Peer(try UnixSocket.accept(on: listener.rawValue)))
        }
        try guest.send(.request, host: 1, guest: 5000)
        #expect(try guest.operations() == [.reset])

        // The last one works, and has the small buffer.
        try guest.send(.data, host: 1, guest: 1023, [8])
        #expect(sockets.last?.bytes() == [8])
        // One that ends makes room for another.
        try guest.send(.reset, host: 1, guest: 0)
        try guest.send(.request, host: 1, guest: 5000)
        #expect(try guest.operations() == [.response])
    }

    @Test func `Everybody gets a turn`() throws {
        let guest = try VsockGuest(receiveBuffers: 0)
        guest.giveBuffers(2)
        let (loud, _) = try guest.accept(port: 1)
        let (quiet, quietHost) = try guest.accept(port: 2)
        loud.send([UInt8](repeating: 1, count: 100_000))
        guest.driver.settle()

        quiet.send([2])
        var packets: [VsockGuest.Packet] = []
        for _ in 0..<3 { packets += try guest.receive() }

        #expect(packets.contains { $0.header.sourcePort == quietHost && $0.payload == [2] })
    }

    @Test func `Input waits for buffers and costs nothing meanwhile`() throws {
        let guest = try VsockGuest(receiveBuffers: 0)
        guest.giveBuffers(1)
        let (peer, _) = try guest.accept(port: 1)
        _ = try guest.receive(keeping: true)
        peer.send([1, 2, 3])
        // The first empties the buffer that was given back.
        guest.driver.settle()
        peer.send([4])
        guest.driver.settle()

        // Nothing is left to do: the descriptor that the event loop watches is quiet.
        let host = try #require(guest.driver.transport.withDevice { $0.hostEvents })
        #expect(try wakeUps(by: host) == 0)

        guest.giveBuffers(4)
        #expect(try guest.receive().flatMap(\.payload).suffix(1) == [4])
    }

    @Test func `Calls before the driver is ready wait, and cost nothing meanwhile`() throws {
        let path = VsockGuest.freshPath()
        let driver = try TestDriver(Vsock(guestCID: 3, path: path))
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: path))
        peer.send("CONNECT 5\n")
        let loop = try EventLoop()
        try driver.transport.attach(to: loop)

        let start = Clock.processCPU
        for _ in 0..<20 { loop.serveOnce(milliseconds: 5) }
        #expect(Clock.processCPU - start < 1_000_000_000)

        driver.start()
        driver.rings[0].publish([.writable(0x20_0000, 4096)])
        driver.write(MMIORegister.queueNotify, 0)
        for _ in 0..<20 { loop.serveOnce(milliseconds: 5) }
        #expect(driver.rings[0].takeUsed().map(\.length) == [44])
        driver.transport.detach()
    }

    @Test func `After a restore the guest hears that its connections are gone`() throws {
        let guest = try VsockGuest()
        _ = try guest.accept(port: 1)
        guest.driver.rings[2].publish([.writable(0x50_0000, 4)])
        try guest.driver.memory.store(UInt32(9), at: GuestAddress(0x50_0000))
        guest.driver.transport.pause()
        let state = guest.driver.transport.save()

        let other = try TestDriver(
            Vsock(guestCID: 4, path: VsockGuest.freshPath()), memory: guest.driver.memory)
        try other.transport.restore(state)
        try other.transport.resume(on: EventLoop())
        other.settle()

        #expect(try other.memory.load(UInt32.self, at: GuestAddress(0x50_0000)) == 0)
        #expect(other.takeInterruptStatus() == 1)
        #expect(other.read(MMIORegister.configuration) == 4)
        other.transport.detach()
    }
}
