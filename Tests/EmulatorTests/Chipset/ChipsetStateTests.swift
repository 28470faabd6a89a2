// SPDX-License-Identifier: Apache-2.0
import Emulator
import Testing

@Suite struct ChipsetStateTests {
    /// Multiplicative congruential, 64 bits, fixed seed.
    struct Numbers {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 29) &* 0xbf58_476d_1ce4_e5b9
        }
    }

    /// Now small, now of a few bits, now anything.
    static func value(_ numbers: inout Numbers) -> UInt64 {
        switch numbers.next() >> 60 {
        case 0...5: numbers.next() >> 56
        case 6...8: 1 << (numbers.next() >> 58)
        case 9...11: numbers.next() >> 32
        case 12: .max
        default: numbers.next()
        }
    }

    static let ports: [UInt16] = [
        0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x61, 0xa0, 0xa1, 0x4d0, 0x4d1,
    ]

    static func disturb(_ chipset: Chipset, _ numbers: inout Numbers, _ now: UInt64) {
        let cpu = Int(numbers.next() >> 62)
        let value = value(&numbers)
        let low = UInt32(truncatingIfNeeded: value)
        let pick = numbers.next()
        let port = ports[Int(pick % UInt64(ports.count))]
        switch pick >> 60 {
        case 0, 1: chipset.writeAPIC(cpu: cpu, offset: pick & 0xff0, value: low, now: now)
        case 2: _ = chipset.readAPIC(cpu: cpu, offset: pick & 0xfff, now: now)
        case 3, 4:
            let number = 0x800 + UInt32(pick & 0x3f)
            _ = chipset.writeMSR(cpu: cpu, number: number, value: value, now: now)
        case 5: _ = chipset.readMSR(cpu: cpu, number: 0x800 + UInt32(pick & 0xff), now: now)
        case 6:
            let base = pick & 0xff == 0 ? value : 0xfee0_0000 | (pick & 0xc00)
            _ = chipset.writeMSR(cpu: cpu, number: 0x1b, value: base, now: now)
        case 7: _ = chipset.writeMSR(cpu: cpu, number: 0x6e0, value: value, now: now)
        case 8: chipset.writeIOAPIC(offset: pick & 0x50, value: low)
        case 9: _ = chipset.readIOAPIC(offset: pick & 0x50)
        case 10, 11:
            _ = chipset.writePort(port, size: Int(pick >> 8 & 7), value: low, now: now)
        case 12: _ = chipset.readPort(port, size: Int(pick >> 8 & 7), now: now)
        case 13: chipset.setLine(gsi: UInt32(pick & 31), high: pick & 32 != 0)
        case 14: chipset.sendMSI(address: 0xfee0_0000 | value & 0xf_ffff, data: low)
        default:
            chipset.setTaskPriority(cpu: cpu, UInt8(truncatingIfNeeded: value))
            chipset.setTSCOffset(cpu: cpu, value)
        }
    }

    static func serve(_ chipset: Chipset, _ now: UInt64) {
        for cpu in 0..<4 {
            let pending = chipset.poll(cpu: cpu, now: now)
            if pending.nmi { #expect(chipset.takeNMI(cpu: cpu)) }
            if pending.startupVector != nil { #expect(chipset.takeStartup(cpu: cpu) != nil) }
            if pending.interrupt { #expect(chipset.acknowledge(cpu: cpu, now: now) != nil) }
            if pending.initSignal { #expect(chipset.takeInit(cpu: cpu)) }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `A storm of random accesses breaks nothing and is repeatable`(_ seed: UInt64) {
        let machines = (0..<2).map { _ in Chipset(cpuCount: 4) { _ in } }
        var now: UInt64 = 0
        var numbers = Numbers()
        numbers.state &+= seed &* 0x1234_5678_9abc_def1
        for step in 0..<40_000 {
            now &+= numbers.next() >> (numbers.next() >> 59 &+ 32)
            if step == 39_000 { now = .max - 1_000_000 }
            let before = numbers
            for machine in machines {
                numbers = before
                Self.disturb(machine, &numbers, now)
                if step % 3 == 0 { Self.serve(machine, now) }
            }
            if step % 1000 == 999 {
                let state = machines[0].save()
                #expect(state == machines[1].save())
                #expect(machines[1].restore(state), "what was saved can be restored")
                #expect(machines[1].save() == state)
            }
        }
    }

    @Test func `A restored chipset goes on where the saved one stood`() {
        let first = ChipsetDeliveryTests.machine(.flat)
        first.writeAPIC(cpu: 0, offset: 0x320, value: 0x2_0040, now: 0)
        first.writeAPIC(cpu: 0, offset: 0x3e0, value: 0xb, now: 0)
        first.writeAPIC(cpu: 0, offset: 0x380, value: 1000, now: 0)
        let second = Chipset(cpuCount: 4) { _ in }
        #expect(second.restore(first.save()))
        #expect(second.poll(cpu: 0, now: 999).nextDeadline == 1000)
        #expect(second.poll(cpu: 0, now: 1000).interrupt)
        #expect(second.acknowledge(cpu: 0, now: 1000) == 0x40)
    }

    @Test func `A state that does not fit is refused`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        let state = chipset.save()
        var broken = [ChipsetState](repeating: state, count: 6)
        broken[0].version = 2
        broken[1].localAPICs.removeLast()
        broken[2].ioAPIC.entries.removeLast()
        broken[3].turn = 2
        broken[4].localAPICs[1].base = 0xfee0_0400
        broken[5].localAPICs[1].identity.id = 0
        for state in broken { #expect(!chipset.restore(state)) }
        #expect(chipset.save() == state)
        #expect(chipset.restore(state))
    }
}
