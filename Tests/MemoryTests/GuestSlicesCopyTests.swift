// SPDX-License-Identifier: Apache-2.0
import Linux
import Testing

@testable import Memory

@Suite struct GuestSlicesCopyTests {
    /// Three slices of 4, 0 and 6 bytes that lie apart.
    private func slices(_ memory: GuestMemory) throws -> GuestSlices {
        var slices = GuestSlices(memory)
        try slices.append(GuestAddress(0x1000), count: 4)
        try slices.append(GuestAddress(0x3000), count: 0)
        try slices.append(GuestAddress(0x2000), count: 6)
        return slices
    }

    /// A copy of `count` bytes at `offset` of ten bytes in slices.
    struct Copy: CustomTestStringConvertible, Sendable {
        let offset: Int
        let count: Int
        let moved: Int
        var testDescription: String { "\(count) bytes at \(offset)" }
    }

    static let copies = [
        Copy(offset: 0, count: 10, moved: 10), Copy(offset: 0, count: 11, moved: 10),
        Copy(offset: 3, count: 2, moved: 2), Copy(offset: 4, count: 6, moved: 6),
        Copy(offset: 9, count: 5, moved: 1), Copy(offset: 10, count: 1, moved: 0),
        Copy(offset: .max, count: 1, moved: 0), Copy(offset: 5, count: 0, moved: 0),
    ]

    @Test(arguments: copies)
    func `Bytes go in and come out across slices, as many as both sides have`(
        _ copy: Copy
    ) throws {
        let memory = try GuestMemory(byteCount: GuestMemory.minimum)
        let slices = try slices(memory)
        let bytes = (0..<copy.count).map { UInt8($0 + 1) }
        let went = unsafe slices.copyIn(bytes.span.bytes, at: copy.offset)
        #expect(went == copy.moved)

        var all =
            try memory.read(at: GuestAddress(0x1000), count: 4)
            + memory.read(at: GuestAddress(0x2000), count: 6)
        if copy.moved > 0 {
            #expect(
                Array(all[copy.offset..<copy.offset + copy.moved]) == Array(bytes[..<copy.moved]))
            all.replaceSubrange(
                copy.offset..<copy.offset + copy.moved,
                with: [UInt8](repeating: 0, count: copy.moved))
        }
        #expect(all.allSatisfy { $0 == 0 })
        #expect(try memory.read(at: GuestAddress(0x1004), count: 4) == [0, 0, 0, 0])
    }

    @Test func `A slice that is not all RAM is refused, and the others stay`() throws {
        let memory = try GuestMemory(byteCount: GuestMemory.minimum)
        var slices = try slices(memory)
        for (address, count) in [
            (GuestMemory.minimum - 1, UInt32(2)), (GuestMemory.minimum, 1), (.max, .max),
        ] {
            var refusal: MemoryError?
            do throws(MemoryError) {
                try slices.append(GuestAddress(address), count: count)
            } catch {
                refusal = error
            }
            #expect(refusal == .outOfRange(GuestAddress(address), count: UInt64(count)))
        }
        let byteCount = slices.byteCount
        #expect(byteCount == 10)
    }

    @Test func `A pipe fills and drains slices without a copy of ours`() throws {
        let memory = try GuestMemory(byteCount: GuestMemory.minimum)
        let slices = try slices(memory)
        try memory.write([1, 2, 3, 4], at: GuestAddress(0x1000))
        try memory.write([5, 6, 7, 8, 9, 10], at: GuestAddress(0x2000))
        let pair = try UnixSocket.Pair()
        #expect(try slices.drain(to: pair.near.rawValue, at: 2, limit: 5) == 5)
        #expect(try slices.fill(from: pair.far.rawValue, at: 5) == 5)
        #expect(try memory.read(at: GuestAddress(0x2000), count: 6) == [5, 3, 4, 5, 6, 7])
    }
}
