// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Requests of many steps, of which a pause or a change meets some between two.
@Suite struct BlockSuspensionTests {
    typealias Engine = BlockConfiguration.Engine

    /// More steps than the kernel does at once of what is in its cache.
    static let part: UInt32 = 36 << 20
    /// Where each read begins on the disk and in memory, its length, and its queue.
    static let reads: [(disk: UInt64, memory: UInt64, count: UInt32, queue: Int)] = [
        (0, 0, part, 0), (512, UInt64(part) * 3, 512, 0), (1 << 20, UInt64(part), part, 0),
        (2 << 20, UInt64(part) * 2, part, 1),
    ]

    /// Two long reads of one queue, with a short one between them, and one of another queue; served
    /// for one turn.
    static func busyGuest(_ engine: Engine) throws -> BlockGuest {
        let guest = try BlockLifeTests.hugeGuest(engine)
        for (slot, read) in reads.enumerated() {
            guest.publish(
                slot, type: BlockType.read, sector: read.disk / 512,
                [.writable(BlockGuest.data + read.memory, read.count)], queue: read.queue)
        }
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.write(MMIORegister.queueNotify, 1)
        guest.driver.transport.serveNotified()
        return guest
    }

    @Test(arguments: Engine.both)
    func `Long requests that a save meets are done in the next process, each once`(
        _ engine: Engine
    ) throws {
        let first = try Self.busyGuest(engine)
        first.driver.transport.pause()
        let state = first.driver.transport.save()
        #expect(first.driver.transport.chainsInFlight == 0)
        let heads = state.device.suspended
        // `Sync` had begun the first alone. What is short is done, though it was taken later.
        #expect(heads.contains(SuspendedRequest(queue: 0, head: 0)))
        #expect(heads.count == (engine == .serial ? 1 : 3))
        #expect(first.status(1) == (engine == .serial ? BlockGuest.untouched : 0))
        var used = first.driver.rings[0].takeUsed()

        let second = try BlockGuest(engine, file: first.file, memory: first.memory, starts: false)
        second.driver.rings = first.driver.rings
        try second.driver.transport.restore(state)
        #expect(second.driver.transport.save() == state)
        try second.driver.transport.resume(on: EventLoop())
        defer { second.driver.transport.detach() }
        used += second.collect(3 - used.count)
        let others = second.collect(1, queue: 1)
        for _ in 0..<20 { second.driver.settle() }
        used += second.driver.rings[0].takeUsed()

        #expect(used.map(\.id).sorted() == [0, 3, 6])
        #expect(others.map(\.id) == [0])
        #expect((0..<4).allSatisfy { second.status($0) == 0 })
        for read in Self.reads {
            for offset in stride(from: 0, to: UInt64(read.count), by: 1 << 20) {
                #expect(
                    try second.bytes(at: BlockGuest.data + read.memory + offset, count: 512)
                        == second.file.read(at: read.disk + offset, count: 512), "\(offset)")
            }
        }
    }

    @Test(arguments: Engine.both)
    func `A long request that a new file meets is done on that, from its beginning`(
        _ engine: Engine
    ) throws {
        let guest = try Self.busyGuest(engine)
        let other = try ScratchFile(byteCount: BlockLifeTests.hugeCount)
        for place in [0, UInt64(Self.part) - 512] {
            try other.write([UInt8](repeating: 0xc5, count: 512), at: place)
        }
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: other.path)
        }
        #expect(guest.status(0) == BlockGuest.untouched)
        // Nobody notifies it.
        let used = guest.collect(3).count + guest.collect(1, queue: 1).count
        #expect(used == 4)
        #expect((0..<4).allSatisfy { guest.status($0) == 0 })
        for place in [0, UInt64(Self.part) - 512] {
            #expect(
                try guest.bytes(at: BlockGuest.data + place, count: 512)
                    == [UInt8](repeating: 0xc5, count: 512))
        }
    }

    @Test func `What waits for another turn has it after a change, though nobody notifies`() throws
    {
        let guest = try BlockLifeTests.hugeGuest(.concurrent)
        // A turn begins sixteen of them, and none has a step to be set aside.
        for slot in 0..<17 {
            guest.publish(
                slot, type: BlockType.read, sector: 0, [.writable(BlockGuest.data, 4 << 20)])
        }
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: guest.file.path)
        }
        var used = guest.driver.rings[0].takeUsed()
        let deadline = Clock.monotonic + 10_000_000_000
        while used.count < 17, Clock.monotonic < deadline {
            var set = PollSet()
            set.add(guest.hostEvents, .readable)
            set.wait(milliseconds: 10)
            guest.driver.transport.serveHost()
            used += guest.driver.rings[0].takeUsed()
        }
        #expect(used.count == 17)
        #expect((0..<17).allSatisfy { guest.status($0) == 0 })
    }

    @Test(arguments: Engine.both)
    func `A long write does not reach beyond a new file that is shorter`(_ engine: Engine) throws {
        let guest = try BlockLifeTests.hugeGuest(engine)
        guest.publish(0, type: BlockType.write, BlockLifeTests.hugeBuffers { .readable($0, $1) })
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        let other = try ScratchFile(byteCount: 1 << 20)
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: other.path)
        }
        #expect(guest.collect(1).count == 1)
        #expect(guest.status(0) == BlockStatus.ioError.rawValue)
        #expect(try FileDescriptor.openDisk(other.path, isReadOnly: true).diskSize() == 1 << 20)
        #expect(try other.read(count: 512) == [UInt8](repeating: 0, count: 512))
    }

    @Test func `Requests that nobody could have set aside are refused`() throws {
        let guest = try BlockGuest(.concurrent)
        guest.driver.transport.pause()
        let good = guest.driver.transport.save()
        let all = (0...UInt16(BlockRing.limit)).map { SuspendedRequest(queue: 0, head: $0) }
        for requests in [[SuspendedRequest(queue: 8, head: 0)], all] {
            var bad = good
            bad.device.suspended = requests
            #expect(throws: RestoreError.value("suspended")) {
                try guest.driver.transport.restore(bad)
            }
        }
    }

    @Test(arguments: Engine.both)
    func `A place that is no descriptor breaks the ring`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        guest.driver.transport.pause()
        var state = guest.driver.transport.save()
        state.device.suspended = [SuspendedRequest(queue: 0, head: 256)]
        try guest.driver.transport.restore(state)
        try guest.driver.transport.resume(on: EventLoop())
        defer { guest.driver.transport.detach() }
        guest.driver.settle()
        #expect(guest.driver.status.contains(.needsReset))
        guest.driver.start()
        let read = guest.perform(type: BlockType.read, [.writable(BlockGuest.data, 512)])
        #expect(read == BlockGuest.Answer(0, 513))
    }
}
