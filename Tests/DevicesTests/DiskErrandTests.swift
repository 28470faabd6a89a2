// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// What may take a host's disk long is left to be done without the device's lock.
@Suite struct DiskErrandTests {
    /// A device without a transport, which serves one queue.
    struct Bench: ~Copyable {
        let memory: GuestMemory
        var queues: Virtqueues
        var driver: DriverRing

        init(_ memory: GuestMemory) throws {
            self.memory = memory
            let ring = DriverRing(memory: memory, size: 8, base: 0x1_0000)
            driver = ring
            queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
            queues[0] = try Virtqueue(ring.state, limit: 8, features: .queue, memory: memory)
        }
    }

    static let status = GuestAddress(BlockGuest.statuses)

    /// A drive that was given a request of two sectors, or of none.
    static func drive(_ type: UInt32, _ bench: inout Bench, _ file: ScratchFile) throws -> Block {
        var block = try Block(BlockGuest.configuration(.serial, file))
        try bench.memory.store(
            BlockHeader(type: type, sector: 0), at: GuestAddress(BlockGuest.headers))
        // Zeroes may give space back, which every file system can.
        let flags: UInt32 = type == BlockType.writeZeroes ? 1 : 0
        try bench.memory.store(
            BlockRange(sector: 2, count: 2, flags: flags), at: GuestAddress(BlockGuest.data))
        try bench.memory.store(BlockGuest.untouched, at: status)
        let ranges: [DriverRing.Buffer] =
            type == BlockType.flush ? [] : [.readable(BlockGuest.data, 16)]
        bench.driver.publish(
            [.readable(BlockGuest.headers, 16)] + ranges + [.writable(status.rawValue, 1)])
        try block.serve(&bench.queues, index: 0)
        return block
    }

    @Test(arguments: [BlockType.flush, BlockType.discard, BlockType.writeZeroes])
    func `Flushes, discards and zeroes of a drive are errands`(_ type: UInt32) throws {
        let file = try ScratchFile(byteCount: 1 << 20)
        try file.write([UInt8](repeating: 5, count: 4096))
        var bench = try Bench(GuestMemory(byteCount: 32 << 20))
        var block = try Self.drive(type, &bench, file)
        #expect(bench.driver.takeUsed().isEmpty)
        #expect(try bench.memory.load(UInt8.self, at: Self.status) == BlockGuest.untouched)

        let taken = block.errand
        let errand = try #require(taken)
        block.finishErrand(errand.run(), &bench.queues)
        let next = block.errand
        #expect(next == nil)
        #expect(bench.driver.takeUsed().count == 1)
        #expect(try bench.memory.load(UInt8.self, at: Self.status) == 0)
        let expected: UInt8 = type == BlockType.flush ? 5 : 0
        #expect(
            try file.read(at: 1024, count: 1024) == [UInt8](repeating: expected, count: 1024))
        #expect(try file.read(at: 2048, count: 1) == [5])
    }

    @Test func `A drive that is reset forgets its errand`() throws {
        var bench = try Bench(GuestMemory(byteCount: 32 << 20))
        var block = try Self.drive(
            BlockType.flush, &bench, ScratchFile(byteCount: 1 << 20))
        let taken = block.errand
        let errand = try #require(taken)
        block.abandon(&bench.queues)
        block.reset()
        block.finishErrand(errand.run(), &bench.queues)
        let next = block.errand
        #expect(next == nil)
        #expect(bench.driver.takeUsed().isEmpty)
    }

    @Test func `A flush of persistent memory is an errand, for what waited by then`() throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        let memory = try GuestMemory(
            byteCount: 32 << 20,
            persistent: [try PersistentFile(file.path, isReadOnly: false)])
        var bench = try Bench(memory)
        var pmem = try Pmem(memory.persistent[0])
        try memory.store(UInt32(0), at: GuestAddress(PmemGuest.buffer))
        let request: [DriverRing.Buffer] = [
            .readable(PmemGuest.buffer, 4), .writable(PmemGuest.buffer + 32, 4),
        ]
        bench.driver.publish(request)
        try pmem.serve(&bench.queues, index: 0)
        let taken = pmem.errand
        let errand = try #require(taken)
        // Written perhaps after the file was flushed.
        bench.driver.publish(request)
        try pmem.serve(&bench.queues, index: 0)
        #expect(bench.driver.takeUsed().isEmpty)
        try pmem.finishErrand(errand.run(), &bench.queues)
        #expect(bench.driver.takeUsed().count == 1)
        let flushes = pmem.statistics.flushes
        #expect(flushes == 1)
    }
}
