// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// What the processor says of itself: the level x86-64-v2 and what Linux needs of the system, as an
/// AMD processor of family 17h. AMD APM 3, appendix E; Intel SDM 2, CPUID.
///
/// Leaves that are not here read as zeros, as AMD processors answer.
struct CPUID: Hashable, Sendable {
    /// The registers of one leaf.
    struct Leaf: Hashable, Sendable {
        var eax: UInt32 = 0
        var ebx: UInt32 = 0
        var ecx: UInt32 = 0
        var edx: UInt32 = 0
    }

    /// Processors of the machine, all in one package; 1 to 255.
    var processorCount: UInt32
    /// 1, or 2 of an even number of processors.
    var threadsPerCore: UInt32 = 1
    /// Of the processor that asks, also its number.
    var apicID: UInt32
    /// CR4.OSXSAVE.
    var usesExtendedState = false
    /// Thousands of time stamp counter ticks a second.
    var tscKilohertz: UInt32 = 1_000_000

    /// Family 17h, model 31h.
    static var signature: UInt32 { 0x0083_0f10 }
    private static var vendor: (ebx: UInt32, ecx: UInt32, edx: UInt32) {
        (0x6874_7541, 0x444d_4163, 0x6974_6e65)
    }
    /// 48 bytes, filled with zeros.
    private static var brand: StaticString { "Swiftlet software processor (x86-64-v2)" }
    /// Bytes of an XSAVE area with x87 and SSE.
    private static var extendedStateBytes: UInt32 { 576 }

    /// Bits of the APIC ID that number the threads of a core.
    private var threadBits: UInt32 { threadsPerCore > 1 ? 1 : 0 }

    /// Bits of the APIC ID that number the processors.
    private var coreBits: UInt32 {
        UInt32(truncatingIfNeeded: 32 &- (processorCount &- 1).leadingZeroBitCount)
    }

    func leaf(_ number: UInt32, _ index: UInt32) -> Leaf {
        switch number >> 16 {
        case 0: basic(number, index)
        case 0x4000: hypervisor(number)
        case 0x8000: extended(number, index)
        default: Leaf()
        }
    }

    private func hypervisor(_ number: UInt32) -> Leaf {
        guard let leaf = KVMClock.leaf(number) else { return Leaf() }
        let isRates = number == 0x4000_0010
        return Leaf(
            eax: isRates ? tscKilohertz : leaf.eax, ebx: leaf.ebx, ecx: leaf.ecx, edx: leaf.edx)
    }

    // MARK: Basic

    private func basic(_ number: UInt32, _ index: UInt32) -> Leaf {
        let vendor = Self.vendor
        switch number {
        case 0: return Leaf(eax: 0x16, ebx: vendor.ebx, ecx: vendor.ecx, edx: vendor.edx)
        case 1: return features
        // The local APIC's timer runs in every state.
        case 6: return Leaf(eax: 1 << 2)
        case 7: return index == 0 ? structuredFeatures : Leaf()
        case 0x0b: return topology(index)
        case 0x0d:
            let bytes = Self.extendedStateBytes
            return index == 0 ? Leaf(eax: 3, ebx: bytes, ecx: bytes) : Leaf()
        case 0x15: return Leaf(eax: 1, ebx: 1, ecx: tscKilohertz &* 1000)
        case 0x16:
            let megahertz = tscKilohertz / 1000
            return Leaf(eax: megahertz, ebx: megahertz, ecx: megahertz)
        default: return Leaf()
        }
    }

    /// Bits of EDX that leaf 1 and leaf 80000001 share: FPU DE PSE TSC MSR PAE MCE CX8 APIC MTRR
    /// PGE MCA CMOV PAT PSE36 MMX FXSR.
    private static var commonFeatures: UInt32 {
        [0, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 23, 24].reduce(0) { $0 | 1 << $1 }
    }

    private var features: Leaf {
        // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, x2APIC, POPCNT, TSC deadline, XSAVE, hypervisor.
        var ecx: UInt32 = [0, 9, 13, 19, 20, 21, 23, 24, 26, 31].reduce(0) { $0 | 1 << $1 }
        if usesExtendedState { ecx |= 1 << 27 }
        // SYSENTER, CLFLUSH, SSE, SSE2.
        var edx = Self.commonFeatures | 1 << 11 | 1 << 19 | 1 << 25 | 1 << 26
        if processorCount > 1 { edx |= 1 << 28 }
        return Leaf(
            eax: Self.signature, ebx: (apicID & 0xff) << 24 | (processorCount & 0xff) << 16 | 0x800,
            ecx: ecx, edx: edx)
    }

    private var structuredFeatures: Leaf {
        // FSGSBASE, TSC_ADJUST, SMEP, fast REP MOVSB, SMAP; fast short REP MOVSB.
        Leaf(ebx: 1 | 1 << 1 | 1 << 7 | 1 << 9 | 1 << 20, edx: 1 << 4)
    }

    private func topology(_ index: UInt32) -> Leaf {
        switch index {
        case 0: Leaf(eax: threadBits, ebx: threadsPerCore, ecx: 0x100, edx: apicID)
        case 1: Leaf(eax: coreBits, ebx: processorCount, ecx: 0x201, edx: apicID)
        default: Leaf(ecx: index & 0xff, edx: apicID)
        }
    }

    // MARK: Extended

