// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux

/// The machine's own state out and in. Its processors' are theirs (``SoftVCPU``).
extension SoftVirtualMachine {
    /// Ticks a second that are believed, in thousands.
    private static var rates: ClosedRange<UInt32> { 1_000...100_000_000 }

    /// What this engine offers a guest.
    package var profile: CPUProfile {
        CPUProfile(
            kind: .soft, cpuid: cpuid ?? ownTable(timeStampScale.kilohertz),
            tscKilohertz: timeStampScale.kilohertz, scalesTSC: true)
    }

    private func ownTable(_ kilohertz: UInt32) -> CPUIDTable {
        var table = CPUID(
            processorCount: UInt32(truncatingIfNeeded: cpuCount), threadsPerCore: threadsPerCore,
            apicID: 0,
            tscKilohertz: kilohertz
        ).table
        for change in template?.leaves ?? [] {
            table.change(change.leaf, change.index) { change.apply(to: &$0) }
        }
        return table
    }

    package func save() throws(EngineError) -> MachineState {
        let now = stopInstant()
        var state = MachineState(profile: profile)
        chipset.replace(waking: false) { $0.save(into: &state, now: now) }
        state.clock.nanoseconds = now
        state.clock.realtime = clock.epoch &+ now
        return state
    }

    package func restore(_ state: MachineState) throws(EngineError) {
        let offered = CPUProfile(
            kind: .soft, cpuid: ownTable(state.profile.tscKilohertz),
            tscKilohertz: state.profile.tscKilohertz, scalesTSC: true)
        if let reason = state.profile.refusal(on: offered) { throw .state(reason) }
        guard Self.rates ~= state.profile.tscKilohertz else {
            throw .state("a time stamp counter of \(state.profile.tscKilohertz) kHz")
        }
        let now = state.clock.nanoseconds
        var reason: String?
        chipset.replace(waking: true) { chipset in
            var new = chipset
            reason = new.take(state, now: now)
            if reason == nil { chipset = new }
        }
        if let reason { throw .state(reason) }
        time.set(now: now)
        startInstant(now)
        // A deterministic guest's day began when it says; any other's clock shows the host's time.
        let today = time.isDeterministic ? state.clock.realtime : Clock.realtime
        if let today { clock.epoch = today &- now }
        setTimeStampRate(state.profile.tscKilohertz)
        adopt(
            state.profile.cpuid == ownTable(state.profile.tscKilohertz) ? nil : state.profile.cpuid)
    }
}

extension CPUID {
    /// All leaves.
    var table: CPUIDTable {
        let plain: [UInt32] =
            [0, 1, 6, 0x15, 0x16, 0x4000_0000, 0x4000_0001, 0x4000_0010]
            + Array(0x8000_0000...0x8000_0008) + [0x8000_001e, 0x8000_0021]
        let indexed: [(UInt32, UInt32)] = [
            (7, 0), (0xb, 0), (0xb, 1), (0xd, 0), (0xd, 1), (0x8000_001d, 0), (0x8000_001d, 1),
            (0x8000_001d, 2), (0x8000_001d, 3), (0x8000_001d, 4),
        ]
        let places = plain.map { ($0, UInt32(0), false) } + indexed.map { ($0.0, $0.1, true) }
        return CPUIDTable(
            places.map { number, index, isIndexed in
                let leaf = leaf(number, index)
                var entry = CPUIDEntry(leaf: number, index: index, isIndexed: isIndexed)
                (entry.eax, entry.ebx) = (leaf.eax, leaf.ebx)
                (entry.ecx, entry.edx) = (leaf.ecx, leaf.edx)
                return entry
            })
    }

    /// The answer of a table made for the boot processor, on this one.
    func leaf(_ number: UInt32, _ index: UInt32, of table: CPUIDTable) -> Leaf {
        guard let entry = table[number, index] else { return Leaf() }
        var leaf = Leaf(eax: entry.eax, ebx: entry.ebx, ecx: entry.ecx, edx: entry.edx)
        switch number {
        case 1:
            leaf.ebx = leaf.ebx & 0x00ff_ffff | (apicID & 0xff) << 24
            leaf.ecx = leaf.ecx & ~(1 << 27) | (usesExtendedState ? 1 << 27 : 0)
        case 0x0b, 0x1f: leaf.edx = apicID
        case 0x8000_001e: leaf.eax = apicID
        default: break
        }
        return leaf
    }
}
