// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Devices

@Suite struct MetadataLinkTests {
    @Test func `Who asks for the address is told the interface`() throws {
        var client = MetadataClient()
        client.give(GuestFrame.arpRequest())
        let first = client.stack.nextFrame(now: 0)
        let frame = try #require(first)[...]
        #expect(frame.count == 60)
        #expect(frame.bytes(0, 6).map(Array.init) == GuestFrame.mac)
        #expect(frame.half(12) == 0x0806)
        #expect(frame.half(20) == 2)
        #expect(frame.bytes(22, 6).map(Array.init) == MetadataEndpoint.mac.bytes)
        #expect(frame.word(28) == GuestFrame.service)
        #expect(frame.word(38) == GuestFrame.address)
        let second = client.stack.nextFrame(now: 0)
        #expect(second == nil)
    }

    @Test func `Frames for others are theirs`() {
        let stack = MetadataClient().stack
        #expect(stack.claims(GuestFrame.arpRequest()[...]))
        #expect(stack.claims(GuestFrame.packet([])[...]))
        #expect(!stack.claims(GuestFrame.arpRequest(for: 1)[...]))
        #expect(!stack.claims(GuestFrame.packet([], to: 1)[...]))
        #expect(!stack.claims([]))
        for count in 0..<42 {
            #expect(!stack.claims(GuestFrame.arpRequest().prefix(count)[...]) || count == 42)
        }
    }

    @Test func `A connection asks, is answered and ends`() {
        var client = MetadataClient()
        let isConnected = client.connect()
        #expect(isConnected)
        client.send(Array("hello".utf8))
        client.receive()
        #expect(client.received == Array("hello".utf8))
        client.send(Array(" end.".utf8))
        client.receive()
        #expect(client.received == Array("hello end.".utf8))
        #expect(client.ended)
        client.give(client.segment([.ack, .fin]))
        client.sequence &+= 1
        client.receive()
        #expect(client.stack.counts.opened == 1)
        #expect(client.stack.counts.closed == 1)
        // Nobody is there any more.
        client.give(client.segment(.ack))
        client.receive()
        #expect(client.reset)
    }

    @Test(arguments: [(536, 1500), (1460, 1500), (9000, 1500), (1460, 576), (1, 1500)])
    func `Long answers come in pieces that fit`(_ limit: UInt16, _ mtu: Int) {
        let long = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var client = MetadataClient(mtu: mtu) { _ in (long, true) }
        let isConnected = client.connect(segmentLimit: limit)
        #expect(isConnected)
        client.send([1])
        var most = 0
        var received: [UInt8] = []
        for _ in 0..<2000 {
            guard let segment = client.next() else { break }
            most = max(most, segment.payload.count)
            received += segment.payload
            client.acknowledgement &+= segment.length
            client.give(client.segment(.ack))
        }
        #expect(received == long)
        #expect(most <= max(64, min(Int(limit), mtu - 40)))
    }

