// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct VsockTests {
    @Test func `A program of the host talks to a port of the guest`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 5000)

        peer.send("hello")
        let packets = try guest.receive()
        #expect(packets.map(\.payload) == [Array("hello".utf8)])
        #expect(packets.first?.header.destinationPort == 5000)
        try guest.send(.data, host: host, guest: 5000, Array("world".utf8))
        #expect(peer.text() == "world")
    }

    @Test func `Bytes behind the greeting belong to the connection`() throws {
        let guest = try VsockGuest()
        let peer = VsockGuest.Peer(try UnixSocket.connect(to: guest.path))

        peer.send("CONNECT 7\nearly")
        let request = try #require(try guest.receive().first)
        try guest.send(.response, host: request.header.sourcePort, guest: 7)
        let packets = try guest.receive()

        #expect(packets.map(\.payload) == [Array("early".utf8)])
    }

    @Test func `The guest talks to a socket of the host`() throws {
        let guest = try VsockGuest()
        let listener = try UnixSocket.listen(at: "\(guest.path)_80")
        defer { UnixSocket.remove("\(guest.path)_80") }

        try guest.send(.request, host: 80, guest: 1234)
        #expect(try guest.operations() == [.response])
        let peer = VsockGuest.Peer(try UnixSocket.accept(on: listener.rawValue))
        try guest.send(.data, host: 80, guest: 1234, [1, 2, 3])
        #expect(peer.bytes() == [1, 2, 3])
        peer.send([4, 5])
        #expect(try guest.receive().map(\.payload) == [[4, 5]])
    }

    @Test func `Of many packets the guest hears at most once`() throws {
        let guest = try VsockGuest()
        let (peer, host) = try guest.accept(port: 5)
        // The driver wants to hear of the next.
        for index in 0...1 {
            guest.driver.rings[index].setUsedEvent(guest.driver.rings[index].deviceUsedIndex)
        }
        _ = guest.driver.interrupts.take()
        let payload = [UInt8](repeating: 7, count: 100)
        for _ in 0..<32 {
            try guest.post(guest.header(.data, host: host, guest: 5, length: 100), payload)
        }
        guest.driver.write(MMIORegister.queueNotify, 1)
        guest.driver.transport.serveNotified()
        #expect(peer.bytes()?.count == 3200)
        #expect(guest.driver.interrupts.take() == 1)

        let sent = peer.send([UInt8](repeating: 8, count: 60_000))
        guest.driver.transport.serveHost()
        #expect(guest.driver.interrupts.take() == 1)
        #expect(try guest.receive(keeping: true).reduce(0) { $0 + $1.payload.count } == sent)
        // And not at all, if it does not want to.
        guest.driver.rings[1].setUsedEvent(0x8000)
        for _ in 0..<8 {
            try guest.post(guest.header(.data, host: host, guest: 5, length: 100), payload)
        }
        guest.driver.write(MMIORegister.queueNotify, 1)
        guest.driver.transport.serveNotified()
        #expect(peer.bytes()?.count == 800)
        #expect(guest.driver.interrupts.take() == 0)
    }

    @Test func `The host's file is private and goes with the device`() throws {
        var path = ""
        do {
            let guest = try VsockGuest()
            path = guest.path
            #expect(try fileMode(path) == 0o600)
        }
        #expect(throws: Errno.noEntry) { _ = try UnixSocket.connect(to: path) }
    }
}
