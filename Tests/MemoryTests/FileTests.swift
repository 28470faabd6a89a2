// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Testing

@testable import Memory

/// Files copied to guest memory.
@Suite struct FileTests {
    private static let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

    private func file() throws -> (ScratchFile, RegularFile) {
        let scratch = try ScratchFile()
        try scratch.write(Self.bytes)
        return (scratch, try RegularFile(scratch.path))
    }

    @Test(arguments: [0..<100_000, 1..<4098, 4096..<8192, 99_999..<100_000, 50..<50])
    func `a part of a file arrives whole, and nothing beside it changes`(
        _ range: Range<Int>
    ) throws {
        let (_, file) = try file()
        let memory = try GuestMemory(byteCount: 32 << 20)
        for start in [0x10_0000, 0x12_3456] as [UInt64] {
            let before = GuestAddress(start - 8)
            try memory.write([UInt8](repeating: 0xa5, count: range.count + 16), at: before)
            #expect(try memory.fill(from: file, range, at: GuestAddress(start)))
            let edge = [UInt8](repeating: 0xa5, count: 8)
            let found = try memory.read(at: before, count: range.count + 16)
            #expect(found == edge + Self.bytes[range] + edge)
        }
    }

    @Test func `a file that was shortened is told from one that was read`() throws {
        let (scratch, file) = try file()
        try scratch.resize(5000)
        let memory = try GuestMemory(byteCount: 32 << 20)
        #expect(try !memory.fill(from: file, 0..<100_000, at: GuestAddress(0)))
        #expect(try !memory.fill(from: file, 6000..<6001, at: GuestAddress(0)))
        #expect(try memory.fill(from: file, 0..<5000, at: GuestAddress(0)))
        #expect(try file.bytes(in: 4990..<6000) == Array(Self.bytes[4990..<5000]))
    }

    @Test func `what does not fit is refused before a byte is read`() throws {
        let (_, file) = try file()
        let memory = try GuestMemory(byteCount: 32 << 20)
        let start = GuestAddress((32 << 20) - 1000)
        #expect(throws: MemoryError.outOfRange(start, count: 1001)) {
            _ = try memory.fill(from: file, 0..<1001, at: start)
        }
        #expect(try memory.read(at: start, count: 1000).allSatisfy { $0 == 0 })
    }
}
