// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// What a guest's processors answer to CPUID: what host and kernel can offer, without what a
/// microVM does not give, and with the guest's own topology. Intel SDM 2, CPUID; AMD APM 3,
/// appendix E.
///
/// Every processor is a core with one thread, or half of one with two, all in one package.
struct GuestCPUID {
    private let table: CPUIDTable
    private let isAMD: Bool
    private let cpuCount: UInt32
    private let threadsPerCore: UInt32

    /// - Parameters:
    ///   - supported: As ``KVMDevice/supportedCPUID()`` answers.
    ///   - hasTSCDeadline: The local APICs' timers know that mode.
    ///   - tscKilohertz: Of the guest's time stamp counter; nil if the kernel does not say.
    init(
        supported: CPUIDTable, cpuCount: Int, threadsPerCore: Int = 1, hasTSCDeadline: Bool,
        tscKilohertz: UInt32?
    ) {
        var table = supported
        self.threadsPerCore = UInt32(truncatingIfNeeded: threadsPerCore)
        self.cpuCount = UInt32(truncatingIfNeeded: cpuCount)
        isAMD = ["AuthenticAMD", "HygonGenuine"].contains(supported.vendor)
        Self.filter(&table)
        Self.name(&table, tscKilohertz: tscKilohertz)
        table.change(1) { entry in
            // x2APIC, hypervisor; the deadline mode of the timer.
            entry.ecx |= 1 << 21 | 1 << 31
            entry.set(.ecx, bit: 24, to: hasTSCDeadline)
        }
        self.table = table
    }

    /// The boot processor's, as a machine's profile keeps it, made for other processors.
    init(restored table: CPUIDTable, cpuCount: Int, threadsPerCore: Int = 1) {
        self.table = table
        self.threadsPerCore = UInt32(truncatingIfNeeded: threadsPerCore)
        self.cpuCount = UInt32(truncatingIfNeeded: cpuCount)
        isAMD = ["AuthenticAMD", "HygonGenuine"].contains(table.vendor)
    }

    /// The answers on processor `index`, which is also its APIC ID.
    func table(of index: Int) -> CPUIDTable {
        var table = table
        let apicID = UInt32(truncatingIfNeeded: index)
        table.change(1) { entry in
            // Processors of the package, APIC ID; more than one is also said by a feature bit.
            entry.ebx = entry.ebx & 0xffff | (cpuCount & 0xff) << 16 | (apicID & 0xff) << 24
            entry.set(.edx, bit: 28, to: cpuCount > 1)
        }
        addTopology(&table, apicID)
        if isAMD { setAMDTopology(&table, apicID) } else { setIntelCaches(&table) }
        return table
    }

    // MARK: What is not given

    /// Takes away what a microVM does not have: ``WithheldFeature``.
    private static func filter(_ table: inout CPUIDTable) {
        let withheld = WithheldFeature.all
        for place in table.entries.indices {
            let entry = table.entries[place]
            for feature in withheld where feature.isIn(entry) {
                table.entries[place].set(feature.register, bit: feature.bit, to: false)
            }
        }
        let leaves = WithheldFeature.leaves
        table.entries.removeAll { entry in
            leaves.contains {
                $0.leaf == entry.leaf && ($0.index == nil || $0.index == entry.index)
            }
        }
        // Of power management only this: the local APIC's timer runs in every state.
        var power = CPUIDEntry(leaf: 6)
        power.eax = 1 << 2
        table.set(power)
    }

    /// The kernel's own leaves, with the rates of counter and timer beside them.
    private static func name(_ table: inout CPUIDTable, tscKilohertz: UInt32?) {
        guard let tscKilohertz, table[0x4000_0000] != nil else { return }
        table.change(0x4000_0000) { $0.eax = max($0.eax, 0x4000_0010) }
        var rates = CPUIDEntry(leaf: 0x4000_0010)
        rates.eax = tscKilohertz
        // KVM's local APICs count nanoseconds.
        rates.ebx = 1_000_000
        table.set(rates)
    }

    // MARK: Topology

    /// Bits of the APIC ID that number the threads of a core.
    private var threadBits: UInt32 { threadsPerCore > 1 ? 1 : 0 }

    /// Bits of the APIC ID that number the processors.
    private var coreBits: UInt32 {
        UInt32(truncatingIfNeeded: 32 - (cpuCount &- 1).leadingZeroBitCount)
    }

    /// Leaf 0xb: threads of a core, then cores of the package.
    private func addTopology(_ table: inout CPUIDTable, _ apicID: UInt32) {
        guard let first = table[0], first.eax >= 0xb else { return }
        table.remove(0xb)
        for index in 0..<3 as Range<UInt32> {
            var entry = CPUIDEntry(leaf: 0xb, index: index, isIndexed: true)
            entry.ecx = index | (index < 2 ? (index + 1) << 8 : 0)
            entry.edx = apicID
            switch index {
            case 0:
                entry.eax = threadBits
                entry.ebx = threadsPerCore
            case 1:
                entry.eax = coreBits
                entry.ebx = cpuCount
            default: break
            }
            table.set(entry)
        }
    }

    /// Who shares which cache, and how many cores there are.
    private func setIntelCaches(_ table: inout CPUIDTable) {
        for place in table.entries.indices where table.entries[place].leaf == 4 {
            let entry = table.entries[place]
            guard entry.eax & 0x1f != 0 else { continue }
            let level = entry.eax >> 5 & 7
            let others: UInt32 = (1 << coreBits) &- 1
            let sharing = level < 3 ? threadsPerCore &- 1 : others
            let cores = min(others >> threadBits, 63)
            table.entries[place].eax = entry.eax & 0x3fff | sharing << 14 | cores << 26
        }
    }

    private func setAMDTopology(_ table: inout CPUIDTable, _ apicID: UInt32) {
        table.change(0x8000_0001) { $0.set(.ecx, bit: 1, to: cpuCount > 1) }
        table.change(0x8000_0008) { entry in
            entry.ecx = entry.ecx & ~0xf0ff | coreBits << 12 | (cpuCount &- 1) & 0xff
        }
        for place in table.entries.indices where table.entries[place].leaf == 0x8000_001d {
            let entry = table.entries[place]
            guard entry.eax & 0x1f != 0 else { continue }
            let level = entry.eax >> 5 & 7
            let sharing = (level < 3 ? threadsPerCore &- 1 : cpuCount &- 1) & 0xfff
            table.entries[place].eax = entry.eax & 0x3fff | sharing << 14
        }
        guard table[0x8000_001e] != nil else { return }
        var entry = CPUIDEntry(leaf: 0x8000_001e)
        entry.eax = apicID
        entry.ebx = (apicID >> threadBits) & 0xff | (threadsPerCore &- 1) << 8
        table.remove(0x8000_001e)
        table.set(entry)
    }
}

extension CPUIDEntry {
    fileprivate mutating func set(_ register: CPUIDRegister, bit: UInt32, to on: Bool) {
        if on { self[register] |= 1 << bit } else { self[register] &= ~(1 << bit) }
    }
}