    private func extended(_ number: UInt32, _ index: UInt32) -> Leaf {
        let vendor = Self.vendor
        switch number & 0xffff {
        case 0:
            return Leaf(eax: 0x8000_0021, ebx: vendor.ebx, ecx: vendor.ecx, edx: vendor.edx)
        case 1: return extendedFeatures
        case 2, 3, 4: return brand(number & 0xffff &- 2)
        // 32 KiB of data and instructions, 8 ways each; 512 KiB, 8 ways; 16 MiB, 16 ways.
        case 5: return Leaf(ecx: 0x2008_0140, edx: 0x2008_0140)
        case 6: return Leaf(ecx: 0x0200_6140, edx: 0x0080_8140)
        case 7: return Leaf(edx: 1 << 8)
        case 8:
            // Nothing is done speculatively: SSB_NO, BTC_NO. XSAVE always keeps the error pointers.
            return Leaf(
                eax: 48 << 8 | UInt32(ControlBits.physicalBits), ebx: 1 << 2 | 1 << 26 | 1 << 29,
                ecx: coreBits << 12 | (processorCount &- 1) & 0xff)
        case 0x1d: return cache(index)
        case 0x1e:
            return Leaf(
                eax: apicID, ebx: (apicID >> threadBits) & 0xff | (threadsPerCore &- 1) << 8)
        // LFENCE serializes, a null selector clears the base, automatic IBRS, SRSO_NO.
        case 0x21: return Leaf(eax: 1 << 2 | 1 << 6 | 1 << 8 | 1 << 29)
        default: return Leaf()
        }
    }

    private var extendedFeatures: Leaf {
        // LAHF, PREFETCHW, topology extensions.
        var ecx: UInt32 = 1 | 1 << 8 | 1 << 22
        if processorCount > 1 { ecx |= 1 << 1 }
        // SYSCALL, NX, MMX extensions, 1 GiB pages, RDTSCP, long mode.
        let own: UInt32 = [11, 20, 22, 26, 27, 29].reduce(0) { $0 | 1 << $1 }
        return Leaf(eax: Self.signature, ecx: ecx, edx: Self.commonFeatures | own)
    }

    private func brand(_ part: UInt32) -> Leaf {
        var words = InlineArray<4, UInt32>(repeating: 0)
        Self.brand.withUTF8Buffer { text in
            for index in 0..<16 {
                let place = Int(part) &* 16 &+ index
                guard place < text.count else { return }
                let byte = UInt32(unsafe text[place])
                words[index / 4] |= byte << UInt32(index % 4 * 8)
            }
        }
        return Leaf(eax: words[0], ebx: words[1], ecx: words[2], edx: words[3])
    }

    /// L1 data, L1 instructions, L2, L3.
    private func cache(_ index: UInt32) -> Leaf {
        func describe(
            type: UInt32, level: UInt32, sharing: UInt32, ways: UInt32, kibibytes: UInt32
        ) -> Leaf {
            let sets = kibibytes &* 1024 / (ways &* 64)
            return Leaf(
                eax: type | level << 5 | 1 << 8 | ((sharing &- 1) & 0xfff) << 14,
                ebx: 63 | (ways &- 1) << 22, ecx: sets &- 1)
        }
        let own = threadsPerCore
        switch index {
        case 0: return describe(type: 1, level: 1, sharing: own, ways: 8, kibibytes: 32)
        case 1: return describe(type: 2, level: 1, sharing: own, ways: 8, kibibytes: 32)
        case 2: return describe(type: 3, level: 2, sharing: own, ways: 8, kibibytes: 512)
        case 3:
            return describe(
                type: 3, level: 3, sharing: processorCount, ways: 16, kibibytes: 16384)
        default: return Leaf()
        }
    }
}

extension CPUID.Leaf {
    /// Makes the changes of a CPU template to the answer for a leaf and index.
    fileprivate mutating func apply(_ template: CPUTemplate, _ number: UInt32, _ index: UInt32) {
        for change in template.leaves where change.leaf == number && change.index == index {
            var entry = CPUIDEntry(leaf: number, index: index)
            (entry.eax, entry.ebx, entry.ecx, entry.edx) = (eax, ebx, ecx, edx)
            change.apply(to: &entry)
            (eax, ebx, ecx, edx) = (entry.eax, entry.ebx, entry.ecx, entry.edx)
        }
    }
}

extension Processor {
    /// CPUID.
    func identify(_ op: Op) -> UInt {
        let machine = host.machine
        let identity = CPUID(
            processorCount: UInt32(truncatingIfNeeded: machine.cpuCount),
            threadsPerCore: machine.threadsPerCore,
            apicID: UInt32(truncatingIfNeeded: state.index),
            usesExtendedState: state.cr4 & ControlBits.osxsave != 0,
            tscKilohertz: machine.timeStampScale.kilohertz)
        let number = get(Register.rax, UInt32.self)
        let index = get(Register.rcx, UInt32.self)
        var leaf =
            machine.cpuid.map { identity.leaf(number, index, of: $0) }
            ?? identity.leaf(number, index)
        if machine.cpuid == nil, let template = machine.template {
            leaf.apply(template, number, index)
        }
        set(Register.rax, leaf.eax)
        set(Register.rbx, leaf.ebx)
        set(Register.rcx, leaf.ecx)
        set(Register.rdx, leaf.edx)
        return op.next
    }
}
