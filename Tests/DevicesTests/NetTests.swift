// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Frames both ways, and what the driver is told.
@Suite struct NetTests {
    @Test(arguments: [14, 60, 1514, 4084, 4085, 9014, 65_535, Net.frameLimit], [1, 3])
    func `A frame goes to the host unchanged`(_ count: Int, _ pieces: Int) throws {
        let guest = try NetGuest()
        let frame = testFrame(count)
        try guest.send(frame, pieces: pieces)
        #expect(guest.far[0].receive().map(\.bytes) == [frame])
        #expect(guest.driver.rings[1].takeUsed().map(\.length) == [0])
        #expect(guest.statistics.sentBytes == UInt64(count))
    }

    @Test func `Frames from another address than the interface's are counted, and sent`() throws {
        let own = try #require(MACAddress(NetGuest.mac)).bytes
        let others = [[UInt8](own.reversed()), [0xff] + own.dropFirst(), own.dropLast() + [0]]
        let guest = try NetGuest()
        // Small frames and large ones go different ways.
        for (round, size) in [60, 5000].enumerated() {
            let payload = [UInt8](repeating: 7, count: size)
            for pieces in [1, 30] {
                // The receiver's address is of no account.
                try guest.send([1, 2, 3, 4, 5, 6] + own + payload, pieces: pieces)
            }
            #expect(guest.statistics.spoofed == UInt64(round * 3))
            for (index, other) in others.enumerated() {
                try guest.send(own + other + payload, pieces: index == 0 ? 30 : 1)
            }
            #expect(guest.statistics.spoofed == UInt64(round * 3 + 3))
            #expect(guest.statistics.sentFrames == UInt64(round * 5 + 5))
            #expect(guest.far[0].receive().count == 5)
        }

        let free = try NetGuest(Net.Configuration())
        try free.send(own + own + [UInt8](repeating: 7, count: 60))
        #expect(free.statistics.spoofed == 0)
    }

    @Test(arguments: [14, 60, 1514, 4084, 4085, 9014, 65_535])
    func `A frame comes to the guest unchanged, in as many buffers as it fills`(
        _ count: Int
    ) throws {
        let guest = try NetGuest()
        // The second is as large as was expected, the first larger.
        for seed in 0..<2 {
            let frame = testFrame(count, seed: seed)
            guest.far[0].send(frame)
            let frames = try guest.receive()
            #expect(frames.map(\.bytes) == [frame])
            #expect(frames.first?.header.bufferCount == UInt16((count + 12 + 4095) / 4096))
        }
        #expect(guest.driver.transport.chainsInFlight == 0)
    }

    @Test func `Large and small frames in turn come whole and in order`() throws {
        let guest = try NetGuest(buffers: 250)
        let sizes = [60, 60_000, 60, 9000, 1514, 30_000, 14, 65_535, 4084, 4085]
        for (seed, size) in sizes.enumerated() { guest.far[0].send(testFrame(size, seed: seed)) }
        let frames = try guest.receive().map(\.bytes)
        #expect(frames == sizes.enumerated().map { testFrame($1, seed: $0) })
    }

    /// What is expected changes the way by which a frame comes, and back.
    @Test func `However many small frames come between large ones, all come whole`() throws {
        let guest = try NetGuest(buffers: 0)
        let many = [Int](repeating: 100, count: 40)
        for (seed, size) in ([60_000] + many + [60_000, 1514] + many + [4085, 9000]).enumerated() {
            guest.give((size + 12 + 4095) / 4096)
            guest.far[0].send(testFrame(size, seed: seed))
            #expect(try guest.receive().map(\.bytes) == [testFrame(size, seed: seed)])
        }
        #expect(guest.driver.transport.chainsInFlight == 0)
        #expect(guest.statistics.starved == 0 && guest.statistics.oversized == 0)
    }

