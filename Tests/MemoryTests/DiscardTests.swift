// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Memory

@Suite struct DiscardTests {
    static let base: UInt64 = 0x100_0000

    /// Memory with sixteen pages of ones from ``base`` on.
    private func memory() throws -> GuestMemory {
        let memory = try GuestMemory(byteCount: 32 << 20)
        try memory.write(
            [UInt8](repeating: 1, count: 16 * 4096), at: GuestAddress(Self.base))
        return memory
    }

    @Test(
        arguments: [
            // Offset and count; pages that go.
            (0, 4096, 0..<1), (0, 16 * 4096, 0..<16), (1, 4096, 0..<0), (1, 8191, 1..<2),
            (4095, 4098, 1..<2), (0, 4095, 0..<0), (0, 0, 0..<0), (8192, 12_288, 2..<5),
        ] as [(UInt64, UInt64, Range<Int>)])
    func `Whole pages go back and read as zeroes, the rest stays`(
        offset: UInt64, count: UInt64, gone: Range<Int>
    ) throws {
        let memory = try memory()
        let before = memory.residentByteCount
        let bytes = try memory.discard(GuestAddress(Self.base + offset), count: count)
        #expect(bytes == UInt64(gone.count) * 4096)
        #expect(before - memory.residentByteCount == bytes)
        for page in 0..<16 {
            let place = GuestAddress(Self.base + UInt64(page) * 4096)
            let found = try memory.read(at: place, count: 4096)
            #expect(found.allSatisfy { $0 == (gone.contains(page) ? 0 : 1) }, "page \(page)")
        }
    }

    @Test(
        arguments: [
            (UInt64(32 << 20), 4096), (UInt64(32 << 20) - 4096, 8192), (0xd000_0000, 4096),
            (.max - 4095, 4096), (0, .max), (4096, .max - 4095), (PluggableMemory.base, 4096),
        ] as [(UInt64, UInt64)])
    func `What is not all RAM is refused, and nothing goes`(
        address: UInt64, count: UInt64
    ) throws {
        let memory = try memory()
        let before = memory.residentByteCount
        #expect(throws: MemoryError.outOfRange(GuestAddress(address), count: count)) {
            try memory.discard(GuestAddress(address), count: count)
        }
        #expect(memory.residentByteCount == before)
    }

    @Test func `The page that meets the hole goes without its neighbour in the file`() throws {
        let memory = try GuestMemory(byteCount: GuestMemory.lowLimit + (64 << 20))
        let last = GuestAddress(GuestMemory.lowLimit - 4096)
        let first = GuestAddress(GuestMemory.highBase)
        try memory.write([UInt8](repeating: 1, count: 4096), at: last)
        try memory.write([UInt8](repeating: 2, count: 4096), at: first)
        #expect(try memory.discard(last, count: 4096) == 4096)
        #expect(try memory.load(UInt8.self, at: last) == 0)
        #expect(try memory.load(UInt8.self, at: first) == 2)
    }

    @Test func `An engine that caches code hears of what went`() throws {
        final class Observer: GuestWriteObserver, @unchecked Sendable {
            var heard: [(GuestAddress, UInt64)] = []
            func hostWrote(at address: GuestAddress, count: UInt64) {
                heard.append((address, count))
            }
        }
        let memory = try memory()
        let observer = Observer()
        memory.writeObserver = observer
        try memory.discard(GuestAddress(Self.base + 1), count: 3 * 4096)
        #expect(observer.heard.count == 1)
        #expect(observer.heard.first?.0 == GuestAddress(Self.base + 4096))
        #expect(observer.heard.first?.1 == 8192)
    }
}
