// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import KVM

/// CPUID tables, templates and profiles: plain values, for which no KVM is needed.
@Suite struct ProfileTests {
    private func entry(
        _ leaf: UInt32, _ words: (UInt32, UInt32, UInt32, UInt32)
    ) -> CPUIDEntry { entry(leaf, nil, words) }

    private func entry(
        _ leaf: UInt32, _ index: UInt32?, _ words: (UInt32, UInt32, UInt32, UInt32)
    ) -> CPUIDEntry {
        var entry = CPUIDEntry(leaf: leaf, index: index ?? 0, isIndexed: index != nil)
        (entry.eax, entry.ebx, entry.ecx, entry.edx) = words
        return entry
    }

    private var amd: CPUIDTable {
        CPUIDTable([
            entry(0, (0x10, 0x6874_7541, 0x444d_4163, 0x6974_6e65)),
            entry(1, (0xa20f10, 0x0123_0800, .max, .max)), entry(5, (64, 64, 3, 17)),
            entry(6, (.max, .max, .max, .max)), entry(7, 0, (0, .max, .max, .max)),
            entry(0xa, (7, 7, 7, 7)), entry(0xb, 0, (1, 2, 0x100, 9)),
            entry(0x4000_0000, (0x4000_0001, 1, 2, 3)), entry(0x8000_0001, (0, 0, .max, .max)),
            entry(0x8000_0008, (0x3030, 0, 0xffff, 0)), entry(0x8000_001d, 0, (0x121, 63, 63, 0)),
            entry(0x8000_001d, 3, (0x163, 63, 63, 0)), entry(0x8000_001e, (9, 9, 9, 9)),
        ])
    }

    private var intel: CPUIDTable {
        CPUIDTable([
            entry(0, (0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69)),
            entry(1, (0x806f8, 0x0123_0800, .max, .max)), entry(4, 0, (0xfc00_0121, 0, 0, 0)),
            entry(4, 3, (0xfc00_0163, 0, 0, 0)), entry(4, 4, (0, 0, 0, 0)),
        ])
    }

    private func guest(_ table: CPUIDTable, cpus: Int, index: Int = 0) -> CPUIDTable {
        GuestCPUID(
            supported: table, cpuCount: cpus, hasTSCDeadline: true, tscKilohertz: 2_000_000
        ).table(of: index)
    }

    @Test func `What a microVM lacks is not offered`() throws {
        let table = guest(amd, cpus: 1)
        let features = try #require(table[1])
        // MONITOR and VMX; the x2APIC, the timer's deadline and the hypervisor.
        #expect(features.ecx & (1 << 3 | 1 << 5) == 0)
        #expect(features.ecx >> 21 & 1 == 1)
        #expect(features.ecx >> 24 & 1 == 1)
        #expect(features.ecx >> 31 == 1)
        // One processor has no thread beside it.
        #expect(features.edx >> 28 & 1 == 0)
        #expect(table[0x8000_0001].map { $0.ecx & 1 << 2 } == 0)
        #expect(table[0xa] == nil)
        #expect(table[5] == nil)
        #expect(table[6]?.eax == 4)
        #expect(table[6]?.ecx == 0)
        #expect(table[0x4000_0000]?.eax == 0x4000_0010)
        #expect(table[0x4000_0010]?.eax == 2_000_000)
    }

    /// Bits that must be gone, of a host that offers all.
    static let withheld: [(leaf: UInt32, index: UInt32, register: CPUIDRegister, bits: UInt32)] = [
        (1, 0, .ecx, 1 << 3 | 1 << 5 | 1 << 15), (1, 0, .edx, 1 << 21),
        (7, 0, .ebx, 1 << 2 | 1 << 12 | 1 << 15), (7, 0, .ecx, 1 << 5 | 1 << 7 | 1 << 30),
        (7, 0, .edx, 1 << 1 | 1 << 20 | 1 << 22 | 1 << 24 | 1 << 25), (7, 1, .eax, 1 << 21),
        (7, 1, .edx, 1 << 8), (0xd, 0, .eax, 3 << 17), (0xd, 1, .eax, 1 << 4),
        (0xd, 1, .ecx, 3 << 11), (0x8000_0001, 0, .ecx, 1 << 2 | 1 << 10 | 1 << 29),
    ]

