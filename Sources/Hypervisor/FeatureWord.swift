// SPDX-License-Identifier: Apache-2.0

/// A register of CPUID of which each bit is a feature. Intel SDM 2, CPUID; AMD APM 3, appendix E.
struct FeatureWord {
    let leaf: UInt32
    var index: UInt32 = 0
    let register: CPUIDRegister
    /// Bits whose absence takes nothing from a guest.
    var ignored: UInt32 = 0
    /// What people call them, by bit; others are called by leaf, register and bit.
    var names: [(bit: UInt32, name: String)] = []

    /// The first feature that `guest` has and `host` has not.
    func missing(of guest: CPUIDTable, in host: CPUIDTable) -> String? {
        let mine = guest[leaf, index].map { $0[register] } ?? 0
        let offered = host[leaf, index].map { $0[register] } ?? 0
        let missing = mine & ~offered & ~ignored
        guard missing != 0 else { return nil }
        let bit = UInt32(missing.trailingZeroBitCount)
        return names.first { $0.bit == bit }?.name ?? "\(place), bit \(bit)"
    }

    private var place: String {
        let number = "CPUID leaf 0x\(String(leaf, radix: 16))"
        return number + (index == 0 ? ", " : ", subleaf \(index), ") + "\(register)"
    }
}

extension FeatureWord {
    /// All that a guest may have looked at, as far as a microVM is given it.
    static var all: [FeatureWord] { basic + structured + extendedState + extended + [hypervisor] }

    private static var basic: [FeatureWord] {
        [
            FeatureWord(
                leaf: 1, register: .ecx,
                ignored: 1 << 27,  // OSXSAVE says what the guest itself has done.
                names: [
                    (0, "SSE3"), (1, "PCLMULQDQ"), (9, "SSSE3"), (12, "FMA"), (13, "CMPXCHG16B"),
                    (17, "PCID"), (19, "SSE4.1"), (20, "SSE4.2"), (21, "x2APIC"), (22, "MOVBE"),
                    (23, "POPCNT"), (24, "TSC deadline"), (25, "AES"), (26, "XSAVE"), (28, "AVX"),
                    (29, "F16C"), (30, "RDRAND"),
                ]),
            FeatureWord(
                leaf: 1, register: .edx,
                ignored: 1 << 28),  // HTT is the machine's topology.
        ]
    }

    private static var structured: [FeatureWord] {
        [
            FeatureWord(
                leaf: 7, register: .ebx,
                ignored: 1 << 6  // The x87 data pointer changes at exceptions only: less is done.
                    | 1 << 13,  // The x87 keeps no segments: the same.
                names: [
                    (0, "FSGSBASE"), (1, "TSC_ADJUST"), (3, "BMI1"), (4, "HLE"), (5, "AVX2"),
                    (7, "SMEP"), (8, "BMI2"), (9, "ERMS"), (10, "INVPCID"), (11, "RTM"),
                    (16, "AVX512F"), (17, "AVX512DQ"), (18, "RDSEED"), (19, "ADX"), (20, "SMAP"),
                    (21, "AVX512_IFMA"), (23, "CLFLUSHOPT"), (24, "CLWB"), (28, "AVX512CD"),
                    (29, "SHA"), (30, "AVX512BW"), (31, "AVX512VL"),
                ]),
            FeatureWord(
                leaf: 7, register: .ecx,
                ignored: 1 << 4  // OSPKE says what the guest itself has done.
                    | 0x1f << 17,  // A number, for MPX.
                names: [
                    (1, "AVX512_VBMI"), (2, "UMIP"), (3, "PKU"), (6, "AVX512_VBMI2"),
                    (7, "shadow stacks"), (8, "GFNI"), (9, "VAES"), (10, "VPCLMULQDQ"),
                    (11, "AVX512_VNNI"), (12, "AVX512_BITALG"), (14, "AVX512_VPOPCNTDQ"),
                    (16, "LA57"), (22, "RDPID"), (24, "bus lock detection"), (25, "CLDEMOTE"),
                    (27, "MOVDIRI"), (28, "MOVDIR64B"),
                ]),
            FeatureWord(
                leaf: 7, register: .edx,
                names: [
                    (4, "FSRM"), (8, "AVX512_VP2INTERSECT"), (10, "MD_CLEAR"), (14, "SERIALIZE"),
                    (16, "TSXLDTRK"), (20, "indirect branch tracking"), (23, "AVX512_FP16"),
                    (26, "IBRS"), (27, "STIBP"), (28, "L1D_FLUSH"), (29, "ARCH_CAPABILITIES"),
                    (31, "SSBD"),
                ]),
            FeatureWord(
                leaf: 7, index: 1, register: .eax,
                names: [
                    (0, "SHA512"), (4, "AVX_VNNI"), (5, "AVX512_BF16"), (7, "CMPCCXADD"),
                    (23, "AVX_IFMA"), (26, "LAM"),
                ]),
            FeatureWord(leaf: 7, index: 1, register: .ecx),
            FeatureWord(
                leaf: 7, index: 1, register: .edx,
                names: [(4, "AVX_VNNI_INT8"), (5, "AVX_NE_CONVERT"), (19, "AVX10")]),
            FeatureWord(leaf: 7, index: 2, register: .edx),
        ]
    }

