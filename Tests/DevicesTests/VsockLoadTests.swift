// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Many connections at once, each with more to say than there is room for.
@Suite struct VsockLoadTests {
    static let connections: UInt32 = 1000

    /// A guest that calls port 1 of the host so many times, and the host's ends.
    private func connected(
        _ guest: VsockGuest, _ count: UInt32 = connections
    ) throws -> [VsockGuest.Peer] {
        let listener = try UnixSocket.listen(at: "\(guest.path)_1", backlog: 4096)
        defer { UnixSocket.remove("\(guest.path)_1") }
        return try (0..<count).map { port in
            try guest.send(.request, host: 1, guest: port)
            guard try guest.operations() == [.response] else {
                throw VsockGuest.Unexpected(packets: [])
            }
            return VsockGuest.Peer(try UnixSocket.accept(on: listener.rawValue))
        }
    }

    @Test func `A thousand connections that all have input take turns`() throws {
        let guest = try VsockGuest()
        let peers = try connected(guest)
        for peer in peers { #expect(peer.send([UInt8](repeating: 1, count: 30_000)) == 30_000) }
        var packets: [UInt32: Int] = [:]
        var seen = 0
        var most = 0
        while let packet = try guest.receive().nonempty {
            for packet in packet where packet.operation == .data {
                packets[packet.header.destinationPort, default: 0] += 1
                seen += 1
            }
            most = max(most, (packets.values.max() ?? 0) - seen / Int(Self.connections))
        }
        // Nobody is ever more than a few turns ahead of what all have had.
        #expect(most <= 3)
        #expect(packets.count == Int(Self.connections))
        #expect(Set(packets.values) == [8])
    }

    @Test func `What a thousand connections keep is bounded, and is freed`() throws {
        let guest = try VsockGuest()
        let peers = try connected(guest)
        // The hosts read nothing. The guest sends each as much as it has credit for, as one packet
        // after the other is refused room by the socket.
        let part = [UInt8](repeating: 7, count: 8 << 10)
        for port in 0..<Self.connections {
            for _ in 0..<40 {
                let room = guest.driver.transport.withDevice { device in
                    device.table[VsockPorts(host: 1, guest: port)]?.guest.room ?? 0
                }
                guard room >= UInt32(part.count) else { break }
                try guest.send(.data, host: 1, guest: port, part)
            }
        }
        let kept = guest.driver.transport.withDevice { device in
            device.table.all.reduce(0) { $0 + $1.guest.backlog.count }
        }
        let large = VsockTable.largeLimit * VsockTable.largeBuffer
        let small = (VsockTable.limit - VsockTable.largeLimit) * VsockTable.smallBuffer
        #expect(kept > 0 && kept <= large + small)
        #expect(guest.connectionCount == Int(Self.connections))

        for peer in peers { peer.close() }
        guest.driver.settle()
        let left = guest.driver.transport.withDevice { device in
            device.table.all.reduce(0) { $0 + $1.guest.backlog.count }
        }
        #expect(left == 0)
    }

    @Test func `Packets of 64 KiB go whole, both ways`() throws {
        let guest = try VsockGuest(receiveBuffers: 1)
        let (peer, host) = try guest.accept(port: 9)
        let bytes = (0..<64 << 10).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        try guest.send(.data, host: host, guest: 9, bytes)
        #expect(peer.bytes() == bytes)

        // The small buffer that is left takes a first part.
        let whole: UInt64 = 0x180_0000
        for index in 0..<4 as Range<UInt64> {
            guest.driver.rings[0].publish([.writable(whole + index * 0x1_1000, (64 << 10) + 44)])
        }
        guest.driver.notify(0)
        peer.send([UInt8](repeating: 0, count: Int(VsockGuest.bufferSize) - 44))
        _ = try guest.receive(keeping: true)
        peer.send(bytes)
        #expect(try guest.receive(keeping: true).map(\.payload.count) == [64 << 10])
        #expect(guest.driver.transport.chainsInFlight == 0)
    }

    @Test(arguments: [(64 << 10, 256), (4096, 1024), (1, 5000)])
    func `Credit is told when half of it is used, not with every packet`(
        _ size: Int, _ count: Int
    ) throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 9)
        let bytes = [UInt8](repeating: 3, count: size)
        var updates = 0
        var arrived = 0
        for _ in 0..<count {
            try guest.send(.data, host: host, guest: 9, bytes)
            arrived += peer.bytes()?.count ?? 0
            updates += try guest.operations().count { $0 == .creditUpdate }
        }
        #expect(arrived == size * count)
        let most = size * count / (VsockTable.largeBuffer / 2)
        #expect((most / 2...most + 1).contains(updates))
    }

    @Test func `A guest that asks for credit again and again is answered, not more`() throws {
        let guest = try VsockGuest()
        let (_, host) = try guest.accept(port: 9)
        for _ in 0..<200 {
            try guest.post(guest.header(.creditRequest, host: host, guest: 9))
        }
        guest.driver.notify(1)
        // What waits for the guest is one answer, however often it asks meanwhile; one goes out
        // with each of the few turns that its questions take.
        let answers = try guest.operations()
        #expect((1...4).contains(answers.count), "\(answers.count) answers to 200 questions")
    }
}

extension Array {
    fileprivate var nonempty: Self? { isEmpty ? nil : self }
}
