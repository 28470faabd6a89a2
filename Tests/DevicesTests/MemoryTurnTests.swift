// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Requests for more blocks than a turn changes.
@Suite struct MemoryTurnTests {
    typealias Kind = MemoryDeviceTests.Kind
    typealias Answer = MemoryDeviceTests.Answer
    static let block = MemoryDeviceTests.block
    static let base = MemoryDeviceTests.base
    static let buffer = MemoryDeviceTests.buffer
    /// Three turns and a piece.
    static let count = 3 * MemoryDevice.turnBlocks + 100
    static let kinds = [Kind.plug, Kind.unplug, Kind.unplugAll]

    /// An engine that maps block by block, until it has no more room.
    final class Engine: PlugObserver {
        struct State: Sendable {
            var mapped: Set<Int> = []
            var most = 0
            var limit = Int.max
        }
        let state = Locked(State())

        var mapped: Set<Int> { state.withValue { $0.mapped } }

        func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError) {
            let hasRoom = state.withValue { state in
                guard state.mapped.count < state.limit else { return false }
                state.mapped.insert(index)
                state.most = max(state.most, state.mapped.count)
                return true
            }
            guard hasRoom else { throw .plug(region.base, .invalid) }
        }

        func unplug(_ index: Int) { state.withValue { _ = $0.mapped.remove(index) } }
    }

    /// A guest whose request has been served for one turn, and what lies under it.
    struct Scene {
        let driver: TestDriver<MemoryDevice>
        let engine: Engine
        var memory: GuestMemory { driver.memory }

        init(_ kind: UInt16, limit: Int = .max) throws {
            let memory = try MemoryDeviceTests.memory(blocks: UInt64(count))
            let engine = Engine()
            engine.state.withValue { $0.limit = limit }
            memory.pluggable?.observer = engine
            if kind != Kind.plug { try memory.plug(blocks: 0..<count) }
            driver = try TestDriver(
                MemoryDeviceTests.device(memory, requested: UInt64(count)), memory: memory)
            driver.start()
            self.engine = engine
            try ask(kind)
        }

        /// Makes a request for all blocks available, and has it served for a turn.
        func ask(_ kind: UInt16) throws {
            try memory.store(kind, at: GuestAddress(buffer))
            try memory.store(base, at: GuestAddress(buffer + 8))
            try memory.store(UInt16(count), at: GuestAddress(buffer + 16))
            try memory.store(UInt16.max, at: GuestAddress(buffer + 64))
            driver.rings[0].publish([.readable(buffer, 24), .writable(buffer + 64, 10)])
            driver.write(MMIORegister.queueNotify, 0)
        }

        /// Whether all blocks are RAM; nil: some are.
        var isRAM: Bool? {
            let plugged = memory.pluggable.map { blocks in
                (0..<count).filter { blocks.isPlugged($0) }.count
            }
            return plugged == count ? true : plugged == 0 ? false : nil
        }

        /// What the device has answered since this was last asked, by type.
        func answers() throws -> [UInt16] {
            let used = driver.rings[0].takeUsed()
            guard !used.isEmpty else { return [] }
            #expect(used.map(\.length) == [10])
            return [try memory.load(UInt16.self, at: GuestAddress(buffer + 64))]
        }

        /// Lets the loop serve what is its; answers how many turns that took.
        func finish() -> Int {
            var turns = 0
            while !driver.isQuiet, turns < 100 {
                driver.settle()
                turns += 1
            }
            return turns
        }
    }

    @Test(arguments: kinds)
    func `Many blocks change in turns, all at once for the driver`(kind: UInt16) throws {
        let scene = try Scene(kind)
        let (before, after) = kind == Kind.plug ? (false, true) : (true, false)
        let size = UInt64(Self.count) * Self.block
        var turns = 1
        while scene.driver.rings[0].deviceUsedIndex == 0, turns < 100 {
            // What it has asked for it may see, in all blocks; what it has is said with the answer.
            #expect(scene.isRAM != nil)
            #expect(MemoryDeviceTests.plugged(scene.driver) == (before ? size : 0))
            #expect(scene.driver.transport.chainsInFlight == 0)
            let mapped = scene.engine.mapped.count
            scene.driver.settle()
            #expect(
                (scene.engine.mapped.count - mapped).magnitude <= UInt(MemoryDevice.turnBlocks))
            turns += 1
        }
        #expect(turns >= 4)
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.isRAM == after)
        #expect(MemoryDeviceTests.plugged(scene.driver) == (after ? size : 0))
        #expect(scene.engine.mapped.count == (after ? Self.count : 0))
        _ = scene.finish()
        #expect(try scene.answers() == [])
        let counts = scene.driver.transport.withDevice { $0.counts }
        let bytes = [counts.plugs.bytes, counts.unplugs.bytes, counts.unplugAlls.bytes]
        #expect(bytes == Self.kinds.map { $0 == kind ? size : 0 })
    }

    @Test func `What the engine has no room for is refused, and all of it goes back`() throws {
        let scene = try Scene(Kind.plug, limit: Self.count - 50)
        while scene.driver.rings[0].deviceUsedIndex == 0, !scene.driver.isQuiet {
            #expect(scene.isRAM == false)
            // As a processor that has found what the engine has already.
            if scene.engine.mapped.contains(1) {
                let host = try #require(scene.memory.pluggable).region(ofBlock: 1).hostAddress
                unsafe UnsafeMutableRawPointer(bitPattern: host)?.storeBytes(of: 9, as: UInt64.self)
            }
            scene.driver.settle()
        }
        #expect(try scene.answers() == [Answer.refused])
        #expect(scene.engine.state.withValue { $0.most } == Self.count - 50)
        #expect(scene.engine.mapped.isEmpty)
        #expect(MemoryDeviceTests.plugged(scene.driver) == 0)
        // It can be plugged, with nothing in it.
        let first = Self.base + Self.block
        #expect(
            try MemoryDeviceTests.ask(scene.driver, Kind.plug, first, 1)[0] == Answer.done)
        #expect(try scene.memory.load(UInt64.self, at: GuestAddress(first)) == 0)
    }

    @Test func `All blocks stay if one of them is in use`() throws {
        let scene = try Scene(Kind.plug)
        _ = scene.finish()
        #expect(try scene.answers() == [Answer.done])
        let place = GuestAddress(Self.base + UInt64(Self.count) * Self.block - 8)
        try scene.memory.store(UInt64(7), at: place)
        var slices = GuestSlices(scene.memory)
        try slices.append(place, count: 8)
        for kind in [Kind.unplug, Kind.unplugAll] {
            try scene.ask(kind)
            _ = scene.finish()
            #expect(try scene.answers() == [Answer.busy])
        }
        #expect(scene.isRAM == true)
        #expect(scene.engine.mapped.count == Self.count)
        #expect(try scene.memory.load(UInt64.self, at: place) == 7)
        slices.removeAll()
        try scene.ask(Kind.unplug)
        _ = scene.finish()
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.isRAM == false)
    }

    // MARK: Pauses

    @Test(arguments: kinds, 0..<8)
    func `A request that a save meets is done by the next process`(
        kind: UInt16, turns: Int
    ) throws {
        let first = try Scene(kind)
        for _ in 0..<turns { first.driver.settle() }
        let isOver = first.driver.rings[0].deviceUsedIndex == 1
        first.driver.transport.pause()
        let state = first.driver.transport.save()

        let second = try TestDriver(
            MemoryDeviceTests.device(first.memory), memory: first.memory)
        second.rings = first.driver.rings
        try second.transport.restore(state)
        // All or none; as before the request, unless it can be done again.
        let bits = state.device.plugged.reduce(0) { $0 + $1.nonzeroBitCount }
        let kept = kind == Kind.plug ? isOver : kind == Kind.unplug && !isOver
        #expect(bits == (kept ? Self.count : 0))
        #expect(second.transport.save() == state)
        try second.transport.resume(on: EventLoop())
        defer { second.transport.detach() }
        for _ in 0..<100 where !second.isQuiet { second.settle() }
        #expect(second.rings[0].takeUsed().map(\.length) == [10])
        #expect(
            try second.memory.load(UInt16.self, at: GuestAddress(Self.buffer + 64)) == Answer.done)
        let after = kind == Kind.plug
        #expect(first.isRAM == after)
        #expect(first.engine.mapped.count == (after ? Self.count : 0))
        #expect(
            MemoryDeviceTests.plugged(second) == (after ? UInt64(Self.count) * Self.block : 0))
    }

    /// Another memory with the bytes of `scene`'s RAM and, in three of its blocks, those of a processor
    /// that has reached them while the engine had them.
    private func copy(_ scene: Scene) throws -> (memory: GuestMemory, places: [GuestAddress]) {
        let memory = try MemoryDeviceTests.memory(blocks: UInt64(Self.count))
        let start = GuestAddress(0)
        try memory.write(scene.memory.read(at: start, count: 4 << 20), at: start)
        let places = try [0, Self.count / 2, Self.count - 1].map { index in
            let region = try #require(memory.pluggable).region(ofBlock: index)
            unsafe UnsafeMutableRawPointer(bitPattern: region.hostAddress)?
                .storeBytes(of: 9, as: UInt64.self)
            return region.base
        }
        return (memory, places)
    }

    @Test(arguments: kinds, [false, true])
    func `What a save has met on its way comes empty in another memory`(
        kind: UInt16, isLeft: Bool
    ) throws {
        let first = try Scene(kind)
        if isLeft { first.driver.reset() }
        first.driver.transport.pause()
        let state = first.driver.transport.save()
        let (memory, places) = try copy(first)
        let before = memory.residentByteCount

        let second = try TestDriver(MemoryDeviceTests.device(memory), memory: memory)
        try second.transport.restore(state)
        #expect(second.transport.save() == state)
        // What is plugged in the state holds what is the snapshot's.
        let isKept = kind == Kind.unplug && !isLeft
        #expect(
            MemoryDeviceTests.plugged(second) == (isKept ? UInt64(Self.count) * Self.block : 0))
        #expect(isKept == (memory.residentByteCount == before))
        if !isKept { try memory.plug(blocks: 0..<Self.count) }
        for place in places {
            #expect(try memory.load(UInt64.self, at: place) == (isKept ? 9 : 0))
        }
    }

    @Test(arguments: kinds)
    func `A pause waits for a turn only, and the same process goes on`(kind: UInt16) throws {
        let scene = try Scene(kind)
        let mapped = scene.engine.mapped.count
        scene.driver.transport.pause()
        scene.driver.settle()
        #expect(scene.engine.mapped.count == mapped)
        #expect(try scene.answers() == [])
        try scene.driver.transport.resume(on: EventLoop())
        _ = scene.finish()
        scene.driver.transport.detach()
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.isRAM == (kind == Kind.plug))
    }

    @Test(arguments: kinds)
    func `A process that goes back to what it has saved does the request anew`(
        kind: UInt16
    ) throws {
        let scene = try Scene(kind)
        scene.driver.transport.pause()
        let state = scene.driver.transport.save()
        try scene.driver.transport.restore(state)
        #expect(scene.driver.transport.save() == state)
        try scene.driver.transport.resume(on: EventLoop())
        _ = scene.finish()
        scene.driver.transport.detach()
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.isRAM == (kind == Kind.plug))
        #expect(scene.engine.mapped.count == (kind == Kind.plug ? Self.count : 0))
    }

    // MARK: Drivers that go

    enum Parting: CaseIterable, Sendable { case reset, failure, brokenRing }

    /// What is left of a request is done all the same: what the guest has not plugged holds no memory.
    @Test(arguments: kinds, Parting.allCases)
    func `A driver that goes meanwhile leaves all blocks or none`(
        kind: UInt16, parting: Parting
    ) throws {
        let scene = try Scene(kind)
        let driver = scene.driver
        switch parting {
        case .reset: driver.reset()
        case .failure: driver.step(.failed)
        case .brokenRing:
            driver.rings[0].setDescriptor(
                0, Descriptor(address: .max, length: 24, flags: Descriptor.hasNext, next: 1))
        }
        #expect(!driver.isQuiet)
        #expect(scene.finish() < 100)
        // What has begun to go goes, what has not come yet does not come.
        #expect(scene.isRAM == false)
        #expect(scene.engine.mapped.isEmpty)
        #expect(driver.rings[0].takeUsed() == [])

        // The next driver finds them so, and has its own answers only.
        driver.start()
        #expect(MemoryDeviceTests.plugged(driver) == 0)
        #expect(
            try MemoryDeviceTests.ask(driver, Kind.state, Self.base, UInt16(Self.count))
                == [Answer.done, 1])
        try scene.ask(Kind.plug)
        _ = scene.finish()
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.engine.mapped.count == Self.count)
    }

    @Test(arguments: kinds)
    func `A driver that comes before the end waits for it`(kind: UInt16) throws {
        let scene = try Scene(kind)
        scene.driver.start()
        #expect(MemoryDeviceTests.plugged(scene.driver) == 0)
        try scene.ask(Kind.plug)
        _ = scene.finish()
        #expect(try scene.answers() == [Answer.done])
        #expect(scene.isRAM == true)
        #expect(scene.engine.mapped.count == Self.count)
        // At no time has the engine had more than the guest may plug.
        #expect(scene.engine.state.withValue { $0.most } == Self.count)
    }

    @Test func `What has become RAM stays when the driver goes before it has heard`() throws {
        let scene = try Scene(Kind.plug)
        while scene.isRAM == false, !scene.driver.isQuiet { scene.driver.settle() }
        #expect(scene.isRAM == true)
        #expect(scene.driver.rings[0].deviceUsedIndex == 0)
        scene.driver.start()
        #expect(scene.finish() < 100)
        #expect(scene.isRAM == true)
        #expect(MemoryDeviceTests.plugged(scene.driver) == UInt64(Self.count) * Self.block)
        #expect(scene.engine.mapped.count == Self.count)
    }
}
