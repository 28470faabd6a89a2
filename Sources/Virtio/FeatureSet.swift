// SPDX-License-Identifier: Apache-2.0

/// Features that a device offers and a driver accepts. VIRTIO 1.2, 2.2 and 6.
package struct FeatureSet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The feature with number `bit`, below 64.
    package init(bit: UInt64) { rawValue = 1 << bit }

    /// Descriptors may point to tables of descriptors. 2.7.5.3.
    package static let indirectDescriptors = FeatureSet(bit: 28)
    /// Each side says at which index it wants to hear from the other. 2.7.10.
    package static let eventIndex = FeatureSet(bit: 29)
    /// The driver follows VIRTIO 1.0 or later. 6.1.
    package static let version1 = FeatureSet(bit: 32)

    /// What every queue of ours can do, whatever the device.
    package static let queue: FeatureSet = [.indirectDescriptors, .eventIndex, .version1]

    /// Half of the set: bits 0 to 31 (`selector` 0) or 32 to 63 (1); nothing elsewhere.
    func word(_ selector: UInt32) -> UInt32 {
        switch selector {
        case 0: UInt32(truncatingIfNeeded: rawValue)
        case 1: UInt32(truncatingIfNeeded: rawValue >> 32)
        default: 0
        }
    }

    /// This set with one half replaced; a `selector` above 1 changes nothing.
    func replacing(_ selector: UInt32, with word: UInt32) -> FeatureSet {
        switch selector {
        case 0: FeatureSet(rawValue: rawValue & ~0xffff_ffff | UInt64(word))
        case 1: FeatureSet(rawValue: rawValue & 0xffff_ffff | UInt64(word) << 32)
        default: self
        }
    }
}
