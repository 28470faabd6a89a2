// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// A disk whose host changes its mind: limits, sizes, files, pauses and new processes.
@Suite struct BlockLifeTests {
    typealias Engine = BlockConfiguration.Engine

    static let hour: UInt64 = 3_600_000

    @Test(arguments: Engine.both)
    func `A request allocates nothing`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        // Requests of one segment and of eight, twice: the first time there is room to be made.
        var counts: [Int] = []
        for _ in 0..<3 {
            for slot in 0..<64 {
                let size: UInt32 = slot & 1 == 0 ? 4096 : 512
                let segments = (0..<4096 / size).map {
                    BlockGuest.Buffer.writable(
                        BlockGuest.data + UInt64(slot) << 12 + UInt64($0 * size), size)
                }
                // A chain of ten descriptors at most, in a queue of 256.
                if slot < 36 {
                    guest.publish(
                        slot, type: BlockType.read, sector: UInt64(slot), segments)
                }
            }
            let transport = guest.driver.transport
            transport.write(offset: MMIORegister.queueNotify, size: 4, value: 0)
            counts.append(allocations { transport.serveNotified() })
            _ = guest.collect(36)
        }
        #expect(counts.last == 0, "\(counts)")
    }

    @Test(arguments: Engine.both)
    func `A limited disk waits in silence, and goes on when it may`(_ engine: Engine) throws {
        let limit = TokenBucketLimit(size: 3, refillTime: Self.hour)
        let guest = try BlockGuest(engine) { $0.limits = RateLimits(operations: limit) }
        for slot in 0..<10 {
            guest.publish(
                slot, type: BlockType.read, sector: UInt64(slot),
                [.writable(BlockGuest.data + UInt64(slot) * 512, 512)])
        }
        guest.driver.notify(0)
        #expect(guest.collect(3).count == 3)
        // Nothing calls for the device: a thread that waits for it sleeps.
        guest.driver.settle()
        var set = PollSet()
        set.add(guest.hostEvents, .readable)
        set.wait(milliseconds: 0)
        #expect(!set.isReadable(guest.hostEvents))
        #expect(guest.driver.transport.chainsInFlight == 0)

        guest.driver.transport.withDevice { $0.setLimits(.none) }
        #expect(guest.collect(7).count == 7)
    }

    @Test(arguments: Engine.both)
    func `Bytes are limited, too, and a reset gives none back`(_ engine: Engine) throws {
        let limit = TokenBucketLimit(size: 1024, refillTime: Self.hour)
        let guest = try BlockGuest(engine) { $0.limits = RateLimits(bandwidth: limit) }
        let buffer = BlockGuest.Buffer.writable(BlockGuest.data, 512)
        #expect(guest.perform(type: BlockType.read, [buffer]).status == 0)
        #expect(guest.perform(type: BlockType.read, [buffer]).status == 0)
        guest.driver.start()
        guest.publish(0, type: BlockType.read, [buffer])
        guest.driver.notify(0)
        guest.driver.settle()
        #expect(guest.driver.rings[0].takeUsed().isEmpty)
        #expect(guest.status(0) == BlockGuest.untouched)
    }

    /// So fast that the limiter's timer is due before the kernel is asked to watch it.
    @Test(arguments: Engine.both)
    func `A timer that is due at once is heard`(_ engine: Engine) throws {
        let limit = TokenBucketLimit(size: 64, refillTime: 1)
        let guest = try BlockGuest(engine) { $0.limits = RateLimits(operations: limit) }
        for round in 0..<30 {
            for slot in 0..<80 {
                guest.publish(
                    slot, type: BlockType.read, sector: UInt64(slot),
                    [.writable(BlockGuest.data + UInt64(slot) * 512, 512)])
            }
            guest.driver.notify(0)
            try #require(guest.collect(80).count == 80, "round \(round)")
        }
    }

    @Test(arguments: Engine.both)
    func `A limited disk reaches its rate by itself`(_ engine: Engine) throws {
        let limit = TokenBucketLimit(size: 1, refillTime: 20)
        let guest = try BlockGuest(engine) { $0.limits = RateLimits(operations: limit) }
        for slot in 0..<4 {
            guest.publish(slot, type: BlockType.flush)
        }
        let start = Clock.monotonic
        guest.driver.notify(0)
        #expect(guest.collect(4).count == 4)
        #expect(Clock.monotonic - start >= 60_000_000)
    }

    /// The thread that asks for counts or a pause waits as long as a turn takes.
    @Test func `Large requests end a turn early`() throws {
        let part = UInt32(Block.turnBytes / 2)
        let file = try ScratchFile(byteCount: UInt64(part))
        let guest = try BlockGuest(.serial, file: file)
        for slot in 0..<8 {
            guest.publish(slot, type: BlockType.read, [.writable(BlockGuest.data, part)])
        }

        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        #expect(guest.driver.rings[0].takeUsed().count == 2)

        #expect(guest.collect(6).count == 6)
        #expect((0..<8).allSatisfy { guest.status($0) == 0 })
    }

    // MARK: Requests of many turns

    static let hugeCount: UInt64 = 40 << 20
    /// Of any length, together ``hugeCount`` bytes.
    static let hugeParts: [UInt32] = [(5 << 20) + 1, (3 << 20) - 1, 1, 511, (32 << 20) - 512]

    /// A guest with memory for huge requests, and a disk of 64 KiB pieces that are numbered.
    static func hugeGuest(_ engine: Engine) throws -> BlockGuest {
        let guest = try BlockGuest(
            engine, file: ScratchFile(byteCount: hugeCount),
            memory: GuestMemory(byteCount: 128 << 20))
        for piece in 0..<hugeCount >> 16 {
            try guest.file.write(
                [UInt8](repeating: UInt8(truncatingIfNeeded: piece &* 7 &+ 1), count: 1 << 16),
                at: piece << 16)
        }
        return guest
    }

    static func hugeBuffers(
        _ buffer: (UInt64, UInt32) -> BlockGuest.Buffer
    ) -> [BlockGuest.Buffer] {
        var address = BlockGuest.data
        return hugeParts.map { count in
            defer { address += UInt64(count) }
            return buffer(address, count)
        }
    }

    @Test(arguments: Engine.both)
    func `A huge request is done in many turns and arrives whole`(_ engine: Engine) throws {
        let guest = try Self.hugeGuest(engine)
        guest.publish(0, type: BlockType.read, Self.hugeBuffers { .writable($0, $1) })
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        #expect(guest.driver.rings[0].takeUsed().isEmpty)
        #expect(guest.driver.transport.chainsInFlight == 1)

        #expect(guest.collect(1).map(\.length) == [UInt32(Self.hugeCount) + 1])
        #expect(guest.status(0) == 0)
        for offset in stride(from: 0, to: Self.hugeCount, by: 1 << 16) {
            let bytes = try guest.bytes(at: BlockGuest.data + offset, count: 1 << 16)
            #expect(try guest.file.read(at: offset, count: 1 << 16) == bytes, "\(offset)")
        }

        try guest.file.write([UInt8](repeating: 0, count: Int(Self.hugeCount)))
        guest.publish(0, type: BlockType.write, Self.hugeBuffers { .readable($0, $1) })
        guest.driver.notify(0)
        #expect(guest.collect(1).map(\.length) == [1])
        for offset in stride(from: 0, to: Self.hugeCount, by: 1 << 16) {
            let bytes = try guest.bytes(at: BlockGuest.data + offset, count: 1 << 16)
            #expect(try guest.file.read(at: offset, count: 1 << 16) == bytes, "\(offset)")
        }
    }

    @Test(arguments: Engine.both)
    func `A huge request that a pause interrupts is done all the same`(_ engine: Engine) throws {
        let guest = try Self.hugeGuest(engine)
        guest.publish(0, type: BlockType.read, Self.hugeBuffers { .writable($0, $1) })
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        guest.driver.transport.pause()
        #expect(guest.driver.transport.chainsInFlight == 0)
        // It was in the midst of it, and did no more than the step that was under way.
        #expect(guest.status(0) == BlockGuest.untouched)
        #expect(guest.driver.rings[0].takeUsed().isEmpty)

        try guest.driver.transport.resume(on: EventLoop())
        defer { guest.driver.transport.detach() }
        #expect(guest.collect(1).map(\.length) == [UInt32(Self.hugeCount) + 1])
        #expect(guest.status(0) == 0)
        let last = Self.hugeCount - 512
        #expect(
            try guest.bytes(at: BlockGuest.data + last, count: 512)
                == guest.file.read(at: last, count: 512))
        #expect(guest.driver.transport.withDevice { $0.statistics.requests } == 1)
    }

    @Test func `Nothing of a huge request is left after a reset`() throws {
        let guest = try Self.hugeGuest(.serial)
        guest.publish(0, type: BlockType.read, Self.hugeBuffers { .writable($0, $1) })
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        guest.driver.start()
        #expect(guest.driver.transport.chainsInFlight == 0)
        let read = guest.perform(type: BlockType.read, [.writable(BlockGuest.data, 512)])
        #expect(read == BlockGuest.Answer(0, 513))
        for _ in 0..<20 { guest.driver.settle() }
        #expect(guest.driver.rings[0].takeUsed().isEmpty)
    }

    @Test func `Other queues have their turn between huge requests`() throws {
        let guest = try Self.hugeGuest(.serial)
        // A whole number of steps.
        let whole = DriverRing.Buffer.writable(BlockGuest.data, UInt32(4 * BlockRequest.stepBytes))
        for slot in 0..<3 { guest.publish(slot, type: BlockType.read, [whole]) }
        guest.publish(3, type: BlockType.read, [.writable(BlockGuest.data, 512)], queue: 1)
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.write(MMIORegister.queueNotify, 1)
        #expect(guest.collect(1, queue: 1).count == 1)
        // Not even the first of them holds the other queue up.
        #expect(guest.driver.rings[0].takeUsed().isEmpty)
        #expect(guest.collect(3).count == 3)
    }

    @Test func `So many bytes under way leave the rest in its queue`() throws {
        // Requests of two steps, of which one at a time is under way.
        let part = UInt32(2 * BlockRequest.stepBytes)
        let most = BlockRing.byteLimit / BlockRequest.stepBytes
        let file = try ScratchFile(byteCount: UInt64(part))
        let guest = try BlockGuest(
            .concurrent, file: file, memory: GuestMemory(byteCount: 128 << 20))
        for slot in 0..<32 {
            guest.publish(slot, type: BlockType.read, [.writable(BlockGuest.data, part)])
        }
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        #expect(guest.driver.transport.chainsInFlight <= most)
        let first = guest.driver.rings[0].takeUsed().count
        #expect(first <= most)
        #expect(guest.collect(32 - first).count == 32 - first)
        #expect((0..<32).allSatisfy { guest.status($0) == 0 })
    }

    @Test(arguments: Engine.both)
    func `A disk that has grown is known to the driver`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        let capacity = { guest.driver.transport.read(offset: 0x100, size: 8) }
        let generation = guest.driver.read(MMIORegister.configurationGeneration)
        #expect(capacity() == BlockGuest.sectors)

        try guest.file.resize(BlockGuest.sectors * 1024)
        let path = guest.file.path
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: path)
        }

        #expect(capacity() == BlockGuest.sectors * 2)
        #expect(guest.driver.takeInterruptStatus() == 2)
        #expect(guest.driver.interrupts.take() == 1)
        #expect(guest.driver.read(MMIORegister.configurationGeneration) != generation)
        let read = guest.perform(
            type: BlockType.read, sector: BlockGuest.sectors, [.writable(BlockGuest.data, 512)])
        #expect(read == BlockGuest.Answer(0, 513))
    }

    @Test(arguments: Engine.both)
    func `A running drive gets another file`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        let other = try ScratchFile(byteCount: 8192)
        try other.write([UInt8](repeating: 8, count: 8192))
        try guest.fill([UInt8](repeating: 1, count: 512))
        // Under way while the file changes: it goes to the old one.
        guest.publish(1, type: BlockType.write, sector: 3, [.readable(BlockGuest.data, 512)])
        guest.driver.write(MMIORegister.queueNotify, 0)
        guest.driver.transport.serveNotified()
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: other.path)
        }
        #expect(guest.driver.transport.chainsInFlight == 0)
        #expect(guest.collect(1).count == 1)
        #expect(guest.status(1) == 0)
        #expect(try guest.file.read(at: 3 * 512, count: 1) == [1])
        #expect(try other.read(at: 3 * 512, count: 1) == [8])

        let read = guest.perform(
            type: BlockType.read, sector: 3, [.writable(BlockGuest.data, 512)])
        #expect(read == BlockGuest.Answer(0, 513))
        #expect(try guest.bytes(count: 512) == [UInt8](repeating: 8, count: 512))
    }

    @Test(arguments: Engine.both)
    func `A file that is not there leaves the drive its old one`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        #expect(throws: BlockError.self) {
            try guest.driver.transport.updateConfiguration { device throws(BlockError) in
                try device.replaceDisk(path: "/no/such/file")
            }
        }
        #expect(
            guest.perform(type: BlockType.read, [.writable(BlockGuest.data, 512)])
                == BlockGuest.Answer(0, 513))
    }

    /// Requests on their way, in a queue, or held up by the limiter, at the moment of the pause.
    @Test(arguments: Engine.both, [nil, 20] as [UInt64?])
    func `A pause and a new process lose no request and repeat none`(
        _ engine: Engine, limit: UInt64?
    ) throws {
        let file = try ScratchFile(byteCount: BlockGuest.sectors * 512)
        let limits = RateLimits(
            operations: limit.map { TokenBucketLimit(size: $0, refillTime: Self.hour) })
        let state: MMIOState<Block.State>
        let first = try BlockGuest(engine, file: file) { $0.limits = limits }
        for slot in 0..<60 {
            try first.fill(
                [UInt8](repeating: UInt8(slot + 1), count: 512),
                at: BlockGuest.data + UInt64(slot) * 512)
            first.publish(
                slot, type: BlockType.write, sector: UInt64(slot),
                [.readable(BlockGuest.data + UInt64(slot) * 512, 512)])
        }
        first.driver.write(MMIORegister.queueNotify, 0)
        first.driver.transport.serveNotified()
        first.driver.transport.pause()
        #expect(first.driver.transport.chainsInFlight == 0)
        state = first.driver.transport.save()
        var used = first.driver.rings[0].takeUsed()
        #expect(used.count == limit.map(Int.init) ?? 60)

        let second = try BlockGuest(engine, file: file, memory: first.memory, starts: false) {
            $0.limits = limits
        }
        second.driver.rings = first.driver.rings
        try second.driver.transport.restore(state)
        #expect(second.driver.transport.save() == state)
        second.driver.transport.withDevice { $0.setLimits(.none) }
        try second.driver.transport.resume(on: EventLoop())
        second.driver.settle()
        used += second.collect(60 - used.count)
        second.driver.transport.detach()

        #expect(used.map(\.id).sorted() == (0..<60).map { UInt32($0 * 3) })
        for slot in 0..<60 {
            #expect(first.status(slot) == 0)
            #expect(
                try file.read(at: UInt64(slot) * 512, count: 512)
                    == .init(repeating: UInt8(slot + 1), count: 512))
        }
    }

    @Test(arguments: Engine.both)
    func `A disk that has shrunk does not take a saved state over`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        guest.driver.transport.pause()
        let state = guest.driver.transport.save()
        let small = try ScratchFile(byteCount: 512)
        let other = try BlockGuest(engine, file: small)
        #expect(throws: RestoreError.value("sectors")) {
            try other.driver.transport.restore(state)
        }
    }

    @Test(arguments: Engine.both)
    func `After a reset nothing of before reaches the guest`(_ engine: Engine) throws {
        let file = try ScratchFile(byteCount: 16 << 20)
        let guest = try BlockGuest(engine, file: file)
        for round in 0..<50 {
            try guest.memory.zero(at: GuestAddress(0x40_0000), count: 1 << 20)
            for slot in 0..<64 {
                guest.publish(
                    slot, type: BlockType.write, sector: UInt64(slot) * 32,
                    [.readable(0x40_0000 + UInt64(slot) << 14, 1 << 14)])
            }
            guest.driver.write(MMIORegister.queueNotify, 0)
            guest.driver.transport.serveNotified()
            guest.driver.reset()
            #expect(guest.driver.transport.chainsInFlight == 0, "round \(round)")
            let used = guest.driver.rings[0].deviceUsedIndex
            guest.driver.settle()
            #expect(guest.driver.rings[0].deviceUsedIndex == used)
            guest.driver.start()
            let read = guest.perform(
                type: BlockType.read, sector: 7, [.writable(BlockGuest.data, 512)])
            #expect(read == BlockGuest.Answer(0, 513), "round \(round)")
        }
    }
}
