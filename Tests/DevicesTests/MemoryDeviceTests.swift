// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct MemoryDeviceTests {
    static let block = PluggableSize.leastBlock
    static let base = PluggableMemory.base
    static let buffer = TestDriver<MemoryDevice>.bufferBase

    enum Kind {
        static let plug: UInt16 = 0, unplug: UInt16 = 1, unplugAll: UInt16 = 2, state: UInt16 = 3
    }
    enum Answer {
        static let done: UInt16 = 0, refused: UInt16 = 1, busy: UInt16 = 2, wrong: UInt16 = 3
    }

    struct Missing: Error {}

    static func memory(blocks: UInt64 = 70) throws -> GuestMemory {
        try GuestMemory(
            byteCount: 32 << 20, pluggable: PluggableSize(byteCount: blocks * block))
    }

    static func device(_ memory: GuestMemory, requested: UInt64 = 0) throws -> MemoryDevice {
        guard var device = MemoryDevice(memory) else { throw Missing() }
        guard device.setRequested(requested * block) else { throw Missing() }
        return device
    }

    static func driver(requested: UInt64 = 0) throws -> TestDriver<MemoryDevice> {
        let memory = try memory()
        let driver = try TestDriver(device(memory, requested: requested), memory: memory)
        driver.start()
        return driver
    }

    /// Asks and answers the type and the state that came back.
    static func ask(
        _ driver: TestDriver<MemoryDevice>, _ kind: UInt16, _ address: UInt64 = 0,
        _ count: UInt16 = 0
    ) throws -> [UInt16] {
        let memory = driver.memory
        try memory.zero(at: GuestAddress(buffer), count: 128)
        try memory.store(kind, at: GuestAddress(buffer))
        try memory.store(address, at: GuestAddress(buffer + 8))
        try memory.store(count, at: GuestAddress(buffer + 16))
        try memory.store(UInt16.max, at: GuestAddress(buffer + 72))
        driver.rings[0].publish([.readable(buffer, 24), .writable(buffer + 64, 10)])
        driver.notify(0)
        #expect(driver.rings[0].takeUsed().map(\.length) == [10])
        return [
            try memory.load(UInt16.self, at: GuestAddress(buffer + 64)),
            try memory.load(UInt16.self, at: GuestAddress(buffer + 72)),
        ]
    }

    static func plugged(_ driver: TestDriver<MemoryDevice>) -> UInt64 {
        driver.transport.read(offset: MMIORegister.configuration + 40, size: 8)
    }

    @Test func `The configuration says where, how much and in what pieces`() throws {
        let driver = try Self.driver(requested: 5)
        let words = (0..<7).map { index in
            driver.transport.read(
                offset: MMIORegister.configuration + UInt64(index) * 8, size: 8)
        }
        #expect(
            words == [
                Self.block, 0, Self.base, 70 * Self.block, 70 * Self.block, 0, 5 * Self.block,
            ])
    }

    @Test func `A processor is held for a turn, whatever others ask`() throws {
        let driver = try Self.driver()
        let other = OtherProcessor(driver.rings[0], count: 1000)
        defer { other.stop() }
        try driver.memory.store(Kind.state, at: GuestAddress(Self.buffer))
        try driver.memory.store(Self.base, at: GuestAddress(Self.buffer + 8))
        try driver.memory.store(1 as UInt16, at: GuestAddress(Self.buffer + 16))

        driver.rings[0].publish([.readable(Self.buffer, 24), .writable(Self.buffer + 64, 10)])
        driver.write(MMIORegister.queueNotify, 0)

        #expect(driver.rings[0].deviceUsedIndex == UInt16(MemoryDevice.turnLimit))
        for _ in 0..<100 where !driver.isQuiet { driver.settle() }
        #expect(driver.rings[0].deviceUsedIndex == 1001)
    }

    @Test func `Requests for many blocks end a turn early`() throws {
        let memory = try Self.memory(blocks: 512)
        let driver = try TestDriver(Self.device(memory, requested: 512), memory: memory)
        driver.start()
        // Plug all, give all back, ask for all; three chains again and again.
        let heads = try [Kind.plug, Kind.unplugAll, Kind.state].enumerated().map { index, kind in
            let place = Self.buffer + UInt64(index) * 128
            try memory.store(kind, at: GuestAddress(place))
            try memory.store(Self.base, at: GuestAddress(place + 8))
            try memory.store(512 as UInt16, at: GuestAddress(place + 16))
            return driver.rings[0].describe([.readable(place, 24), .writable(place + 64, 10)])
        }
        for index in 0..<63 { driver.rings[0].publish(head: heads[index % 3]) }

        driver.write(MMIORegister.queueNotify, 0)
        for count in 1...63 as ClosedRange<UInt16> {
            #expect(driver.rings[0].deviceUsedIndex == count)
            #expect(!driver.isQuiet)
            driver.settle()
        }
        #expect(driver.isQuiet)
        driver.transport.withDevice { device in
            #expect(device.counts.plugs.bytes == 21 * 512 * Self.block)
            #expect(device.counts.unplugAlls.bytes == 21 * 512 * Self.block)
            #expect(device.counts.states.failures == 0)
        }
    }

    @Test func `What is plugged can be used, what is unplugged cannot`() throws {
        let driver = try Self.driver(requested: 10)
        let place = GuestAddress(Self.base + 4 * Self.block)
        #expect(try Self.ask(driver, Kind.plug, place.rawValue, 3) == [Answer.done, .max])
        #expect(Self.plugged(driver) == 3 * Self.block)
        try driver.memory.store(UInt64(9), at: place &+ (3 * Self.block - 8))
        #expect(!driver.memory.contains(place, count: 3 * Self.block + 1))
        #expect(try Self.ask(driver, Kind.unplug, place.rawValue + Self.block, 2)[0] == Answer.done)
        #expect(Self.plugged(driver) == Self.block)
        #expect(driver.memory.contains(place, count: Self.block))
        #expect(!driver.memory.contains(place, count: Self.block + 1))
    }

    struct Request: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let kind: UInt16
        let address: UInt64
        let count: UInt16
        let answer: [UInt16]

        init(
            _ name: String, _ kind: UInt16, _ address: UInt64, _ count: UInt16, _ answer: [UInt16]
        ) {
            testDescription = name
            self.kind = kind
            self.address = address
            self.count = count
            self.answer = answer
        }
    }

    /// Blocks 10 to 14 are plugged, and one more may be.
    static let requests: [Request] = [
        Request("plug one too many", Kind.plug, base, 2, [Answer.refused, .max]),
        Request("plug all of 65,535", Kind.plug, base, .max, [Answer.wrong, .max]),
        Request("plug no block", Kind.plug, base, 0, [Answer.wrong, .max]),
        Request("plug half a block on", Kind.plug, base + block / 2, 1, [Answer.wrong, .max]),
        Request("plug one byte on", Kind.plug, base + 1, 1, [Answer.wrong, .max]),
        Request("plug before the region", Kind.plug, base - block, 1, [Answer.wrong, .max]),
        Request("plug at zero", Kind.plug, 0, 1, [Answer.wrong, .max]),
        Request("plug behind the region", Kind.plug, base + 70 * block, 1, [Answer.wrong, .max]),
        Request("plug across its end", Kind.plug, base + 69 * block, 2, [Answer.wrong, .max]),
        Request("plug at the end of space", Kind.plug, 0 &- block, 1, [Answer.wrong, .max]),
        Request("plug what is plugged", Kind.plug, base + 10 * block, 1, [Answer.wrong, .max]),
        Request("plug across what is", Kind.plug, base + 9 * block, 2, [Answer.wrong, .max]),
        Request("unplug what is not", Kind.unplug, base, 1, [Answer.wrong, .max]),
        Request("unplug more than is", Kind.unplug, base + 14 * block, 2, [Answer.wrong, .max]),
        Request("unplug no block", Kind.unplug, base + 10 * block, 0, [Answer.wrong, .max]),
        Request("unplug across the end", Kind.unplug, base + 69 * block, 9, [Answer.wrong, .max]),
        Request("state of a plugged block", Kind.state, base + 10 * block, 5, [0, 0]),
        Request("state of an unplugged one", Kind.state, base, 10, [0, 1]),
        Request("state of both", Kind.state, base + 9 * block, 2, [0, 2]),
        Request("state of nothing", Kind.state, base, 0, [Answer.wrong, .max]),
        Request("state outside", Kind.state, .max, 1, [Answer.wrong, .max]),
        Request("an unknown request", 4, base, 1, [Answer.wrong, .max]),
        Request("the largest request", .max, base, 1, [Answer.wrong, .max]),
    ]

    @Test(arguments: requests)
    func `A request that cannot be met changes nothing`(_ row: Request) throws {
        let driver = try Self.driver(requested: 6)
        #expect(
            try Self.ask(driver, Kind.plug, Self.base + 10 * Self.block, 5)[0] == Answer.done)
        let before = driver.transport.save().device
        let answer = try Self.ask(driver, row.kind, row.address, row.count)
        // The answer's last half is written for a state only.
        #expect(answer[0] == row.answer[0])
        #expect(row.kind == Kind.state || answer[1] == .max)
        if row.kind == Kind.state, row.answer[0] == 0 { #expect(answer[1] == row.answer[1]) }
        #expect(driver.transport.save().device == before)
        #expect(driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])
    }

    @Test func `All can be unplugged at once, by the shortest request`() throws {
        let driver = try Self.driver(requested: 70)
        #expect(try Self.ask(driver, Kind.plug, Self.base, 70)[0] == Answer.done)
        try driver.memory.store(UInt64(1), at: GuestAddress(Self.base + 69 * Self.block))
        try driver.memory.store(Kind.unplugAll, at: GuestAddress(Self.buffer))
        driver.rings[0].publish([.readable(Self.buffer, 2), .writable(Self.buffer + 64, 10)])
        driver.notify(0)
        #expect(Self.plugged(driver) == 0)
        #expect(!driver.memory.contains(GuestAddress(Self.base), count: 1))
    }

    @Test func `Without room for the answer nothing is done`() throws {
        let driver = try Self.driver(requested: 70)
        try driver.memory.store(Kind.plug, at: GuestAddress(Self.buffer))
        try driver.memory.store(Self.base, at: GuestAddress(Self.buffer + 8))
        try driver.memory.store(UInt16(1), at: GuestAddress(Self.buffer + 16))
        for room in [0, 1, 9] as [UInt32] {
            driver.rings[0].publish([
                .readable(Self.buffer, 24), .writable(Self.buffer + 64, room),
            ])
        }
        driver.rings[0].publish([.readable(Self.buffer, 23), .writable(Self.buffer + 64, 10)])
        driver.rings[0].publish([.writable(Self.buffer + 64, 10)])
        driver.notify(0)
        #expect(driver.rings[0].takeUsed().map(\.length) == [0, 0, 0, 10, 10])
        #expect(Self.plugged(driver) == 0)
    }

    @Test func `The host's wish is heard, if it can be`() throws {
        let driver = try Self.driver()
        for (bytes, isPossible) in [
            (Self.block, true), (70 * Self.block, true), (71 * Self.block, false),
            (Self.block / 2, false), (UInt64.max, false), (0, true),
        ] {
            #expect(driver.transport.withDevice { $0.setRequested(bytes) } == isPossible)
        }
        driver.transport.updateConfiguration { _ = $0.setRequested(3 * Self.block) }
        #expect(driver.takeInterruptStatus() == 2)
        #expect(
            driver.transport.read(offset: MMIORegister.configuration + 48, size: 8)
                == 3 * Self.block)
    }

    @Test func `Blocks outlive a reset of the device`() throws {
        let driver = try Self.driver(requested: 2)
        #expect(try Self.ask(driver, Kind.plug, Self.base, 2)[0] == Answer.done)
        try driver.memory.store(UInt64(5), at: GuestAddress(Self.base))
        driver.start()
        #expect(Self.plugged(driver) == 2 * Self.block)
        #expect(try driver.memory.load(UInt64.self, at: GuestAddress(Self.base)) == 5)
    }

    @Test func `Memory with a ring in it stays plugged until the device is reset`() throws {
        let memory = try Self.memory()
        try memory.plug(blocks: 0..<1)
        let driver = try TestDriver(Self.device(memory, requested: 2), memory: memory)
        driver.reset()
        driver.negotiate()
        let ring = DriverRing(memory: memory, size: 8, base: Self.base)
        driver.rings = [ring]
        driver.setQueue(0, ring.state)
        driver.step(.driverOK)
        for kind in [Kind.unplugAll, Kind.unplug] {
            #expect(try Self.ask(driver, kind, Self.base, 1)[0] == Answer.busy)
        }
        #expect(Self.plugged(driver) == Self.block)
        #expect(driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])

        driver.start()
        #expect(try Self.ask(driver, Kind.unplug, Self.base, 1)[0] == Answer.done)
        #expect(Self.plugged(driver) == 0)
    }

    @Test func `Memory that a request lies in stays plugged until that is done`() throws {
        let driver = try Self.driver(requested: 2)
        #expect(try Self.ask(driver, Kind.plug, Self.base, 2)[0] == Answer.done)
        // A disk reads into the first block, which takes more than a turn.
        let guest = try BlockGuest(
            .serial, file: ScratchFile(byteCount: 8 << 20), memory: driver.memory, starts: false)
        let disk = guest.driver
        disk.negotiate()
        let ring = DriverRing(memory: driver.memory, size: 8, base: 0x8_0000)
        disk.rings = [ring]
        disk.setQueue(0, ring.state)
        disk.step(.driverOK)
        let piece = DriverRing.Buffer.writable(Self.base, UInt32(Self.block))
        guest.publish(0, type: BlockType.read, [piece, piece, piece, piece])
        disk.write(MMIORegister.queueNotify, 0)
        disk.transport.serveNotified()
        #expect(disk.transport.chainsInFlight == 1)

        #expect(try Self.ask(driver, Kind.unplug, Self.base, 2)[0] == Answer.busy)
        #expect(try Self.ask(driver, Kind.unplug, Self.base + Self.block, 1)[0] == Answer.done)
        #expect(guest.collect(1).map(\.length) == [4 * UInt32(Self.block) + 1])
        #expect(try Self.ask(driver, Kind.unplug, Self.base, 1)[0] == Answer.done)
        #expect(Self.plugged(driver) == 0)
    }

    @Test func `A size that changes while it is read has another generation`() throws {
        let memory = try GuestMemory(
            byteCount: 32 << 20, pluggable: PluggableSize(byteCount: 8 << 30))
        let driver = try TestDriver(Self.device(memory, requested: 1), memory: memory)
        driver.start()
        let transport = driver.transport
        let isOver = Locked(false)
        // Both halves differ.
        let sizes = [Self.block, 1 << 32]
        let changer = try TestThread("changer") {
            var turn = 0
            while !isOver.withValue({ $0 }) {
                turn += 1
                let size = sizes[turn % 2]
                transport.updateConfiguration { _ = $0.setRequested(size) }
                let next = Clock.monotonic + 20_000
                while Clock.monotonic < next {}
            }
        }
        var whole = 0
        var torn = 0
        let deadline = Clock.monotonic + 20_000_000_000
        while whole < 5000, Clock.monotonic < deadline {
            let before = driver.read(MMIORegister.configurationGeneration)
            let low = driver.read(MMIORegister.configuration + 48)
            let high = driver.read(MMIORegister.configuration + 52)
            guard driver.read(MMIORegister.configurationGeneration) == before else { continue }
            whole += 1
            if !sizes.contains(UInt64(high) << 32 | UInt64(low)) { torn += 1 }
        }
        isOver.withValue { $0 = true }
        try changer.join()
        #expect(whole == 5000)
        #expect(torn == 0)
    }

    // MARK: State

    @Test func `A restored device has the same blocks, with what they hold`() throws {
        let driver = try Self.driver(requested: 5)
        #expect(try Self.ask(driver, Kind.plug, Self.base + 63 * Self.block, 3)[0] == Answer.done)
        let place = GuestAddress(Self.base + 64 * Self.block)
        try driver.memory.store(UInt64(11), at: place)
        driver.transport.pause()
        let state = driver.transport.save()

        let other = try TestDriver(Self.device(driver.memory), memory: driver.memory)
        try other.transport.restore(state)
        #expect(other.transport.save() == state)
        #expect(try driver.memory.load(UInt64.self, at: place) == 11)

        let elsewhere = try Self.memory()
        let third = try TestDriver(Self.device(elsewhere), memory: elsewhere)
        try elsewhere.plug(blocks: 0..<4)
        try third.transport.restore(state)
        #expect(third.transport.save() == state)
        #expect(Self.plugged(third) == 3 * Self.block)
        #expect(elsewhere.contains(place, count: 2 * Self.block))
        #expect(!elsewhere.contains(GuestAddress(Self.base), count: 1))
    }

    @Test(arguments: ["version", "byteCount", "blockSize", "requestedByteCount", "plugged", "bits"])
    func `A state that cannot be is refused`(_ field: String) throws {
        let driver = try Self.driver()
        var state = driver.transport.save()
        switch field {
        case "version": state.device.version = 2
        case "byteCount": state.device.byteCount = .max
        case "blockSize": state.device.blockSize = 0
        case "requestedByteCount": state.device.requestedByteCount = 1
        case "plugged": state.device.plugged = []
        default: state.device.plugged[1] = .max
        }
        #expect(throws: RestoreError.self) { try driver.transport.restore(state) }
        #expect(!driver.memory.contains(GuestAddress(Self.base), count: 1))
    }
}