    /// Components of the extended state, and how it is saved.
    private static var extendedState: [FeatureWord] {
        [
            FeatureWord(leaf: 0xd, register: .eax),
            FeatureWord(leaf: 0xd, register: .edx),
            FeatureWord(
                leaf: 0xd, index: 1, register: .eax,
                names: [(0, "XSAVEOPT"), (1, "XSAVEC"), (2, "XGETBV1"), (3, "XSAVES"), (4, "XFD")]),
            FeatureWord(leaf: 0xd, index: 1, register: .ecx),
            FeatureWord(leaf: 0xd, index: 1, register: .edx),
        ]
    }

    private static var extended: [FeatureWord] {
        [
            FeatureWord(
                leaf: 0x8000_0001, register: .ecx,
                ignored: 1 << 1,  // CmpLegacy is the machine's topology.
                names: [
                    (0, "LAHF"), (5, "LZCNT"), (6, "SSE4A"), (8, "PREFETCHW"), (11, "XOP"),
                    (16, "FMA4"), (21, "TBM"), (22, "topology extensions"),
                ]),
            FeatureWord(
                leaf: 0x8000_0001, register: .edx,
                names: [
                    (11, "SYSCALL"), (20, "NX"), (26, "1 GiB pages"), (27, "RDTSCP"),
                    (29, "long mode"),
                ]),
            FeatureWord(leaf: 0x8000_0007, register: .edx, names: [(8, "an invariant TSC")]),
            FeatureWord(
                leaf: 0x8000_0008, register: .ebx,
                names: [
                    (0, "CLZERO"), (9, "WBNOINVD"), (12, "IBPB"), (14, "IBRS"), (15, "STIBP"),
                    (24, "SSBD"),
                ]),
            FeatureWord(leaf: 0x8000_0021, register: .eax),
            FeatureWord(leaf: 0x8000_0021, register: .ecx),
        ]
    }

    /// What KVM itself offers. Linux, Documentation/virt/kvm/x86/cpuid.rst.
    private static var hypervisor: FeatureWord {
        FeatureWord(
            leaf: 0x4000_0001, register: .eax,
            names: [
                (0, "kvm-clock"), (3, "kvm-clock"), (4, "KVM's asynchronous page faults"),
                (5, "KVM's steal time"), (6, "KVM's paravirtual end of interrupt"),
                (7, "KVM's paravirtual spinlocks"), (9, "KVM's paravirtual TLB flush"),
                (11, "KVM's paravirtual IPIs"),
            ])
    }
}