    @Test(arguments: [1514, 60_000])
    func `A frame that waits for the limit comes whole, whichever way it was read`(
        _ size: Int
    ) throws {
        var configuration = NetGuest.configuration
        configuration.receiveLimits = RateLimits(
            operations: TokenBucketLimit(size: 1, refillTime: 3_600_000))
        let guest = try NetGuest(configuration)
        for seed in 0..<2 { guest.far[0].send(testFrame(size, seed: seed)) }
        #expect(try guest.receive().map(\.bytes) == [testFrame(size, seed: 0)])
        guest.driver.transport.withDevice { $0.setLimits(receive: RateLimits.none) }
        #expect(try guest.receive().map(\.bytes) == [testFrame(size, seed: 1)])
    }

    @Test func `What is unfinished goes along with what says so`() throws {
        let guest = try NetGuest()
        try guest.send(testFrame(9000), .tcp4())
        #expect(guest.far[0].receive().map(\.header) == [.tcp4()])
        guest.far[0].send(testFrame(9000), .tcp4())
        var expected = NetHeader.tcp4()
        expected.bufferCount = 3
        #expect(try guest.receive().map(\.header) == [expected])
    }

    @Test func `A driver that finishes nothing is told nothing of checksums`() throws {
        let guest = try NetGuest(without: .netGuestChecksum)
        var header = NetHeader()
        header.flags = NetHeader.hasGoodChecksum
        guest.far[0].send(testFrame(60), header)
        #expect(try guest.receive().map(\.header.flags) == [0])
    }

    @Test func `Receiving goes on when buffers come back, and costs nothing meanwhile`() throws {
        let guest = try NetGuest(buffers: 1)
        for seed in 0..<10 { guest.far[0].send(testFrame(100, seed: seed)) }
        #expect(try guest.receive().count == 1)

        // Nothing is left to do: the descriptor that the event loop watches is quiet.
        let host = try #require(guest.driver.transport.withDevice { $0.hostEvents })
        #expect(try wakeUps(by: host) == 0)

        guest.give(20)
        #expect(try guest.receive().map(\.bytes) == (1..<10).map { testFrame(100, seed: $0) })
    }

    @Test func `A frame too large for the buffers there waits for more, also in a snapshot`() throws
    {
        let guest = try NetGuest(buffers: 3)
        let frame = testFrame(60_000)
        guest.far[0].send(frame)
        guest.far[0].send(testFrame(50, seed: 9))
        #expect(try guest.receive().isEmpty)
        #expect(guest.driver.transport.chainsInFlight == 0)
        #expect(guest.statistics.starved == 1)

        guest.driver.transport.pause()
        let state = guest.driver.transport.save()
        let other = try NetGuest(resuming: guest)
        try other.driver.transport.restore(state)
        #expect(other.driver.transport.save() == state)
        try other.driver.transport.resume(on: EventLoop())
        #expect(try other.receive().isEmpty)
        other.give(20)
        #expect(try other.receive().map(\.bytes) == [frame])
        other.driver.transport.detach()
    }

    @Test func `Without merging a frame has one buffer, or is dropped`() throws {
        let guest = try NetGuest(without: .netMergeableBuffers)
        guest.far[0].send(testFrame(5000))
        guest.far[0].send(testFrame(4084))
        let frames = try guest.receive()
        #expect(frames.map(\.bytes) == [testFrame(4084)])
        #expect(frames.first?.header.bufferCount == 1)
        #expect(guest.statistics.oversized == 1)
    }

    @Test func `The configuration space says address, link, pairs and MTU`() throws {
        let guest = try NetGuest(queues: 2)
        let bytes = (0..<14).map {
            UInt8(guest.driver.transport.read(offset: MMIORegister.configuration + $0, size: 1))
        }
        #expect(bytes == [6, 0, 0xac, 0x10, 0, 2, 1, 0, 2, 0, 0xdc, 5, 0, 0])
        #expect(guest.driver.offered.contains([.netMAC, .netMTU, .netManyQueues]))
        let plain = try NetGuest(Net.Configuration())
        #expect(plain.driver.offered.isDisjoint(with: [.netMAC, .netMTU, .netManyQueues]))
    }

