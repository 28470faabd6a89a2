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
        for start in starts {
            let place = unsafe Self.bytes(at: start)
            for index in 0..<Self.checkedSize { unsafe place[index] = Self.pattern(index) }
        }
    }

    /// - Parameter pluggable: As for `GuestMemory`.
    package static func make(pluggable: PluggableSize? = nil) throws -> GuardedMemory {
        // The kernel gives addresses downwards, one mapping below the other, but for small gaps
        // that older mappings have left: those are filled by the tries that fail.
        var wasted: [Waste] = []
        for attempt in 0..<64 {
            let above = try Mapping.anonymous(byteCount: guardSize)
            let memory = try GuestMemory(byteCount: 32 << 20, pluggable: pluggable)
            let below = try Mapping.anonymous(byteCount: guardSize)
            let start = memory.regions[0].hostAddress
            let isBetween =
                below.address + UInt(guardSize) == start
                && start + UInt(memory.mappedByteCount) == above.address
            // Tests that run beside this one map memory too; then what is looked at lies near, not
            // next to it.
            if isBetween || attempt == 63 {
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

    /// Bytes next to guest memory that are looked at, on each side.
    private static var checkedSize: Int { 64 << 10 }

    private var starts: [UInt] {
        [below.address + UInt(Self.guardSize - Self.checkedSize), above.address]
    }

    private static func bytes(at start: UInt) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(bitPattern: start), count: checkedSize)
    }

    private static func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31) }

    /// Whether what lies around guest memory is as it was.
    package var isIntact: Bool {
        for start in starts {
            let place = unsafe Self.bytes(at: start)
            for index in 0..<Self.checkedSize where unsafe place[index] != Self.pattern(index) {
                return false
            }
        }
        return true
    }
}
