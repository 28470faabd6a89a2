// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Boot

/// Invariants over many memory sizes, kernels and initrds.
@Suite struct PlacementTests {
    static let sizes: [UInt64] = [
        32 << 20, 33 << 20, 64 << 20, 127 << 20, 128 << 20, 1 << 30, 3 << 30 - 1 << 20, 3 << 30,
        4 << 30, 6 << 30, 64 << 30,
    ]

    static func regions(_ size: UInt64) -> [Range<UInt64>] {
        let low = min(size, 3 << 30)
        let rest = size - low
        return rest == 0 ? [0..<low] : [0..<low, (4 << 30)..<(4 << 30 + rest)]
    }

    @Test(arguments: sizes)
    func `the memory map tells all RAM once, without tables and hole`(_ size: UInt64) {
        let map = MemoryMap(regions: Self.regions(size))
        let ram = map.entries.filter { $0.kind == .ram }.reduce(0) { $0 + $1.byteCount }
        #expect(ram == size - (BootLayout.highMemory - BootLayout.lowMemoryEnd))
        for (one, next) in zip(map.entries, map.entries.dropFirst()) {
            #expect(one.base + one.byteCount <= next.base)
        }
        for entry in map.entries where entry.kind == .ram {
            #expect(entry.base + entry.byteCount <= 3 << 30 || entry.base >= 4 << 30)
            #expect(entry.byteCount > 0)
        }
    }

    @Test(arguments: sizes)
    func `kernel and initrd never meet, whatever their sizes`(_ size: UInt64) throws {
        var generator = SeededGenerator(seed: size)
        let lowEnd = MemoryMap(regions: Self.regions(size)).lowEnd
        var placed = 0
        for _ in 0..<2000 {
            var file = BzImageFile()
            file.preferred = UInt64.random(in: 0...0x200, using: &generator) << 20
            file.initSize = UInt32.random(in: 1...0x400_0000, using: &generator)
            file.initrdLast = UInt32.random(in: 0x40_0000...0x7fff_ffff, using: &generator)
            let bytes = file.bytes
            guard
                let plan = try? BootImage.plan(
                    kernel: ByteArray(bytes), entryProtocol: nil, lowEnd: lowEnd)
            else { continue }
            #expect(plan.extent.lowerBound >= 1 << 20 && plan.extent.upperBound <= lowEnd)
            let count = Int.random(in: 1...(64 << 20), using: &generator)
            guard let start = try? plan.initrdAddress(byteCount: count, lowEnd: lowEnd) else {
                continue
            }
            let initrd = start..<(start + UInt64(count))
            #expect(start % 4096 == 0 && start >= 1 << 20)
            #expect(!initrd.overlaps(plan.extent))
            #expect(initrd.upperBound <= min(lowEnd, UInt64(file.initrdLast) + 1))
            placed += 1
        }
        #expect(placed > 0)
    }

    @Test func `the initrd goes below a kernel that leaves no room above`() throws {
        let segment = KernelSegment(file: 0..<1, start: 28 << 20, byteCount: 3 << 20)
        let plan = try KernelPlan(.linux64, [segment], entry: 28 << 20, lowEnd: 32 << 20)
        #expect(try plan.initrdAddress(byteCount: 1 << 20, lowEnd: 32 << 20) == 31 << 20)
        #expect(try plan.initrdAddress(byteCount: 2 << 20, lowEnd: 32 << 20) == 26 << 20)
        #expect(throws: BootError.initrdDoesNotFit(byteCount: 28 << 20, room: 27 << 20)) {
            try plan.initrdAddress(byteCount: 28 << 20, lowEnd: 32 << 20)
        }
    }

    @Test func `tables do not meet each other`() throws {
        let configuration = (0..<18).map {
            MMIODevice(base: 0xc000_0000 + UInt64($0) * 4096, gsi: 5 + UInt32($0))
        }
        let ids = (0..<32).map { UInt32($0) }
        var ranges = [
            BootLayout.commandLine..<(BootLayout.commandLine + UInt64(BootLayout.commandLineLimit)),
            BootLayout.stackTop - 0xff0..<BootLayout.stackTop,
            BootLayout.mpTable..<(BootLayout.mpTable + UInt64(MPTable.bytes(cpuCount: 32).count)),
        ]
        let acpi = ACPITables.bytes(apicIDs: ids, devices: configuration)
        ranges.append(BootLayout.acpi..<(BootLayout.acpi + UInt64(acpi.count)))
        #expect(ranges[2].upperBound <= BootLayout.mpTableEnd)
        #expect(ranges[3].upperBound <= BootLayout.highMemory)
        try InitialState.eachPageTable { address, entries throws(BootError) in
            ranges.append(address..<(address + UInt64(entries.count * 8)))
        }
        for entryProtocol in BootProtocol.allCases {
            let handover = Handover(
                map: MemoryMap(regions: Self.regions(64 << 30)), initrd: 0x100_0000..<0x200_0000,
                commandLineCount: 2048, setupHeader: [],
                randomSeed: [UInt8](repeating: 1, count: BootConfiguration.randomSeedLimit))
            let pieces =
                handover.pieces(entryProtocol) + [InitialState.descriptors(entryProtocol)]
            let all =
                ranges + pieces.map { $0.address..<($0.address + UInt64($0.bytes.count)) }
            for (index, one) in all.enumerated() {
                for other in all[(index + 1)...] { #expect(!one.overlaps(other)) }
            }
        }
    }
}
