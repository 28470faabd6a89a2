// SPDX-License-Identifier: Apache-2.0

/// A set of the 256 interrupt vectors: IRR, ISR or TMR of a local APIC. Intel SDM 3, 11.8.4.
package struct VectorSet: Hashable, Sendable {
    /// Bit `v % 64` of word `v / 64` is vector `v`.
    package var words = SIMD4<UInt64>(repeating: 0)

    package init() {}

    package init(_ vectors: [UInt8]) {
        for vector in vectors { insert(vector) }
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
        for index in stride(from: 3, through: 0, by: -1) where words[index] != 0 {
            return UInt8(truncatingIfNeeded: index * 64 + 63 - words[index].leadingZeroBitCount)
        }
        return nil
    }

    /// The 32 vectors from `32 * index` up, as the APIC's registers show them; `index` 0 to 7.
    package func register(_ index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: words[(index >> 1) & 3] >> (index & 1 == 0 ? 0 : 32))
    }
}
