// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Testing

@testable import Memory

@Suite struct GuestSlicesTests {
    /// Memory whose first MiB holds bytes that tell their place.
    static func memory() throws -> GuestMemory {
        let memory = try GuestMemory(byteCount: 32 << 20)
        let bytes = (0..<1 << 16).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        try memory.write(bytes, at: GuestAddress(0))
        return memory
    }

    /// All bytes of `slices`, by way of a pipe.
    static func bytes(_ slices: borrowing GuestSlices) throws -> [UInt8] {
        guard slices.byteCount > 0 else { return [] }
        let pipe = try Pipe()
        let count = try slices.drain(to: pipe.writer.rawValue)
        return try Stream.read(pipe.reader.rawValue, limit: count)
    }

    @Test func `Hundreds of slices are one run of bytes, whatever is removed in front`() throws {
        let memory = try Self.memory()
        var slices = GuestSlices(memory)
        var expected: [UInt8] = []
        var dice = Dice(4)
        for _ in 0..<300 {
            let address = UInt64.random(in: 0..<60_000, using: &dice)
            let count = Int.random(in: 1...40, using: &dice)
            try slices.append(GuestAddress(address), count: UInt32(count))
            expected += try memory.read(at: GuestAddress(address), count: count)
            if Bool.random(using: &dice) {
                let removed = Int.random(in: 0...30, using: &dice)
                slices.removeFirst(removed)
                expected.removeFirst(min(removed, expected.count))
            }
            #expect(slices.byteCount == expected.count)
        }
        #expect(try Self.bytes(slices) == expected)
        slices.removeFirst(expected.count + 1)
        #expect(slices.count == 0)
        #expect(slices.byteCount == 0)
    }

    @Test func `The last byte is taken away with its address`() throws {
        let memory = try Self.memory()
        var slices = GuestSlices(memory)
        #expect(slices.removeLast() == nil)
        try slices.append(GuestAddress(100), count: 2)
        try slices.append(GuestAddress(7), count: 1)
        #expect(slices.removeLast() == GuestAddress(7))
        #expect(slices.count == 1)
        #expect(slices.removeLast() == GuestAddress(101))
        #expect(slices.removeLast() == GuestAddress(100))
        #expect(slices.removeLast() == nil)
        #expect(slices.count == 0)
    }

    @Test func `Slices behind slices keep their order`() throws {
        let memory = try Self.memory()
        var all = GuestSlices(memory)
        var expected: [UInt8] = []
        for index in 0..<50 as Range<UInt64> {
            var some = GuestSlices(memory)
            for part in 0..<7 as Range<UInt64> {
                try some.append(GuestAddress(index * 64 + part * 9), count: 5)
            }
            some.removeFirst(3)
            expected += try Self.bytes(some)
            all.append(contentsOf: some)
        }
        #expect(try Self.bytes(all) == expected)
    }

    @Test func `What lies outside RAM is refused`() throws {
        let memory = try Self.memory()
        var slices = GuestSlices(memory)
        #expect(throws: MemoryError.self) {
            try slices.append(GuestAddress(UInt64(32 << 20) - 1), count: 2)
        }
        #expect(slices.count == 0)
    }
}
