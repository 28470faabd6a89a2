// SPDX-License-Identifier: Apache-2.0
import Memory

/// What lies where in guest-physical space, as e820, PVH and Multiboot tell it.
struct MemoryMap: Sendable {
    enum Kind: UInt32, Sendable {
        case ram = 1
        case reserved = 2
    }

    struct Entry: Hashable, Sendable {
        let base: UInt64
        let byteCount: UInt64
        let kind: Kind
    }

    /// Ascending and apart.
    let entries: [Entry]
    /// Where RAM below the hole for devices ends.
    let lowEnd: UInt64

    init(_ memory: GuestMemory) {
        // Lazily: an array of ranges is a type that the start would have to make.
        self.init(regions: memory.bootRegions.lazy.map { $0.base.rawValue..<$0.end })
    }

    /// - Parameter regions: RAM, ascending; the first begins at 0 and has more than 1 MiB.
    init(regions: some Collection<Range<UInt64>>) {
        lowEnd = regions.first?.upperBound ?? 0
        let low = BootLayout.lowMemoryEnd
        let high = BootLayout.highMemory
        entries =
            [
                Entry(base: 0, byteCount: low, kind: .ram),
                Entry(base: low, byteCount: high - low, kind: .reserved),
                Entry(base: high, byteCount: lowEnd - min(high, lowEnd), kind: .ram),
            ]
            + regions.dropFirst().map {
                Entry(base: $0.lowerBound, byteCount: $0.upperBound - $0.lowerBound, kind: .ram)
            }
    }
}
