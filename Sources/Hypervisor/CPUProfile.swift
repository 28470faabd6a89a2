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
    /// Thousands of ticks of the time stamp counter a second.
    package var tscKilohertz: UInt32
    /// The engine can make the counter run at another rate than its host's.
    package var scalesTSC: Bool

    package init(
        kind: EngineKind, cpuid: CPUIDTable, tscKilohertz: UInt32, scalesTSC: Bool = false
    ) {
        self.kind = kind
        self.cpuid = cpuid
        self.tscKilohertz = tscKilohertz
        self.scalesTSC = scalesTSC
    }

    /// A rate may be off by one part in this many: what guests allow a clock.
    package static var tscTolerance: UInt { 4000 }

    /// Why a guest of this profile cannot go on where `offered` is what the engine can give; nil
    /// if it can.
    package func refusal(on offered: CPUProfile) -> String? {
        if let missing = Feature.all.first(where: { $0.isIn(cpuid) && !$0.isIn(offered.cpuid) }) {
            return "the guest uses the processor feature \(missing.name), which this host's "
                + "\(offered.kind.rawValue) engine does not offer"
        }
        if kind != .soft, offered.kind != .soft, cpuid.vendor != offered.cpuid.vendor {
            return "the guest ran on a processor of \(cpuid.vendor), and this host's is of "
                + offered.cpuid.vendor
        }
        let difference = tscKilohertz.distance(to: offered.tscKilohertz).magnitude
        if !offered.scalesTSC, difference > UInt(tscKilohertz) / Self.tscTolerance {
            return "the guest's time stamp counter runs at \(tscKilohertz) kHz, this engine's at "
                + "\(offered.tscKilohertz) kHz, and it cannot be scaled here"
        }
        return nil
    }

    /// A feature bit of CPUID.
    private struct Feature {
        let name: String
        let leaf: UInt32
        let register: CPUIDRegister
        let bit: UInt32

        func isIn(_ table: CPUIDTable) -> Bool {
            guard let entry = table[leaf] else { return false }
            return entry[register] >> bit & 1 != 0
        }

        /// Those that programs and kernels look for.
        static var all: [Feature] {
            basic + structured + [
                Feature(name: "LAHF", leaf: 0x8000_0001, register: .ecx, bit: 0),
                Feature(name: "LZCNT", leaf: 0x8000_0001, register: .ecx, bit: 5),
                Feature(name: "SSE4A", leaf: 0x8000_0001, register: .ecx, bit: 6),
                Feature(name: "PREFETCHW", leaf: 0x8000_0001, register: .ecx, bit: 8),
                Feature(name: "NX", leaf: 0x8000_0001, register: .edx, bit: 20),
                Feature(name: "1 GiB pages", leaf: 0x8000_0001, register: .edx, bit: 26),
                Feature(name: "RDTSCP", leaf: 0x8000_0001, register: .edx, bit: 27),
                Feature(name: "long mode", leaf: 0x8000_0001, register: .edx, bit: 29),
            ]
        }

        private static var basic: [Feature] {
            [
                ("SSE3", 0), ("PCLMULQDQ", 1), ("SSSE3", 9), ("FMA", 12), ("CMPXCHG16B", 13),
                ("PCID", 17), ("SSE4.1", 19), ("SSE4.2", 20), ("x2APIC", 21), ("MOVBE", 22),
                ("POPCNT", 23), ("TSC deadline", 24), ("AES", 25), ("XSAVE", 26), ("AVX", 28),
                ("F16C", 29), ("RDRAND", 30),
            ].map { Feature(name: $0.0, leaf: 1, register: .ecx, bit: $0.1) }
        }

        private static var structured: [Feature] {
            [
                ("FSGSBASE", 0), ("BMI1", 3), ("AVX2", 5), ("SMEP", 7), ("BMI2", 8), ("ERMS", 9),
                ("INVPCID", 10), ("AVX512F", 16), ("RDSEED", 18), ("ADX", 19), ("SMAP", 20),
                ("CLFLUSHOPT", 23), ("CLWB", 24), ("SHA", 29),
            ].map { Feature(name: $0.0, leaf: 7, register: .ebx, bit: $0.1) }
        }
    }
}