    @Test func `What is lost comes again, and not for ever`() {
        var client = MetadataClient()
        let isConnected = client.connect()
        #expect(isConnected)
        client.send(Array("x".utf8))
        let answer4 = client.next()
        #expect(answer4?.payload.count == 1)
        let answer5 = client.next()
        #expect(answer5 == nil)
        var times = 0
        while client.stack.deadline != .max, times < 100 {
            client.now = client.stack.deadline
            while let segment = client.next() { #expect(segment.payload.count == 1) }
            times += 1
        }
        #expect((5...20).contains(times))
        #expect(client.stack.counts.closed == 1)
    }

    @Test func `A lost handshake is answered again`() {
        var client = MetadataClient()
        let syn = client.segment(.syn)
        client.give(syn)
        let answer6 = client.next()
        #expect(answer6?.flags == [.syn, .ack])
        let answer7 = client.next()
        #expect(answer7 == nil)
        client.give(syn)
        let answer8 = client.next()
        #expect(answer8?.flags == [.syn, .ack])
        client.now = client.stack.deadline
        let answer9 = client.next()
        #expect(answer9?.flags == [.syn, .ack])
        #expect(client.stack.counts.opened == 1)
    }

    @Test func `Without room nothing is sent but a probe`() {
        var client = MetadataClient()
        let isConnected = client.connect(window: 0)
        #expect(isConnected)
        client.give(client.segment([.ack, .psh], Array("abc".utf8), window: 0))
        client.sequence &+= 3
        let acknowledgement = client.next()
        #expect(acknowledgement?.payload.isEmpty == true)
        #expect(acknowledgement?.acknowledgement == client.sequence)
        let answer11 = client.next()
        #expect(answer11 == nil)
        client.now = client.stack.deadline
        let probe = client.next()
        #expect(probe?.payload.count == 1)
        client.received += probe?.payload ?? []
        client.acknowledgement &+= 1
        client.give(client.segment(.ack, window: 100))
        client.receive()
        #expect(client.received == Array("abc".utf8))
    }

    @Test func `Bytes out of order, or twice, are taken once and in order`() {
        var client = MetadataClient()
        let isConnected = client.connect()
        #expect(isConnected)
        let start = client.sequence
        client.sequence = start &+ 3
        client.give(client.segment(.ack, Array("def".utf8)))
        client.receive()
        #expect(client.received.isEmpty)
        client.sequence = start
        client.give(client.segment(.ack, Array("abc".utf8)))
        client.give(client.segment(.ack, Array("abcd".utf8)))
        client.sequence = start &+ 1
        client.give(client.segment(.ack, Array("bcdef".utf8)))
        client.sequence = start &+ 6
        client.receive()
        #expect(client.received == Array("abcdef".utf8))
    }

    @Test func `Many connections make room for new ones`() {
        var client = MetadataClient()
        for port in 0..<100 {
            var other = MetadataClient(port: UInt16(1000 + port))
            other.stack = client.stack
            other.give(other.segment(.syn))
            client.stack = other.stack
            client.now += 1
        }
        #expect(client.stack.counts.opened == 100)
        #expect(client.stack.counts.closed == 70)
        for _ in 0..<1000 { client.give(GuestFrame.arpRequest()) }
        var frames = 0
        while client.stack.nextFrame(now: client.now) != nil { frames += 1 }
        #expect(frames == 30 + MetadataStack.replyLimit)
        #expect(client.stack.counts.lost == UInt64(1000 - MetadataStack.replyLimit))
    }

    @Test func `Other protocols, pieces and ports are counted or refused`() {
        var client = MetadataClient()
        client.give(GuestFrame.packet([1, 2, 3], protocol: 17))
        client.give(GuestFrame.packet([UInt8](repeating: 0, count: 20), fragment: 0x2000))
        #expect(client.stack.counts.unusual == 2)
        client.give(GuestFrame.packet([1, 2, 3]))
        #expect(client.stack.counts.malformed == 1)
        // The guest has changed it since it was looked at.
        var other = GuestFrame.arpRequest()
        other[13] = 0x07
        client.give(other)
        #expect(client.stack.counts.foreign == 1)
        client.give(client.segment(.syn, to: 81))
        let answer14 = client.next()
        #expect(answer14?.flags == [.rst, .ack])
        client.give(client.segment(.rst, to: 81))
        let answer15 = client.next()
        #expect(answer15 == nil)
    }

    /// The same numbers each time.
    struct Noise {
        var state: UInt64 = 12345
        mutating func next(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
    }

    @Test func `Frames of noise never trap, and make no more than their bound`() {
        var noise = Noise()
        var client = MetadataClient()
        let frames = [
            GuestFrame.arpRequest(), client.segment(.syn, segmentLimit: 1460),
            client.segment(.ack), client.segment([.ack, .fin]), client.segment(.rst),
            client.segment([.ack, .psh], Array("GET / HTTP/1.1\r\n\r\n".utf8)),
        ]
        var sent = 0
        for _ in 0..<100_000 {
            var frame = frames[noise.next(frames.count)]
            for _ in 0..<noise.next(4) {
                frame[noise.next(frame.count)] = UInt8(noise.next(256))
            }
            if noise.next(8) == 0 { frame.removeLast(noise.next(frame.count)) }
            client.give(frame)
            client.now += UInt64(noise.next(10_000_000))
            for _ in 0..<noise.next(4) {
                if let out = client.stack.nextFrame(now: client.now) {
                    #expect((60...1514).contains(out.count))
                    sent += 1
                }
            }
        }
        #expect(sent > 1000)
        let counts = client.stack.counts
        #expect(counts.opened - counts.closed <= UInt64(MetadataStack.connectionLimit))
    }
}
