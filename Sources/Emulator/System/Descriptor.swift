// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// An entry of the GDT or an LDT. Intel SDM 3, 3.4.5.
struct Descriptor {
    /// The first eight bytes.
    var low: UInt64
    /// The second eight, of system segments in long mode.
    var high: UInt64 = 0

    /// Type and S: 0x10 and up code and data, below system.
    var type: UInt8 { UInt8(truncatingIfNeeded: low >> 40) & 0x1f }
    var dpl: UInt8 { UInt8(truncatingIfNeeded: low >> 45) & 3 }
    var isPresent: Bool { low >> 47 & 1 != 0 }
    var isLong: Bool { low >> 53 & 1 != 0 }
    var isBig: Bool { low >> 54 & 1 != 0 }
    var isCode: Bool { type & 0x18 == 0x18 }
    var isConforming: Bool { type & 0x1c == 0x1c }
    var isReadableCode: Bool { type & 0x1a == 0x1a }
    var isData: Bool { type & 0x18 == 0x10 }
    var isWritableData: Bool { type & 0x1a == 0x12 }
    var isSystem: Bool { type & 0x10 == 0 }
    var isAccessed: Bool { type & 1 != 0 }

    /// Linear base; bits 32 to 63 from the second half.
    var base: UInt64 {
        (low >> 16 & 0xff_ffff) | (low >> 32 & 0xff00_0000) | high << 32
    }
    /// The last valid offset.
    var limit: UInt32 {
        let raw = UInt32(truncatingIfNeeded: (low & 0xffff) | (low >> 32 & 0xf_0000))
        return low >> 55 & 1 != 0 ? raw << 12 | 0xfff : raw
    }
    var attributes: UInt16 { UInt16(truncatingIfNeeded: low >> 40) & 0xf0ff }

    /// As a segment register holds it once it has been loaded through `selector`.
    func segment(_ selector: UInt16) -> Segment {
        let accessed: UInt16 = isSystem ? 0 : 1
        return Segment(
            selector: selector, base: base, limit: limit, attributes: attributes | accessed)
    }
}

extension Processor {
    /// Linear address of the entry that `selector` names, or nil if the table has no such entry.
    /// `byteCount` of it must lie inside.
    func descriptorAddress(_ selector: UInt16, byteCount: UInt32 = 8) -> UInt64? {
        let offset = UInt32(selector & 0xfff8)
        let last = offset &+ byteCount &- 1
        if selector & 4 == 0 {
            return last <= UInt32(state.gdt.limit) ? state.gdt.base &+ UInt64(offset) : nil
        }
        let usable = state.ldt.attributes & 0x80 != 0
        return usable && last <= state.ldt.limit ? state.ldt.base &+ UInt64(offset) : nil
    }

    /// Reads the descriptor that `selector` names. If there is none, `exception` is pending with
    /// the selector and `external` as its error code.
    func descriptor(
        _ selector: UInt16, else exception: Exception, external: UInt32 = 0
    ) -> Descriptor? {
        guard let address = descriptorAddress(selector) else {
            _ = refuse(exception, selector, external: external)
            return nil
        }
        guard let low = systemLoad(address, UInt64.self) else { return nil }
        return Descriptor(low: low)
    }

    /// As ``descriptor(_:else:external:)`` for a system segment, which has 16 bytes in long mode.
    func systemDescriptor(_ selector: UInt16, else exception: Exception) -> Descriptor? {
        let isLong = state.mode.has(CodeMode.longActive)
        guard let address = descriptorAddress(selector, byteCount: isLong ? 16 : 8) else {
            _ = refuse(exception, selector)
            return nil
        }
        guard let low = systemLoad(address, UInt64.self) else { return nil }
        guard isLong else { return Descriptor(low: low) }
        guard let high = systemLoad(address &+ 8, UInt64.self) else { return nil }
        return Descriptor(low: low, high: high)
    }

    /// Sets the accessed bit of a code or data descriptor in its table, if it is not set.
    func markAccessed(_ selector: UInt16, _ descriptor: Descriptor) -> Bool {
        if descriptor.isAccessed { return true }
        guard let address = descriptorAddress(selector) else { return true }
        let byte = UInt8(truncatingIfNeeded: descriptor.low >> 40) | 1
        return systemStore(address &+ 5, byte)
    }
}