    @Test func `Two pairs carry frames once the driver has asked for both`() throws {
        let guest = try NetGuest(queues: 2)
        try guest.send(testFrame(60), pair: 1)
        #expect(guest.far[1].receive().isEmpty)
        #expect(try guest.command([4, 0, 2, 0], queue: 4) == 0)
        guest.give(4, pair: 1)
        guest.driver.notify(3)
        try guest.send(testFrame(70), pair: 1)
        #expect(guest.far[1].receive().map(\.bytes.count) == [60, 70])
        guest.far[1].send(testFrame(80))
        #expect(try guest.receive(pair: 1).map(\.bytes) == [testFrame(80)])
        #expect(try guest.command([4, 0, 3, 0], queue: 4) == 1)
        #expect(try guest.command([4, 0, 0, 0], queue: 4) == 1)
    }

    @Test func `Of many frames the guest hears at most once`() throws {
        let guest = try NetGuest(buffers: 0)
        for seed in 0..<64 { try guest.post(testFrame(100, seed: seed)) }
        _ = guest.driver.interrupts.take()
        guest.driver.write(MMIORegister.queueNotify, 1)
        guest.driver.transport.serveNotified()
        #expect(guest.driver.interrupts.take() == 1)
        for seed in 0..<32 { guest.far[0].send(testFrame(100, seed: seed)) }
        guest.give(64)
        #expect(guest.driver.interrupts.take() <= 1)
        #expect(try guest.receive().count == 32)
        // And not at all, if it does not want to.
        guest.driver.rings[1].setUsedEvent(0x8000)
        for _ in 0..<8 { try guest.post(testFrame(100)) }
        guest.driver.notify(1)
        #expect(guest.driver.interrupts.take() == 0)
    }

    @Test func `A limit holds frames back, and they cost nothing while they wait`() throws {
        var configuration = NetGuest.configuration
        let limit = RateLimits(operations: TokenBucketLimit(size: 2, refillTime: 1000))
        configuration.transmitLimits = limit
        configuration.receiveLimits = limit
        let guest = try NetGuest(configuration)
        for seed in 0..<4 {
            try guest.post(testFrame(60, seed: seed))
            guest.far[0].send(testFrame(60, seed: seed))
        }
        guest.driver.notify(1)
        var out = guest.far[0].receive()
        var into = try guest.receive()
        #expect(out.count < 4 && into.count < 4)
        let loop = try EventLoop()
        let turns = Counter()
        let host = try #require(guest.driver.transport.withDevice { $0.hostEvents })
        try loop.add(host, .readable) { _ in turns.add() }
        for _ in 0..<1000 where out.count < 4 || into.count < 4 {
            loop.serveOnce(milliseconds: 20)
            out += guest.far[0].receive()
            into += try guest.receive()
        }
        loop.remove(host)
        #expect(out.map(\.bytes) == (0..<4).map { testFrame(60, seed: $0) })
        #expect(into.map(\.bytes) == (0..<4).map { testFrame(60, seed: $0) })
        #expect(turns.count < 50)
    }

