// SPDX-License-Identifier: Apache-2.0
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
            try GuestMemory(byteCount: GuestMemory.minimum, pluggable: size)
        }
    }
}