    @Test(arguments: withheld.indices)
    func `Of a host that offers all, a guest does not get what has no state here`(
        _ row: Int
    ) throws {
        let (leaf, index, register, bits) = Self.withheld[row]
        let isIndexed = leaf == 7 || leaf == 0xd
        let supported = CPUIDTable([
            entry(0, (0x20, 0x756e_6547, 0x6c65_746e, 0x4965_6e69)),
            entry(leaf, isIndexed ? index : nil, (.max, .max, .max, .max)),
        ])
        let given = try #require(guest(supported, cpus: 2)[leaf, index])
        #expect(given[register] & bits == 0)
        // And keeps features that stand beside them.
        #expect(given[register] != 0)
    }

    @Test func `Leaves and components that a guest does not get are gone`() {
        let gone: [(UInt32, UInt32)] = [
            (5, 0), (0xa, 0), (0xd, 11), (0xd, 12), (0xd, 17), (0xd, 18), (0x12, 0), (0x12, 1),
            (0x1c, 0), (0x1d, 0), (0x1d, 1), (0x1e, 0), (0x1f, 0), (0x8000_000a, 0),
            (0x8000_001b, 0), (0x8000_001f, 0), (0x8000_0022, 0),
        ]
        let kept: [(UInt32, UInt32)] = [(0xd, 2), (0xd, 9), (0x8000_0008, 0)]
        let supported = CPUIDTable(
            (gone + kept).map { entry($0, $1, (1, 1, 1, 1)) })
        let given = guest(supported, cpus: 1)
        for (leaf, index) in gone { #expect(given[leaf, index] == nil, "\(leaf) \(index)") }
        for (leaf, index) in kept { #expect(given[leaf, index] != nil, "\(leaf) \(index)") }
    }

    @Test(arguments: [(1, 0, 0), (2, 1, 1), (3, 2, 2), (32, 5, 31)] as [(Int, UInt32, Int)])
    func `The topology is the machine's own`(_ row: (cpus: Int, bits: UInt32, index: Int)) throws {
        let table = guest(amd, cpus: row.cpus, index: row.index)
        let id = UInt32(row.index)
        #expect(table[1]?.ebx == id << 24 | UInt32(row.cpus) << 16 | 0x800)
        #expect(table[0xb, 0] == entry(0xb, 0, (0, 1, 0x100, id)))
        #expect(table[0xb, 1] == entry(0xb, 1, (row.bits, UInt32(row.cpus), 0x201, id)))
        #expect(table[0xb, 2] == entry(0xb, 2, (0, 0, 2, id)))
        #expect(table[0x8000_0008]?.ecx == row.bits << 12 | UInt32(row.cpus - 1) | 0xf00)
        // The first cache is a core's own, the last one shared by all.
        #expect(table[0x8000_001d, 0].map { $0.eax >> 14 & 0xfff } == 0)
        #expect(table[0x8000_001d, 3].map { $0.eax >> 14 & 0xfff } == UInt32(row.cpus - 1))
        #expect(table[0x8000_001e]?.eax == id)
    }

    @Test func `Two threads of a core share what is the core's`() throws {
        let make = { (table: CPUIDTable, index: Int) in
            GuestCPUID(
                supported: table, cpuCount: 6, threadsPerCore: 2, hasTSCDeadline: true,
                tscKilohertz: 2_000_000
            ).table(of: index)
        }
        let table = make(amd, 5)
        #expect(table[0xb, 0] == entry(0xb, 0, (1, 2, 0x100, 5)))
        #expect(table[0xb, 1] == entry(0xb, 1, (3, 6, 0x201, 5)))
        #expect(table[0x8000_001d, 0].map { $0.eax >> 14 & 0xfff } == 1)
        #expect(table[0x8000_001d, 3].map { $0.eax >> 14 & 0xfff } == 5)
        // The third core, of two threads.
        #expect(table[0x8000_001e]?.ebx == 0x102)
        let other = make(intel, 0)
        #expect(other[4, 0].map { $0.eax >> 14 & 0xfff } == 1)
        #expect(other[4, 3].map { $0.eax >> 26 } == 3)
    }

    @Test func `Intel's caches are shared by the machine's own processors`() throws {
        let table = guest(intel, cpus: 4)
        #expect(table[4, 0].map { $0.eax >> 14 & 0xfff } == 0)
        #expect(table[4, 3].map { $0.eax >> 14 & 0xfff } == 3)
        #expect(table[4, 3].map { $0.eax >> 26 } == 3)
        #expect(table[4, 4]?.eax == 0)
    }

    @Test func `A saved table stays the same for the same processors`() {
        let table = guest(amd, cpus: 4)
        #expect(GuestCPUID(restored: table, cpuCount: 4).table(of: 0) == table)
    }

    static let bitmaps: [(String, Int, UInt64, UInt64)] = [
        ("0b1", 32, 1, 1), ("0b0", 32, 1, 0), ("0bx", 32, 0, 0), ("0b1x0", 32, 5, 4),
        ("0b1111_0000", 32, 0xff, 0xf0),
        ("0b" + String(repeating: "1", count: 64), 64, .max, .max),
    ]

    @Test(arguments: bitmaps.indices)
    func `A bitmap fixes bits and leaves others`(_ row: Int) throws {
        let (text, width, mask, value) = Self.bitmaps[row]
        let bits = try #require(BitModifier(text, width: width))
        #expect(bits == BitModifier(mask: mask, value: value))
        #expect(bits.apply(to: UInt64.max) == ~mask | value)
        #expect(bits.apply(to: 0 as UInt64) == value)
    }

    @Test(
        arguments: [
            "", "0b", "1", "0x1", "0b2", "0b1 0", "0b_",
            "0b" + String(repeating: "x", count: 33), "0bé",
        ])
    func `A bitmap that is none is refused`(_ text: String) {
        #expect(BitModifier(text, width: 32) == nil)
    }

    @Test func `A template of a leaf that is not there is refused`() {
        var template = CPUTemplate()
        template.leaves = [CPUTemplate.Leaf(leaf: 0x1234, index: 0)]
        var table = amd
        #expect(throws: EngineError.template("CPUID leaf 0x1234, subleaf 0x0")) {
            try template.apply(to: &table)
        }
        #expect(table == amd)
    }

    /// Of each word a feature, and how it is called.
    static let features: [(UInt32, UInt32, CPUIDRegister, UInt32, String)] = [
        (1, 0, .ecx, 23, "POPCNT"), (1, 0, .edx, 26, "CPUID leaf 0x1, edx, bit 26"),
        (7, 0, .ebx, 5, "AVX2"), (7, 0, .ebx, 31, "AVX512VL"), (7, 0, .ecx, 9, "VAES"),
        (7, 0, .edx, 23, "AVX512_FP16"), (7, 1, .eax, 4, "AVX_VNNI"),
        (7, 1, .ecx, 5, "CPUID leaf 0x7, subleaf 1, ecx, bit 5"), (7, 1, .edx, 19, "AVX10"),
        (7, 2, .edx, 5, "CPUID leaf 0x7, subleaf 2, edx, bit 5"),
        (0xd, 0, .eax, 2, "CPUID leaf 0xd, eax, bit 2"),
        (0xd, 0, .edx, 30, "CPUID leaf 0xd, edx, bit 30"), (0xd, 1, .eax, 3, "XSAVES"),
        (0xd, 1, .ecx, 8, "CPUID leaf 0xd, subleaf 1, ecx, bit 8"),
        (0xd, 1, .edx, 1, "CPUID leaf 0xd, subleaf 1, edx, bit 1"),
        (0x8000_0001, 0, .ecx, 5, "LZCNT"), (0x8000_0001, 0, .edx, 26, "1 GiB pages"),
        (0x8000_0007, 0, .edx, 8, "an invariant TSC"), (0x8000_0008, 0, .ebx, 9, "WBNOINVD"),
        (0x8000_0021, 0, .eax, 2, "CPUID leaf 0x80000021, eax, bit 2"),
        (0x8000_0021, 0, .ecx, 1, "CPUID leaf 0x80000021, ecx, bit 1"),
        (0x4000_0001, 0, .eax, 5, "KVM's steal time"),
    ]

    private func profile(
        _ leaf: UInt32, _ index: UInt32, _ register: CPUIDRegister, _ value: UInt32
    ) -> CPUProfile {
        var entry = CPUIDEntry(leaf: leaf, index: index, isIndexed: leaf == 7 || leaf == 0xd)
        entry[register] = value
        return CPUProfile(kind: .hardware, cpuid: CPUIDTable([entry]), tscKilohertz: 2_000_000)
    }

    @Test(arguments: features.indices)
    func `Each word of features is looked at`(_ row: Int) {
        let (leaf, index, register, bit, name) = Self.features[row]
        let with = profile(leaf, index, register, 1 << bit)
        let without = profile(leaf, index, register, 0)
        let nowhere = CPUProfile(kind: .hardware, cpuid: CPUIDTable(), tscKilohertz: 2_000_000)
        let reason =
            "the guest uses the processor feature \(name), which this host's hardware engine does "
            + "not offer"
        #expect(with.refusal(on: without) == reason)
        #expect(with.refusal(on: nowhere) == reason)
        #expect(without.refusal(on: with) == nil)
        #expect(with.refusal(on: with) == nil)
    }

    /// What the guest itself has set, its topology, and what some processors do not do any more.
    @Test(
        arguments: [
            (1, .ecx, 27), (1, .edx, 28), (7, .ebx, 6), (7, .ebx, 13), (7, .ecx, 4), (7, .ecx, 17),
            (0x8000_0001, .ecx, 1),
        ] as [(UInt32, CPUIDRegister, UInt32)])
    func `What is no feature is not insisted on`(
        _ row: (leaf: UInt32, register: CPUIDRegister, bit: UInt32)
    ) {
        let with = profile(row.leaf, 0, row.register, 1 << row.bit)
        #expect(with.refusal(on: profile(row.leaf, 0, row.register, 0)) == nil)
    }

    @Test func `What two engines have in common both can go on with`() throws {
        var soft = CPUProfile(
            kind: .soft, cpuid: guest(amd, cpus: 2), tscKilohertz: 1_000_000, scalesTSC: true)
        soft.cpuid.change(0x8000_0008) { $0.eax = 0x3934 }
        var other = CPUProfile(
            kind: .hardware, cpuid: guest(amd, cpus: 2), tscKilohertz: 2_000_000)
        // No FSGSBASE, and nothing in a leaf; no word that says whether it keeps x87 pointers.
        other.cpuid.change(7) { $0.ebx &= ~(1 | 1 << 13) }
        other.cpuid.remove(0x8000_0001)
        let common = soft.common(with: other)
        #expect(common.refusal(on: soft) == nil)
        #expect(common.refusal(on: other) == nil)
        #expect(soft.refusal(on: other)?.contains("FSGSBASE") == true)
        #expect(common.kind == .soft)
        #expect(common.tscKilohertz == 2_000_000)
        #expect(!common.scalesTSC)
        let structured = try #require(common.cpuid[7])
        #expect(structured.ebx & 1 == 0)
        #expect(structured.ebx >> 5 & 1 == 1)
        #expect(structured.ebx >> 13 & 1 == 1)
        #expect(common.cpuid[0x8000_0001]?.edx == 0)
        #expect(common.cpuid[0x8000_0008].map { $0.eax & 0xffff } == 0x3030)
    }

    @Test func `The leaf in which two tables differ is found in any order`() {
        let table = guest(amd, cpus: 2)
        #expect(table.difference(from: CPUIDTable(table.entries.reversed())) == nil)
        var other = table
        other.change(7) { $0.edx &= ~1 }
        #expect(table.difference(from: other) == 7)
        other = table
        other.remove(0x8000_0008)
        #expect(table.difference(from: other) == 0x8000_0008)
        #expect(other.difference(from: table) == 0x8000_0008)
    }

    @Test func `A guest is refused where a feature of it is missing`() throws {
        let here = CPUProfile(kind: .hardware, cpuid: guest(amd, cpus: 1), tscKilohertz: 2_000_000)
        #expect(here.refusal(on: here) == nil)
        var poorer = here
        poorer.cpuid.change(7) { $0.ebx &= ~(1 << 5) }
        #expect(here.refusal(on: poorer)?.contains("AVX2") == true)
        #expect(poorer.refusal(on: here) == nil)
        var other = here
        other.tscKilohertz = 2_001_000
        #expect(here.refusal(on: other)?.contains("kHz") == true)
        other.scalesTSC = true
        #expect(here.refusal(on: other) == nil)
        other = here
        other.vendor = "GenuineIntel"
        #expect(here.refusal(on: other)?.contains("processor of AuthenticAMD") == true)
    }
}