    @Test func `Limits change while frames wait for them, each way by itself`() throws {
        func limits(_ size: UInt64) -> RateLimits {
            RateLimits(operations: TokenBucketLimit(size: size, refillTime: 3_600_000))
        }
        func frames(_ seeds: Range<Int>) -> [[UInt8]] { seeds.map { testFrame(60, seed: $0) } }
        var configuration = NetGuest.configuration
        configuration.transmitLimits = limits(2)
        configuration.receiveLimits = limits(2)
        let guest = try NetGuest(configuration)
        for frame in frames(0..<4) {
            try guest.post(frame)
            guest.far[0].send(frame)
        }
        guest.driver.notify(1)
        #expect(guest.far[0].receive().map(\.bytes) == frames(0..<2))
        #expect(try guest.receive().map(\.bytes) == frames(0..<2))

        guest.driver.transport.withDevice { $0.setLimits(transmit: RateLimits.none) }
        #expect(try guest.receive().isEmpty)
        #expect(guest.far[0].receive().map(\.bytes) == frames(2..<4))
        guest.driver.transport.withDevice { $0.setLimits(receive: limits(1)) }
        #expect(try guest.receive().map(\.bytes) == frames(2..<3))

        guest.driver.transport.withDevice {
            $0.setLimits(receive: RateLimits.none, transmit: limits(1))
        }
        for frame in frames(4..<6) { try guest.post(frame) }
        guest.driver.notify(1)
        #expect(guest.far[0].receive().map(\.bytes) == frames(4..<5))
        #expect(try guest.receive().map(\.bytes) == frames(3..<4))
    }

    @Test(arguments: [1, 15, 16, 50])
    func `Each frame that was sent is counted and timed, none that was not`(_ count: Int) throws {
        let guest = try NetGuest()
        for seed in 0..<count {
            try guest.post(testFrame(100, seed: seed))
            if seed == 10 { try guest.post(testFrame(3)) }
        }
        guest.driver.notify(1)
        #expect(guest.far[0].receive().map(\.bytes) == (0..<count).map { testFrame(100, seed: $0) })
        let writes = guest.driver.transport.withDevice { $0.writes }
        #expect(writes.count == UInt64(count))
        #expect(writes.counts.reduce(0, +) == UInt64(count))
        #expect(writes.sum >= writes.most && writes.most >= writes.leastOrZero)
        #expect(guest.statistics.sentFrames == UInt64(count))
        #expect(guest.statistics.sentBytes == UInt64(count * 100))
        #expect(guest.statistics.violations == (count > 10 ? 1 : 0))
    }

    @Test func `A responder's answer does not wait for frames that the limit holds back`() throws {
        var configuration = NetGuest.configuration
        configuration.transmitLimits = RateLimits(
            operations: TokenBucketLimit(size: 1, refillTime: 3_600_000))
        let guest = try NetGuest(configuration)
        guest.driver.transport.withDevice { $0.responder = Echo() }
        var claimed = testFrame(200)
        claimed[0] = 0xe0
        try guest.post(claimed)
        try guest.post(testFrame(100))
        guest.driver.write(MMIORegister.queueNotify, 1)
        guest.driver.transport.serveNotified()
        #expect(guest.driver.rings[1].deviceUsedIndex == 1)
        #expect(guest.driver.rings[0].deviceUsedIndex == 1)
        #expect(try guest.receive().map(\.bytes) == [claimed.reversed()])
    }

    @Test func `A responder takes what it claims, and answers`() throws {
        let guest = try NetGuest()
        let echo = Echo()
        guest.driver.transport.withDevice { $0.responder = echo }
        var claimed = testFrame(200)
        claimed[0] = 0xe0
        try guest.send(claimed, .tcp4())
        try guest.send(testFrame(100))
        #expect(guest.far[0].receive().map(\.bytes) == [testFrame(100)])
        #expect(try guest.receive().map(\.bytes) == [claimed.reversed()])
    }

    /// Claims frames that begin with 0xe0 and sends them back turned round.
    final class Echo: NetResponder {
        private let frames = Locked<[[UInt8]]>([])
        func claims(_ head: ArraySlice<UInt8>) -> Bool { head.first == 0xe0 }
        func take(_ frame: [UInt8]) { frames.withValue { $0.append(frame.reversed()) } }
        func nextFrame() -> [UInt8]? { frames.withValue { $0.isEmpty ? nil : $0.removeFirst() } }
        var deadline: UInt64 { .max }
    }
}
