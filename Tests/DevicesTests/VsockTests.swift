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
