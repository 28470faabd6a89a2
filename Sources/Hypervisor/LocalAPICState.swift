// SPDX-License-Identifier: Apache-2.0

/// The registers of a local APIC as they lie in its page, in either mode. Intel SDM 3, 11.4.1;
/// KVM API, KVM_GET_LAPIC.
///
/// Each register is 32 bits at a multiple of 16. Besides what the guest could read there, the
/// count at 0x390 is that of the moment of saving, and in x2APIC mode the ID at 0x20 is whole.
/// IA32_APIC_BASE and IA32_TSC_DEADLINE are with the processor's other registers.
package struct LocalAPICState: Hashable, Sendable {
    package static var byteCount: Int { 1024 }

    /// Always ``byteCount`` bytes.
    package private(set) var bytes: [UInt8]

    package init() { bytes = [UInt8](repeating: 0, count: Self.byteCount) }

    /// Nil unless there are ``byteCount`` bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// The register at `offset`, little-endian; 0 past the page's end, where writes do nothing.
    package subscript(offset: Int) -> UInt32 {
        get {
            guard offset >= 0, offset <= Self.byteCount - 4 else { return 0 }
            return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32($1 * 8) }
        }
        set {
            guard offset >= 0, offset <= Self.byteCount - 4 else { return }
            for index in 0..<4 {
                bytes[offset + index] = UInt8(truncatingIfNeeded: newValue >> UInt32(index * 8))
            }
        }
    }
}
