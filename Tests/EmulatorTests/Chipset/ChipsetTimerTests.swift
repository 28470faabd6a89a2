// SPDX-License-Identifier: Apache-2.0
import Emulator
import Hypervisor
import Testing

@Suite struct ChipsetTimerTests {
    static func machine(entry: UInt32) -> Chipset {
        let chipset = Chipset(cpuCount: 2) { _ in }
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x320, value: entry, now: 0)
        return chipset
    }

    static func write(_ chipset: Chipset, _ offset: UInt64, _ value: UInt32, _ now: UInt64) {
        chipset.writeAPIC(cpu: 0, offset: offset, value: value, now: now)
    }

    static func serve(_ chipset: Chipset, _ now: UInt64) -> UInt8? {
        guard chipset.poll(cpu: 0, now: now).interrupt else { return nil }
        let vector = chipset.acknowledge(cpu: 0, now: now)
        write(chipset, 0xb0, 0, now)
        return vector
    }

    /// Divide configuration and divisor.
    static let divisors: [(UInt32, UInt64)] = [
        (0x0, 2), (0x1, 4), (0x2, 8), (0x3, 16), (0x8, 32), (0x9, 64), (0xa, 128), (0xb, 1),
    ]

    @Test(arguments: divisors)
    func `One shot fires at count times divisor`(_ configuration: UInt32, _ divisor: UInt64) {
        let chipset = Self.machine(entry: 0x40)
        Self.write(chipset, 0x3e0, configuration, 50)
        Self.write(chipset, 0x380, 1000, 100)
        let due = 100 + 1000 * divisor
        #expect(chipset.readAPIC(cpu: 0, offset: 0x390, now: 100) == 1000)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x390, now: 100 + divisor) == 999)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x390, now: due - 1) == 1)
        #expect(chipset.poll(cpu: 0, now: 100).nextDeadline == due)
        #expect(Self.serve(chipset, due - 1) == nil)
        #expect(Self.serve(chipset, due) == 0x40)
        #expect(Self.serve(chipset, .max) == nil)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x390, now: due) == 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x380, now: due) == 1000)
        #expect(chipset.poll(cpu: 0, now: due).nextDeadline == .max)
    }

    @Test func `Periodic fires at each exact moment and does not drift`() {
        let chipset = Self.machine(entry: 0x2_0040)
        Self.write(chipset, 0x3e0, 0xb, 0)
        Self.write(chipset, 0x380, 777, 5)
        for period in 1...2000 as ClosedRange<UInt64> {
            let moment = 5 + period * 777
            #expect(Self.serve(chipset, moment - 1) == nil)
            #expect(Self.serve(chipset, moment + period % 700) == 0x40)
            #expect(Self.serve(chipset, moment + period % 700) == nil)
        }
    }

    @Test func `Missed periods make one interrupt, and the next is on the grid`() {
        let chipset = Self.machine(entry: 0x2_0040)
        Self.write(chipset, 0x3e0, 0xb, 0)
        Self.write(chipset, 0x380, 1, 0)
        #expect(Self.serve(chipset, 10_000_000_000_000) == 0x40)
        #expect(Self.serve(chipset, 10_000_000_000_000) == nil)
        Self.write(chipset, 0x380, 1000, 0)
        #expect(Self.serve(chipset, 1_000_500) == 0x40)
        #expect(chipset.poll(cpu: 0, now: 1_000_500).nextDeadline == 1_001_000)
    }

    @Test func `A count of zero stops, a new count starts anew`() {
        let chipset = Self.machine(entry: 0x2_0040)
        Self.write(chipset, 0x3e0, 0xb, 0)
        Self.write(chipset, 0x380, 1000, 0)
        Self.write(chipset, 0x380, 1000, 600)
        #expect(Self.serve(chipset, 1599) == nil)
        #expect(Self.serve(chipset, 1600) == 0x40)
        Self.write(chipset, 0x380, 0, 1700)
        #expect(chipset.poll(cpu: 0, now: 1700).nextDeadline == .max)
        #expect(Self.serve(chipset, .max) == nil)
    }

    @Test func `A new divider keeps what is left`() {
        let chipset = Self.machine(entry: 0x40)
        Self.write(chipset, 0x3e0, 0xb, 0)
        Self.write(chipset, 0x380, 1000, 0)
        Self.write(chipset, 0x3e0, 0x3, 400)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x390, now: 400) == 600)
        #expect(chipset.poll(cpu: 0, now: 400).nextDeadline == 400 + 600 * 16)
    }

    @Test func `A masked timer passes unseen, and asks nobody to wait`() {
        let chipset = Self.machine(entry: 0x1_0040)
        Self.write(chipset, 0x3e0, 0xb, 0)
        Self.write(chipset, 0x380, 1000, 0)
        #expect(chipset.poll(cpu: 0, now: 10).nextDeadline == .max)
        Self.write(chipset, 0x320, 0x40, 2000)
        #expect(Self.serve(chipset, 2000) == nil)
    }

    @Test func `A TSC deadline fires once when it is reached`() {
        let chipset = Self.machine(entry: 0x4_0040)
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 5000, now: 100))
        #expect(chipset.readMSR(cpu: 0, number: 0x6e0, now: 4999) == 5000)
        #expect(chipset.poll(cpu: 0, now: 100).nextDeadline == 5000)
        #expect(Self.serve(chipset, 4999) == nil)
        #expect(Self.serve(chipset, 5000) == 0x40)
        #expect(chipset.readMSR(cpu: 0, number: 0x6e0, now: 5000) == 0)
        #expect(Self.serve(chipset, .max) == nil)
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 1, now: 6000))
        #expect(Self.serve(chipset, 6000) == 0x40, "a deadline in the past fires at once")
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 9000, now: 6000))
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 0, now: 6000))
        #expect(Self.serve(chipset, 9000) == nil)
    }

    @Test func `A deadline follows the processor's own TSC`() {
        let chipset = Self.machine(entry: 0x4_0040)
        chipset.setTSCOffset(cpu: 0, 1_000_000)
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 1_005_000, now: 100))
        #expect(chipset.poll(cpu: 0, now: 100).nextDeadline == 5000)
        chipset.setTSCOffset(cpu: 0, 0 &- 50)
        #expect(chipset.poll(cpu: 0, now: 100).nextDeadline == 1_005_050)
    }

    @Test func `Other modes have no deadline, the deadline mode no count`() {
        let chipset = Self.machine(entry: 0x40)
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 5000, now: 100))
        #expect(chipset.readMSR(cpu: 0, number: 0x6e0, now: 100) == 0)
        Self.write(chipset, 0x320, 0x4_0040, 100)
        Self.write(chipset, 0x380, 1000, 100)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x380, now: 100) == 0)
        #expect(chipset.poll(cpu: 0, now: 100).nextDeadline == .max)
    }

    /// Entry before and after, and whether the timer goes on.
    static let switches: [(UInt32, UInt32, Bool)] = [
        (0x0_0040, 0x2_0040, true), (0x2_0040, 0x0_0040, true), (0x0_0040, 0x4_0040, false),
        (0x4_0040, 0x0_0040, false), (0x4_0040, 0x2_0040, false), (0x2_0040, 0x6_0040, false),
        (0x4_0040, 0x4_0041, true),
    ]

    @Test(arguments: switches)
    func `To or from the deadline mode disarms`(_ from: UInt32, _ to: UInt32, _ goesOn: Bool) {
        let chipset = Self.machine(entry: from)
        Self.write(chipset, 0x380, 1000, 0)
        #expect(chipset.writeMSR(cpu: 0, number: 0x6e0, value: 2000, now: 0))
        Self.write(chipset, 0x320, to, 10)
        #expect(chipset.poll(cpu: 0, now: 10).nextDeadline == (goesOn ? 2000 : .max))
    }

    @Test func `The end of time is far but not beyond`() {
        let chipset = Self.machine(entry: 0x2_0040)
        Self.write(chipset, 0x3e0, 0xa, .max - 5)
        Self.write(chipset, 0x380, .max, .max - 5)
        #expect(Self.serve(chipset, .max - 1) == nil)
        #expect(Self.serve(chipset, .max) == 0x40)
        #expect(chipset.poll(cpu: 0, now: .max).nextDeadline == .max)
    }

    @Test func `INIT stops the timer`() {
        let chipset = Self.machine(entry: 0x40)
        Self.write(chipset, 0x380, 1000, 0)
        chipset.writeAPIC(cpu: 0, offset: 0x300, value: 0x4500, now: 0)
        #expect(chipset.takeInit(cpu: 0))
        #expect(chipset.poll(cpu: 0, now: 0).nextDeadline == .max)
    }

    /// KVM shows 0 for a timer that goes round when it is due and has not been served yet.
    @Test func `A timer that goes round and is saved when it is due is not lost`() {
        var page = LocalAPIC(id: 0, isBootProcessor: true).page(now: 0)
        page[0xf0] = 0x1ff
        page[0x320] = 0x2_0040
        page[0x380] = 1000
        page[0x390] = 0
        page[0x3e0] = 0xb
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        check(apic.take(page, base: 0xfee0_0900, now: 5000), true)
        #expect(apic.nextDeadline(now: 5000) == 5000)
        check(apic.advance(now: 5000), true)
        #expect(apic.nextDeadline(now: 5000) == 6000)
        // One that does not go round has been served.
        page[0x320] = 0x40
        check(apic.take(page, base: 0xfee0_0900, now: 5000), true)
        #expect(apic.nextDeadline(now: 5000) == .max)
    }
}
