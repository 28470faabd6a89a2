// SPDX-License-Identifier: Apache-2.0

/// The address of an Ethernet interface.
package struct MACAddress: Hashable, Sendable {
    /// As they go over the wire, the first of the address in the lowest byte.
    private var value: UInt64

    /// Six zeroes: no address.
    package init() { value = 0 }

    /// The six lowest bytes of `word`, the first of the address in the lowest.
    package init(_ word: UInt64) { value = word & 0xffff_ffff_ffff }

    /// Six bytes; nil if there are more or fewer.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        value = 0
        for (index, byte) in bytes.enumerated() { value |= UInt64(byte) << UInt64(index * 8) }
    }

    /// Six pairs of hexadecimal digits with colons between; nil if it is anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part -> UInt8? in
            guard part.utf8.count == 2, part.utf8.allSatisfy({ $0 != 0x2b && $0 != 0x2d })
            else { return nil }
            return UInt8(part, radix: 16)
        }
        guard parts.count == 6 else { return nil }
        self.init(bytes)
    }

    package var bytes: [UInt8] { (0..<6).map { self[$0] } }

    /// Byte `index` of six.
    package subscript(index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: value >> UInt64(truncatingIfNeeded: index * 8))
    }

    /// It names one interface, not a group or nobody.
    package var isUnicast: Bool { value != 0 && value & 1 == 0 }
}

extension MACAddress: CustomStringConvertible {
    package var description: String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined(separator: ":")
    }
}
