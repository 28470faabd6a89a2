// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Devices for memory and random bytes, called as their transport calls them: see ``AllocationTests``.
@Suite struct DeviceAllocationTests {
    static let buffer: UInt64 = 0x100_0000

    /// Rings of `sizes`, and the queues on them.
    static func rings(_ sizes: [UInt16], _ memory: GuestMemory) -> [DriverRing] {
        sizes.enumerated().map { index, size in
            DriverRing(
                memory: memory, size: size, base: 0x1_0000 + UInt64(index) * DriverRing.stride)
        }
    }

    static func queues(_ rings: [DriverRing], _ memory: GuestMemory) throws -> Virtqueues {
        var queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
        for (index, ring) in rings.enumerated() {
            queues[index] = try Virtqueue(
                ring.state, limit: ring.size, features: .queue, memory: memory)
        }
        return queues
    }

    @Test(arguments: [false, true])
    func `Random bytes cost no allocation`(isLimited: Bool) throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        let limits = RateLimits(operations: TokenBucketLimit(size: 1 << 40, refillTime: 1000))
        var device = isLimited ? try Entropy(limits) : Entropy()
        var rings = Self.rings(Entropy.queueSizes, memory)
        var queues = try Self.queues(rings, memory)
        var counts: [Int] = []
        for _ in 0..<4 {
            for _ in 0..<16 {
                rings[0].publish([.writable(Self.buffer, 16), .writable(Self.buffer + 64, 8192)])
            }
            let before = allocationCount()
            try device.serve(&queues, index: 0)
            counts.append(allocationCount() - before)
            #expect(rings[0].takeUsed().map(\.length) == Array(repeating: 16 + 8192, count: 16))
        }
        // The first rounds make room that the others use again.
        #expect(counts.suffix(2) == [0, 0], "\(counts)")
    }

    @Test func `Pages and statistics of a balloon cost no allocation`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var device = try Balloon(BalloonTests.everything)
        var rings = Self.rings(Balloon.queueSizes, memory)
        var queues = try Self.queues(rings, memory)
        device.activate(features: device.features)
        // As many as are looked at, in no order.
        let count = UInt32(Balloon.listLimit)
        let list = try BalloonTests.write(
            (0..<count).map { 7000 + $0 * 377 % count }, memory)
        try memory.store(4 as UInt16, at: GuestAddress(Self.buffer))
        try memory.store(1 << 30 as UInt64, at: GuestAddress(Self.buffer + 2))
        rings[2].publish([.readable(Self.buffer, 10)])
        try device.serve(&queues, index: 2)
        var counts: [[Int]] = []
        for _ in 0..<4 {
            for _ in 0..<8 {
                rings[0].publish([list])
                rings[1].publish([list])
                rings[4].publish([.writable(Self.buffer + 0x10_0000, 0x1_0000)])
            }
            rings[2].publish([.readable(Self.buffer, 10)])
            // Asks for statistics at once.
            _ = device.setStatisticsInterval(3600)
            var marks = [allocationCount(), 0, 0, 0, 0]
            try device.serve(&queues, index: 0)
            marks[1] = allocationCount()
            try device.serve(&queues, index: 1)
            marks[2] = allocationCount()
            try device.serve(&queues, index: 4)
            marks[3] = allocationCount()
            try device.serveHost(&queues)
            marks[4] = allocationCount()
            counts.append(zip(marks.dropFirst(), marks).map(-))
            #expect(rings.map { $0.deviceUsedIndex &- $0.usedIndex } == [8, 8, 1, 0, 8])
            for index in rings.indices { _ = rings[index].takeUsed() }
        }
        #expect(counts.suffix(2) == Array(repeating: [0, 0, 0, 0], count: 2), "\(counts)")
        let freeMemory = device.statistics.freeMemory
        #expect(freeMemory == 1 << 30)
    }

    @Test func `Requests for blocks cost no allocation`() throws {
        typealias Kind = MemoryDeviceTests.Kind
        let memory = try MemoryDeviceTests.memory()
        var device = try MemoryDeviceTests.device(memory, requested: 70)
        var rings = Self.rings(MemoryDevice.queueSizes, memory)
        var queues = try Self.queues(rings, memory)
        let kinds = [Kind.plug, Kind.state, Kind.unplug, Kind.plug, Kind.unplugAll, Kind.state]
        for (index, kind) in kinds.enumerated() {
            let place = Self.buffer + UInt64(index) * 128
            try memory.store(kind, at: GuestAddress(place))
            try memory.store(MemoryDeviceTests.base, at: GuestAddress(place + 8))
            try memory.store(64 as UInt16, at: GuestAddress(place + 16))
        }
        var counts: [Int] = []
        for _ in 0..<4 {
            for index in kinds.indices {
                let place = Self.buffer + UInt64(index) * 128
                rings[0].publish([.readable(place, 24), .writable(place + 64, 10)])
            }
            let before = allocationCount()
            try device.serve(&queues, index: 0)
            counts.append(allocationCount() - before)
            #expect(rings[0].takeUsed().count == kinds.count)
        }
        #expect(counts.suffix(2) == [0, 0], "\(counts)")
        let bytes = device.counts.unplugs.bytes
        #expect(bytes == 4 * 64 * MemoryDeviceTests.block)
    }
}
