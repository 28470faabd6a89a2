// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Synchronization

/// Guest memory between two stretches of the host's that nobody may touch. Who has touched them ends
/// the process, at the latest when this goes.
package final class GuardedMemory: Sendable {
    package let memory: GuestMemory
    private let below: Mapping
    private let above: Mapping

    /// The host gave no place with room on both sides.
    package struct NoPlace: Error {}

    /// Bytes on each side that are looked at.
    private static let guardSize = 64 << 10
    /// Those who make such memory at the same time would take each other's places.
    private static let turn = Mutex(())

    private init(
        _ memory: GuestMemory, below: consuming Mapping, above: consuming Mapping
    ) {
        self.memory = memory
        self.below = below
        self.above = above
        for start in starts {
            let words = unsafe Self.words(at: start)
            for index in 0..<Self.wordCount { unsafe words[index] = Self.pattern(index) }
        }
    }

    deinit {
        if !isIntact { fatalError("memory beside the guest's was written") }
    }

    /// - Parameters:
    ///   - byteCount: Whole MiB.
    ///   - pluggable: As for `GuestMemory`.
    package static func make(
        byteCount: UInt64 = 32 << 20, pluggable: PluggableSize? = nil
    ) throws -> GuardedMemory {
        try turn.withLock { _ in
            // The kernel gives the highest addresses that have room. What lies beside is as large as
            // the memory: gaps that older mappings have left are too small for any of the three, or
            // are filled by the tries that fail. Other threads may come between, too.
            var tries: [Try] = []
            for _ in 0..<64 {
                let next = try Try(byteCount, pluggable)
                if let guarded = next.take() { return guarded }
                tries.append(next)
            }
            throw NoPlace()
        }
    }

    /// Three mappings, one after the other.
    private final class Try {
        private let memory: GuestMemory
        private let room: Int
        private var below: Mapping?
        private var above: Mapping?

        init(_ byteCount: UInt64, _ pluggable: PluggableSize?) throws {
            // Pages that nobody touches cost nothing.
            room = Int(byteCount + (pluggable?.byteCount ?? 0)) + 4 << 20
            above = try Mapping.anonymous(byteCount: room)
            memory = try GuestMemory(byteCount: byteCount, pluggable: pluggable)
            below = try Mapping.anonymous(byteCount: room)
        }

        /// Nil if they do not lie one beside the other.
        func take() -> GuardedMemory? {
            let start = memory.regions[0].hostAddress
            guard let low = below?.address, let high = above?.address,
                low + UInt(room) == start, start + UInt(memory.mappedByteCount) == high,
                let below = below.take(), let above = above.take()
            else { return nil }
            return GuardedMemory(memory, below: below, above: above)
        }
    }

    private var starts: [UInt] {
        [below.address + UInt(below.byteCount - Self.guardSize), above.address]
    }

    private static var wordCount: Int { guardSize / 8 }

    private static func words(at start: UInt) -> UnsafeMutableBufferPointer<UInt64> {
        unsafe UnsafeMutableBufferPointer(
            start: UnsafeMutablePointer(bitPattern: start), count: wordCount)
    }

    private static func pattern(_ index: Int) -> UInt64 {
        UInt64(index &+ 1) &* 0x9e37_79b9_7f4a_7c15
    }

    /// Whether what lies around guest memory is as it was.
    package var isIntact: Bool {
        for start in starts {
            let words = unsafe Self.words(at: start)
            for index in 0..<Self.wordCount where unsafe words[index] != Self.pattern(index) {
                return false
            }
        }
        return true
    }

    /// `wrong`, or what is wrong with the memory around.
    package func verdict(_ wrong: String?) -> String? {
        wrong ?? (isIntact ? nil : "memory beside the guest's was written")
    }
}
