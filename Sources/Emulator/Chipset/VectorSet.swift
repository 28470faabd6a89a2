// SPDX-License-Identifier: Apache-2.0

/// A set of the 256 interrupt vectors: IRR, ISR or TMR of a local APIC. Intel SDM 3, 11.8.4.
package struct VectorSet: Hashable, Sendable {
    /// Bit `v % 64` of word `v / 64` is vector `v`.
    package var words = InlineArray<4, UInt64>(repeating: 0)

    package init() {}

    package init(_ vectors: [UInt8]) {
        for vector in vectors { insert(vector) }
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.words.indices.allSatisfy { left.words[$0] == right.words[$0] }
    }

    package func hash(into hasher: inout Hasher) {
        for index in words.indices { hasher.combine(words[index]) }
    }

    @inline(__always)
    package func contains(_ vector: UInt8) -> Bool {
        words[Int(vector >> 6)] >> UInt64(vector & 63) & 1 != 0
    }

    package mutating func insert(_ vector: UInt8) {
        words[Int(vector >> 6)] |= 1 << UInt64(vector & 63)
    }

    package mutating func remove(_ vector: UInt8) {
        words[Int(vector >> 6)] &= ~(1 << UInt64(vector & 63))
    }

    /// The vector of highest priority, which is the highest number.
    @inline(__always)
    package var highest: UInt8? {
        var index = 3
        while index >= 0 {
            let word = words[index]
            if word != 0 {
                return UInt8(truncatingIfNeeded: index &* 64 &+ 63 &- word.leadingZeroBitCount)
            }
            index &-= 1
        }
        return nil
    }

    /// The 32 vectors from `32 * index` up, as the APIC's registers show them; `index` 0 to 7.
    package func register(_ index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: words[(index >> 1) & 3] >> (index & 1 == 0 ? 0 : 32))
    }
}
