// SPDX-License-Identifier: Apache-2.0

/// A 32-bit or 64-bit value with some of its bits fixed: where ``mask`` is set, bits are those of
/// ``value``; elsewhere they stay.
package struct BitModifier: Hashable, Sendable {
    package var mask: UInt64
    package var value: UInt64

    package init(mask: UInt64, value: UInt64) {
        self.mask = mask
        self.value = value & mask
    }

    /// Firecracker's notation: `0b` and then `0`, `1` or `x` (stays) for each bit, highest first;
    /// bits left out at the front stay, and `_` may stand between them. Nil for anything else, and
    /// for more than `width` bits.
    package init?(_ text: String, width: Int) {
        guard text.hasPrefix("0b") else { return nil }
        var mask: UInt64 = 0
        var value: UInt64 = 0
        var count = 0
        for character in text.utf8.dropFirst(2) where character != UInt8(ascii: "_") {
            mask <<= 1
            value <<= 1
            count += 1
            switch character {
            case UInt8(ascii: "0"): mask |= 1
            case UInt8(ascii: "1"):
                mask |= 1
                value |= 1
            case UInt8(ascii: "x"): break
            default: return nil
            }
            guard count <= width else { return nil }
        }
        guard count > 0 else { return nil }
        self.init(mask: mask, value: value)
    }

    package func apply(to old: UInt64) -> UInt64 { old & ~mask | value }

    package func apply(to old: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: apply(to: UInt64(old)))
    }
}

/// Changes to what processors are, made before their first instruction: Firecracker's custom CPU
/// templates.
package struct CPUTemplate: Hashable, Sendable {
    /// Changes to one answer of CPUID.
    package struct Leaf: Hashable, Sendable {
        package var leaf: UInt32
        package var index: UInt32
        package var registers: [CPUIDRegister: BitModifier] = [:]

        package init(leaf: UInt32, index: UInt32) {
            self.leaf = leaf
            self.index = index
        }

        package func apply(to entry: inout CPUIDEntry) {
            for (register, bits) in registers {
                entry[register] = bits.apply(to: entry[register])
            }
        }
    }

    /// Changes to the initial value of a model-specific register.
    package struct Register: Hashable, Sendable {
        package var number: UInt32
        package var bits: BitModifier

        package init(number: UInt32, bits: BitModifier) {
            self.number = number
            self.bits = bits
        }
    }

    package var leaves: [Leaf] = []
    package var registers: [Register] = []
    /// KVM capabilities without which no machine is made.
    package var requiredCapabilities: [UInt32] = []
    /// KVM capabilities that are not insisted on, though the engine would.
    package var waivedCapabilities: [UInt32] = []

    package init() {}

    /// Changes `table`. The error names a leaf that the processor does not have.
    package func apply(to table: inout CPUIDTable) throws(EngineError) {
        for change in leaves {
            guard table[change.leaf, change.index] != nil else {
                throw .template(
                    "CPUID leaf 0x\(String(change.leaf, radix: 16)), subleaf "
                        + "0x\(String(change.index, radix: 16))")
            }
            table.change(change.leaf, change.index) { change.apply(to: &$0) }
        }
    }
}
