// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support
import Synchronization
import Testing

@testable import Memory

@Suite struct GuestMemoryTests {
    private static let mebibyte: UInt64 = 1 << 20

    @Test(arguments: [0, 1 << 20, (2 << 20) + 4096, (64 << 30) + (1 << 20), .max] as [UInt64])
    func `RAM is whole MiB from 2 MiB to 64 GiB`(_ byteCount: UInt64) {
        #expect(throws: MemoryError.size(byteCount)) {
            _ = try GuestMemory(byteCount: byteCount)
        }
    }

    static let hasHugePages = HostFiles().exists("/sys/kernel/mm/transparent_hugepage/enabled")

    /// What the kernel says of RAM that is to be of large pages: advice comes before the pages.
    @Test(
        .enabled(if: hasHugePages),
        arguments: [
            (.none, false, false), (.transparent, false, false), (.transparent, true, false),
            (.transparent, true, true),
        ] as [(GuestMemory.HugePages, Bool, Bool)])
    func `Transparent huge pages are asked for, and for RAM only`(
        _ pages: GuestMemory.HugePages, _ prefault: Bool, _ hasFile: Bool
    ) throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        let files = hasFile ? [try PersistentFile(file.path, isReadOnly: false)] : []
        let memory = try GuestMemory(
            byteCount: 7 << 20, persistent: files, hugePages: pages, prefault: prefault)
        defer { withExtendedLifetime((memory, file)) {} }
        // What it says of the mapping that begins at an address.
        func facts(at address: UInt) throws -> [String: String] {
            var facts: [String: String] = [:]
            var isThere = false
            let text = try #require(HostFiles().text("/proc/self/smaps"))
            for line in text.split(separator: "\n") {
                let name = line.prefix { $0 != " " }
                if !name.hasSuffix(":") {
                    isThere = UInt(name.prefix { $0 != "-" }, radix: 16) == address
                } else if isThere {
                    facts[String(name)] = String(line.dropFirst(name.count))
                }
            }
            return facts
        }
        let ram = try facts(at: memory.regions[0].hostAddress)
        let flags = try #require(ram["VmFlags:"]).split(separator: " ")
        #expect(flags.contains("hg") == (pages == .transparent))
        #expect(ram["Rss:"]?.contains(" 7168 kB") == prefault)
        for persistent in memory.persistent {
            let flags = try #require(facts(at: persistent.region.hostAddress)["VmFlags:"])
            #expect(!flags.split(separator: " ").contains("hg"))
        }
    }

    /// How RAM of some size lies around the hole below 4 GiB.
    struct Layout: CustomTestStringConvertible, Sendable {
        let byteCount: UInt64
        let regions: [Range<UInt64>]
        var testDescription: String { "\(byteCount >> 20) MiB" }
    }

    @Test(arguments: [
        Layout(byteCount: 2 << 20, regions: [0..<2 << 20]),
        Layout(byteCount: 32 << 20, regions: [0..<32 << 20]),
        Layout(byteCount: 3 << 30, regions: [0..<3 << 30]),
        Layout(
            byteCount: (3 << 30) + (1 << 20),
            regions: [0..<3 << 30, 4 << 30..<(4 << 30) + (1 << 20)]),
        Layout(byteCount: 64 << 30, regions: [0..<3 << 30, 4 << 30..<65 << 30]),
    ])
    func `RAM leaves the hole below 4 GiB free`(_ layout: Layout) throws {
        let memory = try GuestMemory(byteCount: layout.byteCount)
        #expect(memory.regions.map { $0.base.rawValue..<$0.end } == layout.regions)
        #expect(memory.byteCount == layout.byteCount)
        for region in layout.regions {
            #expect(memory.contains(GuestAddress(region.lowerBound), count: UInt64(region.count)))
            let last = GuestAddress(region.upperBound - 1)
            #expect(memory.contains(last, count: 1))
            #expect(!memory.contains(last, count: 2))
            #expect(!memory.contains(GuestAddress(region.upperBound), count: 1))
        }
    }

    /// An access to 3 GiB and 1 MiB of RAM that is not all RAM.
    struct Outside: CustomTestStringConvertible, Sendable {
        let address: UInt64
        let count: UInt64
        var testDescription: String { String(address, radix: 16) + "+\(count)" }
    }

    @Test(arguments: [
        Outside(address: (3 << 30) - 1, count: 2), Outside(address: 3 << 30, count: 1),
        Outside(address: (4 << 30) - 1, count: 1), Outside(address: (4 << 30) - 1, count: 2),
        Outside(address: (4 << 30) + (1 << 20), count: 1), Outside(address: .max, count: 1),
        Outside(address: .max, count: .max), Outside(address: 0, count: .max),
        Outside(address: 4 << 30, count: .max), Outside(address: 0, count: (3 << 30) + 1),
    ])
    func `What is not all RAM of one region is out of range`(_ outside: Outside) throws {
        let memory = try GuestMemory(byteCount: (3 << 30) + Self.mebibyte)
        let address = GuestAddress(outside.address)
        #expect(!memory.contains(address, count: outside.count))
        guard let count = Int(exactly: outside.count), count <= 2 else { return }
        let error = MemoryError.outOfRange(address, count: outside.count)
        #expect(throws: error) { _ = try memory.read(at: address, count: count) }
        #expect(throws: error) {
            try memory.write([UInt8](repeating: 1, count: count), at: address)
        }
        #expect(throws: error) { try memory.zero(at: address, count: count) }
    }

    @Test func `Bytes, values and indices come back as they went, at odd addresses too`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        let bytes = (0..<255).map { UInt8($0) }
        try memory.write(bytes, at: GuestAddress(4097))
        #expect(try memory.read(at: GuestAddress(4097), count: 255) == bytes)
        #expect(try memory.load(UInt32.self, at: GuestAddress(4098)) == 0x0403_0201)
        try memory.store(UInt64(0x1122_3344_5566_7788), at: GuestAddress(4099))
        #expect(try memory.load(UInt8.self, at: GuestAddress(4099)) == 0x88)
        try memory.storeRelease(0xabcd, at: GuestAddress(4100))
        #expect(try memory.loadAcquire(at: GuestAddress(4100)) == 0xabcd)
        try memory.zero(at: GuestAddress(4097), count: 255)
        #expect(try memory.read(at: GuestAddress(4096), count: 257).allSatisfy { $0 == 0 })
    }

    @Test func `The file behind it holds what the guest sees`() throws {
        let memory = try GuestMemory(byteCount: (3 << 30) + Self.mebibyte)
        try memory.store(UInt32(0xcafe_f00d), at: GuestAddress(4 << 30))
        let region = memory.regions[1]
        let other = try Mapping.shared(
            memory.file, byteCount: 4096, offset: region.fileOffset)
        let page = unsafe UnsafeRawPointer(bitPattern: other.address)
        let value = unsafe page?.load(as: UInt32.self)
        #expect(value == 0xcafe_f00d)
    }

    @Test func `Whoever caches guest code is told of each write by the host`() throws {
        final class Observer: GuestWriteObserver {
            let writes = Mutex<[ClosedRange<UInt64>]>([])
            func hostWrote(at address: GuestAddress, count: UInt64) {
                writes.withLock { $0.append(address.rawValue...address.rawValue + count - 1) }
            }
        }
        let memory = try GuestMemory(byteCount: 32 << 20)
        let observer = Observer()
        memory.writeObserver = observer
        try memory.store(UInt16(1), at: GuestAddress(0x1000))
        try memory.write([1, 2, 3], at: GuestAddress(0x2000))
        try memory.storeRelease(1, at: GuestAddress(0x3000))
        var slices = GuestSlices(memory)
        try slices.append(GuestAddress(0x4000), count: 4)
        try slices.append(GuestAddress(0x5000), count: 4)
        let six: [UInt8] = [9, 9, 9, 9, 9, 9]
        unsafe slices.copyIn(six.span.bytes, at: 1)
        #expect(
            observer.writes.withLock { $0 } == [
                0x1000...0x1001, 0x2000...0x2002, 0x3000...0x3001, 0x4001...0x4003,
                0x5000...0x5002,
            ])
    }
}
