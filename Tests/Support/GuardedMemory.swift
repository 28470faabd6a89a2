// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory

/// Guest memory between two stretches of the host's that nobody may touch.
package struct GuardedMemory: ~Copyable {
    package let memory: GuestMemory
    private let below: Mapping
    private let above: Mapping

    /// The host gave no place with room on both sides.
    package struct NoPlace: Error {}

    /// Bytes on each side.
    private static var guardSize: Int { 1 << 20 }

    private init(
        _ memory: GuestMemory, below: consuming Mapping, above: consuming Mapping
    ) {
        self.memory = memory
        self.below = below
        self.above = above
        for place in unsafe places {
            for index in unsafe place.indices { unsafe place[index] = Self.pattern(index) }
        }
    }

    /// - Parameter pluggable: As for `GuestMemory`.
    package static func make(pluggable: PluggableSize? = nil) throws -> GuardedMemory {
        // The kernel gives addresses downwards, one mapping below the other, but for small gaps
        // that older mappings have left: those are filled by the tries that fail.
        var wasted: [Waste] = []
        for _ in 0..<64 {
            let above = try Mapping.anonymous(byteCount: guardSize)
            let memory = try GuestMemory(byteCount: GuestMemory.minimum, pluggable: pluggable)
            let below = try Mapping.anonymous(byteCount: guardSize)
            let start = memory.regions[0].hostAddress
            if below.address + UInt(guardSize) == start,
                start + UInt(memory.mappedByteCount) == above.address
            {
                return GuardedMemory(memory, below: below, above: above)
            }
            wasted.append(Waste(above, below))
        }
        throw NoPlace()
    }

    private final class Waste {
        private let first: Mapping
        private let second: Mapping
        init(_ first: consuming Mapping, _ second: consuming Mapping) {
            self.first = first
            self.second = second
        }
    }

    /// Pages next to guest memory, on either side.
    private var places: [UnsafeMutableRawBufferPointer] {
        let size = 64 << 10
        let low = below.address + UInt(Self.guardSize - size)
        return [
            unsafe UnsafeMutableRawBufferPointer(
                start: UnsafeMutableRawPointer(bitPattern: low), count: size),
            unsafe UnsafeMutableRawBufferPointer(
                start: UnsafeMutableRawPointer(bitPattern: above.address), count: size),
        ]
    }

    private static func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31) }

    /// Whether what lies around guest memory is as it was.
    package var isIntact: Bool {
        for place in unsafe places {
            for index in unsafe place.indices where unsafe place[index] != Self.pattern(index) {
                return false
            }
        }
        return true
    }
}
