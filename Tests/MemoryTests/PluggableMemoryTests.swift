// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Support
import Synchronization
import Testing

@testable import Memory

@Suite struct PluggableMemoryTests {
    static let block = PluggableSize.leastBlock
    static let base = PluggableMemory.base

    private func memory(blocks: UInt64 = 100) throws -> GuestMemory {
        try GuestMemory(
            byteCount: 33 << 20, pluggable: PluggableSize(byteCount: blocks * Self.block))
    }

    @Test func `Unplugged memory is no RAM, plugged memory is`() throws {
        let memory = try memory()
        #expect(!memory.contains(GuestAddress(Self.base), count: 1))
        try memory.plug(blocks: 3..<5)
        let start = GuestAddress(Self.base + 3 * Self.block)
        #expect(memory.contains(start, count: 2 * Self.block))
        #expect(!memory.contains(start, count: 2 * Self.block + 1))
        #expect(!memory.contains(GuestAddress(start.rawValue - 1), count: 2))
        try memory.store(UInt64(7), at: start &+ (2 * Self.block - 8))
        #expect(try memory.load(UInt64.self, at: start &+ (2 * Self.block - 8)) == 7)
    }

    @Test func `What is unplugged goes back to the host, and comes again empty`() throws {
        let memory = try memory()
        try memory.plug(blocks: 64..<66)
        let place = GuestAddress(Self.base + 65 * Self.block - 4)
        let before = memory.residentByteCount
        try memory.store(UInt64.max, at: place)
        #expect(memory.residentByteCount > before)
        try memory.unplug(blocks: 64..<66)
        #expect(memory.residentByteCount == before)
        #expect(throws: MemoryError.self) { try memory.load(UInt64.self, at: place) }
        try memory.plug(blocks: 64..<66)
        #expect(try memory.load(UInt64.self, at: place) == 0)
    }

    @Test func `A block that somebody is about to touch stays plugged`() throws {
        let memory = try memory()
        try memory.plug(blocks: 3..<6)
        let place = GuestAddress(Self.base + 5 * Self.block - 8)
        var slices = GuestSlices(memory)
        try slices.append(place, count: 16)
        // Done with the slice, not yet with what it is a part of.
        slices.removeFirst(16)
        for range in [0..<100, 4..<5, 5..<6] {
            #expect(throws: MemoryError.inUse) { try memory.unplug(blocks: range) }
        }
        #expect(memory.contains(place, count: 16))
        try memory.unplug(blocks: 3..<4)

        slices.removeAll()
        try memory.unplug(blocks: 0..<100)
        #expect(!memory.contains(place, count: 1))
    }

    @Test func `What names memory that is not there keeps nothing plugged`() throws {
        let memory = try memory()
        try memory.plug(blocks: 3..<4)
        do {
            var slices = GuestSlices(memory)
            let across = GuestAddress(Self.base + 4 * Self.block - 1)
            #expect(throws: MemoryError.outOfRange(across, count: 2)) {
                try slices.append(across, count: 2)
            }
        }
        try memory.unplug(blocks: 3..<4)
        #expect(!memory.contains(GuestAddress(Self.base + 3 * Self.block), count: 1))
    }

    @Test func `Slices of slices keep a block plugged as long as they live`() throws {
        let memory = try memory()
        try memory.plug(blocks: 0..<1)
        var all = GuestSlices(memory)
        do {
            var some = GuestSlices(memory)
            try some.append(readable: GuestAddress(Self.base), count: 8)
            all.append(contentsOf: some)
        }
        #expect(throws: MemoryError.inUse) { try memory.unplug(blocks: 0..<1) }
        all.removeAll()
        try memory.unplug(blocks: 0..<1)
    }

    @Test func `What is written to an unplugged block goes back, all else stays`() throws {
        let memory = try memory()
        try memory.plug(blocks: 0..<3)
        try memory.store(UInt64(7), at: GuestAddress(Self.base))
        try memory.store(UInt64(8), at: GuestAddress(Self.base + 2 * Self.block))
        try memory.unplug(blocks: 1..<2)
        let before = memory.residentByteCount
        // As a processor that has not yet heard of it.
        let host = try #require(memory.pluggable).region(ofBlock: 1).hostAddress
        unsafe UnsafeMutableRawPointer(bitPattern: host)?.storeBytes(of: 9, as: UInt64.self)
        #expect(memory.residentByteCount > before)

        try memory.discardUnplugged(0..<3)
        #expect(memory.residentByteCount == before)
        #expect(try memory.load(UInt64.self, at: GuestAddress(Self.base)) == 7)
        #expect(try memory.load(UInt64.self, at: GuestAddress(Self.base + 2 * Self.block)) == 8)
    }

    /// An engine that is told which blocks are gone.
    private final class Listener: PlugObserver {
        private let ranges = Mutex<[Range<Int>]>([])
        var heard: [Range<Int>] { ranges.withLock { $0 } }

        func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError) {}
        func unplug(_ index: Int) {}
        func didUnplug(_ range: Range<Int>) { ranges.withLock { $0.append(range) } }
    }

    @Test func `An engine hears of blocks whose memory the host does not take`() throws {
        let memory = try memory()
        let listener = Listener()
        memory.pluggable?.observer = listener
        try memory.plug(blocks: 3..<5)
        try memory.keepAll()
        #expect(throws: MemoryError.host(Errno(rawValue: EBADF))) {
            try memory.unplug(blocks: 3..<5)
        }
        #expect(!memory.contains(GuestAddress(Self.base + 3 * Self.block), count: 1))
        #expect(listener.heard == [3..<5])
    }

    @Test func `Plugged blocks are apart from RAM and from each other`() throws {
        let memory = try memory(blocks: 3)
        try memory.plug(blocks: 0..<3)
        let places = [0, memory.byteCount - 8, Self.base, Self.base + 3 * Self.block - 8]
        for (number, place) in places.enumerated() {
            try memory.store(UInt64(number + 1), at: GuestAddress(place))
        }
        for (number, place) in places.enumerated() {
            #expect(try memory.load(UInt64.self, at: GuestAddress(place)) == UInt64(number + 1))
        }
        #expect(memory.regions.map(\.base.rawValue) == [0, Self.base])
        #expect(memory.bootRegions.map(\.base.rawValue) == [0])
        // Where a large page of the host can be.
        #expect(memory.regions[1].fileOffset % Int64(Self.block) == 0)
    }

    @Test(arguments: [-5..<0, 99..<101, 100..<200, 5..<5, Int.min..<Int.max])
    func `Blocks that are not there are nobody's`(range: Range<Int>) throws {
        let memory = try memory()
        try memory.plug(blocks: range)
        #expect(!memory.contains(GuestAddress(Self.base + 100 * Self.block), count: 1))
        try memory.unplug(blocks: range)
        #expect(!memory.contains(GuestAddress(Self.base), count: 1))
    }

    @Test(
        arguments: [
            (0, 2 << 20), (3 << 20, 2 << 20), (4 << 20, 1 << 20), (6 << 20, 3 << 20),
            (128 << 30, 2 << 20), (.max, 2 << 20), (4 << 20, 0), (8 << 20, 1 << 63),
        ] as [(UInt64, UInt64)])
    func `Sizes that cannot be are refused`(byteCount: UInt64, blockSize: UInt64) {
        let size = PluggableSize(byteCount: byteCount, blockSize: blockSize)
        #expect(throws: MemoryError.pluggable(size)) {
            try GuestMemory(byteCount: 32 << 20, pluggable: size)
        }
    }
}
