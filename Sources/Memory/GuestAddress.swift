// SPDX-License-Identifier: Apache-2.0

/// An address in guest-physical space. Arithmetic wraps or reports; it never traps, as the
/// guest may have chosen the number.
package struct GuestAddress: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The address `count` bytes up, or nil past the end of the 64-bit space.
    package func advanced(by count: UInt64) -> GuestAddress? {
        let (sum, overflow) = rawValue.addingReportingOverflow(count)
        return overflow ? nil : GuestAddress(sum)
    }

    package static func &+ (left: Self, right: UInt64) -> Self { Self(left.rawValue &+ right) }
}

extension GuestAddress: CustomStringConvertible {
    package var description: String { "0x" + String(rawValue, radix: 16) }
}
