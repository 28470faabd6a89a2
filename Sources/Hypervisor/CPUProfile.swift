// SPDX-License-Identifier: Apache-2.0

/// Who executes a guest's instructions.
package enum EngineKind: String, Hashable, Sendable, CaseIterable {
    /// The software processor.
    case soft
    /// KVM on a processor's own virtualization.
    case hardware
    /// KVM inside a virtual machine.
    case nested
    /// KVM on page tables alone: guest kernels are emulated.
    case pvm
}

/// What a guest's processors are: part of a machine's state, since a guest that has looked at its
/// processor must not find another one.
package struct CPUProfile: Hashable, Sendable {
    package var kind: EngineKind
    /// As the boot processor answers.
    package var cpuid: CPUIDTable
    /// Who made the processor that executes it, whatever CPUID says to the guest.
    package var vendor: String
    /// Thousands of ticks of the time stamp counter a second.
    package var tscKilohertz: UInt32
    /// The engine can make the counter run at another rate than its host's.
    package var scalesTSC: Bool

    /// - Parameter vendor: Nil: whom CPUID names.
    package init(
        kind: EngineKind, cpuid: CPUIDTable, vendor: String? = nil, tscKilohertz: UInt32,
        scalesTSC: Bool = false
    ) {
        self.kind = kind
        self.cpuid = cpuid
        self.vendor = vendor ?? cpuid.vendor
        self.tscKilohertz = tscKilohertz
        self.scalesTSC = scalesTSC
    }

    /// What a guest may be given that is to move between an engine of this profile and one of
    /// `other`: this one's answers of CPUID without the features that the other lacks, and the rate
    /// of the one that cannot choose. Both engines are then made with these.
    ///
    /// To be asked of the software engine's profile at the other's rate, since that says it in CPUID.
    package func common(with other: CPUProfile) -> CPUProfile {
        var common = self
        for word in FeatureWord.all {
            let offered = other.cpuid[word.leaf, word.index].map { $0[word.register] } ?? 0
            common.cpuid.change(word.leaf, word.index) {
                $0[word.register] &= offered | word.ignored
            }
        }
        // Bits of physical and linear addresses: a byte each.
        if let sizes = other.cpuid[0x8000_0008] {
            common.cpuid.change(0x8000_0008) {
                let physical = min($0.eax & 0xff, sizes.eax & 0xff)
                let linear = min($0.eax & 0xff00, sizes.eax & 0xff00)
                $0.eax = $0.eax & ~0xffff | linear | physical
            }
        }
        if scalesTSC { common.tscKilohertz = other.tscKilohertz }
        common.scalesTSC = scalesTSC && other.scalesTSC
        return common
    }

    /// A rate may be off by one part in this many: what guests allow a clock.
    package static var tscTolerance: UInt { 4000 }

    /// Why a guest of this profile cannot go on where `offered` is what the engine can give; nil
    /// if it can.
    package func refusal(on offered: CPUProfile) -> String? {
        if kind != .soft, offered.kind != .soft, vendor != offered.vendor {
            return "the guest ran on a processor of \(vendor), and this host's is of "
                + offered.vendor
        }
        for word in FeatureWord.all {
            guard let missing = word.missing(of: cpuid, in: offered.cpuid) else { continue }
            return "the guest uses the processor feature \(missing), which this host's "
                + "\(offered.kind.rawValue) engine does not offer"
        }
        let difference = tscKilohertz.distance(to: offered.tscKilohertz).magnitude
        if !offered.scalesTSC, difference > UInt(tscKilohertz) / Self.tscTolerance {
            return "the guest's time stamp counter runs at \(tscKilohertz) kHz, this engine's at "
                + "\(offered.tscKilohertz) kHz, and it cannot be scaled here"
        }
        return nil
    }
}
