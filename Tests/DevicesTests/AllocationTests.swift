// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Devices as their transport calls them, but for the transport, which is generic and so is not
/// optimized in tests.
@Suite struct AllocationTests {
    private static let features: FeatureSet = [.queue, .netMergeableBuffers, .netGuestChecksum]

    @Test func `The counter counts`() {
        let before = allocationCount()
        let array = [UInt8](repeating: 1, count: 1000)
        #expect(allocationCount() > before)
        #expect(array.count == 1000)
    }

    /// Lets all frames go.
    private final class Onlooker: NetResponder {
        func claims(_ head: ArraySlice<UInt8>) -> Bool { head.count < 14 }
        func take(_ frame: [UInt8]) {}
        func nextFrame() -> [UInt8]? { nil }
        var deadline: UInt64 { .max }
    }

    @Test(arguments: [60, 1514, 60_000], [false, true])
    func `A frame costs no allocation, whichever way it goes`(
        _ size: Int, isWatched: Bool
    ) throws {
        let link = try NetGuest.Link()
        var device = try link.device()
        if isWatched { device.responder = Onlooker() }
        let memory = try GuestMemory(byteCount: 32 << 20)
        var receive = DriverRing(memory: memory, size: 256, base: 0x1_0000)
        var transmit = DriverRing(memory: memory, size: 256, base: 0x2_0000)
        var queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
        queues[0] = try Virtqueue(
            receive.state, limit: 256, features: Self.features, memory: memory)
        queues[1] = try Virtqueue(
            transmit.state, limit: 256, features: Self.features, memory: memory)
        device.activate(features: Self.features)
        try device.serveHost(&queues)
        var counts: [Int] = []
        for round in 0..<4 {
            for index in 0..<64 as Range<UInt64> {
                receive.publish([.writable(0x20_0000 + index * 4096, 4096)])
            }
            for _ in 0..<3 {
                transmit.publish([.readable(0x100_0000, 12), .readable(0x110_0000, UInt32(size))])
                link.far[0].send(testFrame(size, seed: round))
            }
            let before = allocationCount()
            try device.serve(&queues, index: 1)
            try device.serveHost(&queues)
            counts.append(allocationCount() - before)
            #expect(link.far[0].receive().count == 3)
            #expect(transmit.takeUsed().count == 3)
            _ = receive.takeUsed()
        }
        // The first rounds make room that the others use again.
        #expect(counts.suffix(2) == [0, 0], "\(counts)")
        let received = device.statistics.receivedFrames
        #expect(received == 12)
    }

    @Test func `A packet to or from a socket costs no allocation`() throws {
        let path = VsockGuest.freshPath()
        let memory = try GuestMemory(byteCount: 32 << 20)
        var device = try Vsock(guestCID: 3, path: path)
        let listener = try UnixSocket.listen(at: "\(path)_1")
        defer { UnixSocket.remove("\(path)_1") }
        var receive = DriverRing(memory: memory, size: 256, base: 0x1_0000)
        var transmit = DriverRing(memory: memory, size: 256, base: 0x2_0000)
        var queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
        queues[0] = try Virtqueue(receive.state, limit: 256, features: .queue, memory: memory)
        queues[1] = try Virtqueue(transmit.state, limit: 256, features: .queue, memory: memory)
        device.activate(features: .queue)

        var header = VsockHeader()
        header.sourceCID = 3
        header.destinationCID = VsockHeader.hostCID
        header.sourcePort = 5
        header.destinationPort = 1
        header.bufferSize = .max
        header.operation = VsockOperation.request.rawValue
        try memory.store(header, at: GuestAddress(0x100_0000))
        transmit.publish([.readable(0x100_0000, 44)])
        receive.publish([.writable(0x20_0000, 4096)])
        try device.serve(&queues, index: 1)
        let peer = VsockGuest.Peer(try UnixSocket.accept(on: listener.rawValue))

        header.operation = VsockOperation.data.rawValue
        header.length = 4096
        try memory.store(header, at: GuestAddress(0x100_0000))
        var counts: [Int] = []
        for _ in 0..<4 {
            for index in 0..<16 as Range<UInt64> {
                receive.publish([.writable(0x20_0000 + index * 4096, 4096)])
                transmit.publish([.readable(0x100_0000, 44), .readable(0x110_0000, 4096)])
            }
            peer.send([UInt8](repeating: 1, count: 16_000))
            let before = allocationCount()
            try device.serve(&queues, index: 1)
            try device.serveHost(&queues)
            counts.append(allocationCount() - before)
            #expect(peer.bytes()?.count == 16 * 4096)
            #expect(transmit.takeUsed().count >= 16)
            #expect(!receive.takeUsed().isEmpty)
        }
        #expect(counts.suffix(2) == [0, 0], "\(counts)")
    }

    @Test func `A statistic costs no allocation, and its tag says its name`() {
        var statistics = BalloonStatistics()
        var tag: UInt16 = 0
        let before = allocationCount()
        while tag < 20 {
            _ = statistics.set(tag, UInt64(tag) + 1)
            tag += 1
        }
        let count = allocationCount() - before
        #expect(count == 0)
        let values = BalloonStatistics.fields.map { statistics[keyPath: $0.path] }
        #expect(values == (1...16).map { $0 })
    }
}
