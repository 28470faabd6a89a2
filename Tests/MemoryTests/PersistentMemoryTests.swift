// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Testing

@testable import Memory

/// Files as memory of the guest's.
@Suite struct PersistentMemoryTests {
    static let base = GuestAddress(PersistentMemory.base)
    static let granule = PersistentFile.granule

    private func memory(
        _ files: [(ScratchFile, isReadOnly: Bool)], pluggable: PluggableSize? = nil
    ) throws -> GuestMemory {
        try GuestMemory(
            byteCount: 33 << 20, pluggable: pluggable,
            persistent: try files.map { try PersistentFile($0.path, isReadOnly: $1) })
    }

    @Test func `What the guest writes is in the file, and what is in the file it reads`() throws {
        let file = try ScratchFile(byteCount: 3 << 20)
        try file.write([1, 2, 3, 4], at: 1 << 20)
        let memory = try memory([(file, false)])
        #expect(try memory.load(UInt32.self, at: Self.base &+ 1 << 20) == 0x0403_0201)
        try memory.store(UInt64(0x1122_3344_5566_7788), at: Self.base &+ ((3 << 20) - 8))
        #expect(
            try file.read(at: (3 << 20) - 8, count: 8)
                == [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
        try memory.persistent[0].file.flush()
    }

    @Test func `Sizes are made whole, and what lies behind the file is nobody's`() throws {
        let file = try ScratchFile(byteCount: 5000)
        let memory = try memory([(file, false)])
        let region = memory.persistent[0].region
        #expect(region.byteCount == Self.granule)
        #expect(memory.contains(Self.base, count: Self.granule))
        #expect(!memory.contains(Self.base, count: Self.granule + 1))
        for place in [5000, 8191, 8192, Self.granule - 1] {
            #expect(try memory.load(UInt8.self, at: Self.base &+ place) == 0)
            try memory.store(UInt8(9), at: Self.base &+ place)
        }
        #expect(try file.read(count: 10_000) == [UInt8](repeating: 0, count: 5000))
    }

    @Test func `Files lie one behind the other, and apart from RAM`() throws {
        let files = try [1 << 20, 4 << 20, 2 << 20].map { try ScratchFile(byteCount: $0) }
        let memory = try memory(
            [(files[0], false), (files[1], false), (files[2], true)],
            pluggable: PluggableSize(byteCount: 6 << 20))
        let starts: [UInt64] = [0, 2 << 20, 6 << 20]
        #expect(
            memory.persistent.map { $0.region.base.rawValue - PersistentMemory.base } == starts)
        #expect(memory.mappedRegions.count == 4)
        #expect(memory.regions.count == 2)
        let hosts = memory.persistent.map(\.region.hostAddress)
        #expect(hosts.allSatisfy { $0 % UInt(Self.granule) == 0 })
        try memory.store(UInt8(7), at: memory.persistent[1].region.base)
        #expect(try files[1].read(count: 1) == [7])
        #expect(try memory.load(UInt8.self, at: GuestAddress(0)) == 0)
        // No stretch goes from one file to the next.
        #expect(!memory.contains(Self.base, count: Self.granule + 1))
        try memory.plug(blocks: 0..<3)
        #expect(memory.contains(GuestAddress(PluggableMemory.base), count: 6 << 20))
        let beyond: [UInt64] = [PersistentMemory.base + 8 << 20, 512 << 30, UInt64.max - 7]
        for address in beyond {
            #expect(throws: MemoryError.self) {
                try memory.load(UInt8.self, at: GuestAddress(address))
            }
        }
    }

    @Test func `What is read-only can be read, and the host holds to the rest`() throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        try file.write([5, 6, 7, 8])
        let memory = try memory([(file, true)])
        #expect(try memory.load(UInt32.self, at: Self.base) == 0x0807_0605)
        #expect(try memory.read(at: Self.base, count: 2) == [5, 6])
        #expect(throws: MemoryError.self) { try memory.store(UInt8(0), at: Self.base) }
        #expect(throws: MemoryError.self) { try memory.write([1], at: Self.base) }
        #expect(throws: MemoryError.self) { try memory.zero(at: Self.base, count: 1) }
        #expect(throws: MemoryError.self) { try memory.storeRelease(1, at: Self.base) }
        memory.store16(1, at: Self.base)
        memory.store64(1, at: Self.base)
        var slices = GuestSlices(memory)
        try slices.append(readable: Self.base, count: 4)
        #expect(slices.byteCount == 4)
        #expect(throws: MemoryError.self) { try slices.append(Self.base, count: 4) }
        #expect(!memory.contains(Self.base, count: 1))
        #expect(try file.read(count: 4) == [5, 6, 7, 8])
        // The mapping itself: r--s.
        let address = String(memory.persistent[0].region.hostAddress, radix: 16)
        let maps = String(decoding: try FileDescriptorText.read("/proc/self/maps"), as: UTF8.self)
        let line = try #require(maps.split(separator: "\n").first { $0.hasPrefix(address) })
        #expect(line.contains(" r--s ") && line.hasSuffix(file.path))
    }

    @Test func `A balloon takes nothing from a file`() throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        try file.write([1], at: 4096)
        let memory = try memory([(file, false)])
        #expect(throws: MemoryError.self) { try memory.discard(Self.base, count: 2 << 20) }
        #expect(try file.read(at: 4096, count: 1) == [1])
    }

    @Test func `What can be no memory is refused`() throws {
        let empty = try ScratchFile()
        let huge = try ScratchFile(byteCount: 257 << 30)
        let half = try ScratchFile(byteCount: 129 << 30)
        let open = { (path: String) throws in try PersistentFile(path, isReadOnly: false) }
        #expect(throws: PersistentFileError.empty(empty.path)) { try open(empty.path) }
        #expect(throws: PersistentFileError.size(huge.path, 257 << 30)) { try open(huge.path) }
        #expect(throws: PersistentFileError.kind("/dev/null")) { try open("/dev/null") }
        #expect(throws: PersistentFileError.self) { try open("/tmp") }
        #expect(throws: PersistentFileError.self) { try open("/no/such/file") }
        #expect(throws: MemoryError.persistent) {
            try GuestMemory(
                byteCount: 32 << 20, persistent: [open(half.path), open(half.path)])
        }
    }

    @Test func `A file that has become shorter is found out`() throws {
        let file = try ScratchFile(byteCount: 4 << 20)
        let memory = try memory([(file, false)])
        #expect(memory.lostFile == nil)
        try file.resize(8 << 20)
        #expect(memory.lostFile == nil)
        try file.resize(4096)
        #expect(memory.lostFile?.path == file.path)
    }
}

/// A file of the kernel's own, which has no size.
private enum FileDescriptorText {
    static func read(_ path: String) throws -> [UInt8] {
        try #require(try FileSystem.contents(of: path, limit: 4 << 20))
    }
}
