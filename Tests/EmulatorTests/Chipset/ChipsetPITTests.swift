// SPDX-License-Identifier: Apache-2.0
import Emulator
import Testing

@Suite struct ChipsetPITTests {
    /// A channel with `control` and a two-byte `count`, loaded at tick 1,000.
    static func channel(_ mode: UInt8, _ count: UInt16, bcd: Bool = false) -> PITChannel {
        var channel = PITChannel(gate: true)
        channel.setControl(0x30 | mode << 1 | (bcd ? 1 : 0))
        channel.write(UInt8(count & 0xff), 1000)
        channel.write(UInt8(count >> 8), 1000)
        return channel
    }

    struct Moment: CustomTestStringConvertible, Sendable {
        let mode: UInt8
        let count: UInt16
        var bcd = false
        let elapsed: UInt64
        let value: UInt16
        let output: Bool
        var testDescription: String { "mode \(mode), count \(count), after \(elapsed)" }
    }

    static let moments = [
        Moment(mode: 0, count: 100, elapsed: 0, value: 100, output: false),
        Moment(mode: 0, count: 100, elapsed: 99, value: 1, output: false),
        Moment(mode: 0, count: 100, elapsed: 100, value: 0, output: true),
        Moment(mode: 0, count: 100, elapsed: 101, value: 0xffff, output: true),
        Moment(mode: 0, count: 100, elapsed: 1_000_000, value: 48_676, output: true),
        Moment(mode: 0, count: 0, elapsed: 1, value: 0xffff, output: false),
        Moment(mode: 0, count: 0, elapsed: 65_536, value: 0, output: true),
        Moment(mode: 0, count: 0x100, bcd: true, elapsed: 1, value: 0x99, output: false),
        Moment(mode: 0, count: 0x100, bcd: true, elapsed: 101, value: 0x9999, output: true),
        Moment(mode: 2, count: 100, elapsed: 0, value: 100, output: true),
        Moment(mode: 2, count: 100, elapsed: 99, value: 1, output: false),
        Moment(mode: 2, count: 100, elapsed: 100, value: 100, output: true),
        Moment(mode: 2, count: 100, elapsed: 250, value: 50, output: true),
        Moment(mode: 2, count: 0, elapsed: 65_536, value: 0, output: true),
        Moment(mode: 2, count: 1, elapsed: 1, value: 1, output: false),
        Moment(mode: 3, count: 100, elapsed: 0, value: 100, output: true),
        Moment(mode: 3, count: 100, elapsed: 49, value: 2, output: true),
        Moment(mode: 3, count: 100, elapsed: 50, value: 100, output: false),
        Moment(mode: 3, count: 100, elapsed: 99, value: 2, output: false),
        Moment(mode: 3, count: 100, elapsed: 100, value: 100, output: true),
        Moment(mode: 3, count: 5, elapsed: 2, value: 0, output: true),
        Moment(mode: 3, count: 5, elapsed: 3, value: 4, output: false),
        Moment(mode: 7, count: 100, elapsed: 50, value: 100, output: false),
        Moment(mode: 4, count: 100, elapsed: 99, value: 1, output: true),
        Moment(mode: 4, count: 100, elapsed: 100, value: 0, output: false),
        Moment(mode: 4, count: 100, elapsed: 101, value: 0xffff, output: true),
        Moment(mode: 1, count: 100, elapsed: 5, value: 100, output: true),
    ]

    @Test(arguments: moments)
    func `A counter shows its count and its output`(_ moment: Moment) {
        let channel = Self.channel(moment.mode, moment.count, bcd: moment.bcd)
        let tick = 1000 + moment.elapsed
        #expect(channel.output(tick) == moment.output)
        if moment.mode != 3 || moment.count % 2 == 0 {
            #expect(channel.current(tick) == moment.value)
        }
    }

    @Test func `A latched count stands still until both bytes are read`() {
        var channel = Self.channel(2, 0x1234)
        channel.latchCount(1001)
        channel.latchCount(1100)
        check(channel.read(1200), 0x33)
        check(channel.read(1300), 0x12)
        check(channel.read(1000 + 0x34), 0x00)
        check(channel.read(1000 + 0x34), 0x12)
    }

    @Test func `One-byte access reads and writes one half`() {
        var low = PITChannel(gate: true)
        low.setControl(0x14)
        low.write(0x40, 0)
        #expect(low.count == 0x40)
        check(low.read(1), 0x3f)
        check(low.read(2), 0x3e)
        var high = PITChannel(gate: true)
        high.setControl(0x24)
        high.write(0x40, 0)
        #expect(high.count == 0x4000)
        check(high.read(1), 0x3f)
    }

    @Test func `The read-back command latches status and count of those it names`() {
        var pit = PIT()
        check(pit.write(port: 0x43, 0x34, now: 0), true)
        check(pit.write(port: 0x43, 0xe2, now: 0), true)
        check(pit.read(port: 0x40, now: 0), 0xf4, "null count: output, no count, mode 2")
        check(pit.write(port: 0x40, 0x10, now: 0), true)
        check(pit.write(port: 0x40, 0x27, now: 0), true)
        check(pit.write(port: 0x43, 0xc2, now: 1_000_000), true)
        check(pit.read(port: 0x40, now: 2_000_000), 0xb4)
        check(pit.read(port: 0x40, now: 2_000_000), 0x67, "10,000 less 1,193 ticks")
        check(pit.read(port: 0x40, now: 2_000_000), 0x22)
        check(pit.write(port: 0x43, 0xd2, now: 0), true, "count only")
        check(pit.write(port: 0x43, 0xee, now: 0), true, "status of all")
        check(pit.read(port: 0x40, now: 0), 0xb4)
        check(pit.read(port: 0x40, now: 0), 0x10)
        check(pit.read(port: 0x40, now: 0), 0x27)
        check(pit.read(port: 0x41, now: 0), 0x70)
    }

    @Test func `Port 0x61 gates counter 2 and shows its output and the refresh`() {
        var pit = PIT()
        check(pit.write(port: 0x61, 0xf1, now: 0), true)
        check(pit.read(port: 0x61, now: 0), 0x01)
        check(pit.write(port: 0x43, 0xb0, now: 0), true)
        check(pit.write(port: 0x42, 0xff, now: 0), true)
        check(pit.write(port: 0x42, 0xff, now: 0), true)
        let end = PIT.nanoseconds(at: 65_535)
        check(pit.read(port: 0x61, now: end - 1).map { $0 & 0x20 }, 0)
        check(pit.read(port: 0x61, now: end).map { $0 & 0x20 }, 0x20)
        check(pit.read(port: 0x61, now: 15_084).map { $0 & 0x10 }, 0)
        check(pit.read(port: 0x61, now: 15_085).map { $0 & 0x10 }, 0x10)
    }

    @Test func `A low gate holds modes 0 and 4, and stops modes 2 and 3`() {
        for mode: UInt8 in [0, 4] {
            var channel = Self.channel(mode, 100)
            channel.setGate(false, 1040)
            #expect(channel.current(5000) == 60)
            channel.setGate(true, 5000)
            #expect(channel.current(5059) == 1)
            #expect(channel.output(5060) == (mode == 0))
        }
        for mode: UInt8 in [2, 3] {
            var channel = Self.channel(mode, 100)
            channel.setGate(false, 1070)
            #expect(channel.output(1099))
            channel.setGate(true, 5000)
            #expect(channel.current(5000) == 100)
        }
    }

    @Test func `A rising gate triggers modes 1 and 5`() {
        for mode: UInt8 in [1, 5] {
            var channel = Self.channel(mode, 10)
            channel.setGate(false, 1001)
            channel.setGate(true, 2000)
            #expect(channel.output(2009) == (mode == 5))
            #expect(channel.output(2010) == (mode == 1))
        }
    }

    @Test func `Ticks and nanoseconds agree at every tick`() {
        #expect(PIT.ticks(at: 1_000_000_000) == 1_193_182)
        #expect(PIT.nanoseconds(at: 1_193_182) == 1_000_000_000)
        #expect(PIT.nanoseconds(at: .max) == .max)
        #expect(PIT.ticks(at: .max) > 0)
        for tick: UInt64 in [1, 2, 3, 1000, 65_536, 1 << 40, 1 << 53] {
            let moment = PIT.nanoseconds(at: tick)
            #expect(PIT.ticks(at: moment) == tick)
            #expect(PIT.ticks(at: moment - 1) == tick - 1)
        }
    }

    // MARK: IRQ 0

    /// The 8259s open, counter 0 in `mode` with `count` from time 0.
    static func machine(_ mode: UInt8, _ count: UInt16) -> Chipset {
        let chipset = Chipset(cpuCount: 2) { _ in }
        ChipsetPICTests.open(chipset)
        _ = chipset.writePort(0x43, size: 1, value: UInt32(0x30 | mode << 1), now: 0)
        _ = chipset.writePort(0x40, size: 1, value: UInt32(count & 0xff), now: 0)
        _ = chipset.writePort(0x40, size: 1, value: UInt32(count >> 8), now: 0)
        return chipset
    }

    static func serve(_ chipset: Chipset, _ now: UInt64) -> Bool {
        guard chipset.poll(cpu: 0, now: now).interrupt,
            chipset.acknowledge(cpu: 0, now: now) == 0x30
        else { return false }
        return chipset.writePort(0x20, size: 1, value: 0x20, now: now)
    }

    @Test(arguments: [2, 3] as [UInt8])
    func `A periodic counter interrupts at each exact moment and does not drift`(_ mode: UInt8) {
        let chipset = Self.machine(mode, 11_932)
        for period in 1...1000 as ClosedRange<UInt64> {
            let moment = PIT.nanoseconds(at: period * 11_932)
            #expect(chipset.poll(cpu: 0, now: moment - 1).nextDeadline == moment)
            #expect(!Self.serve(chipset, moment - 1))
            #expect(Self.serve(chipset, moment))
        }
        #expect(chipset.poll(cpu: 1, now: 0).nextDeadline == .max, "only the boot processor's")
    }

    @Test func `Missed periods make one interrupt, and the next is on the grid`() {
        let chipset = Self.machine(2, 1000)
        let late = PIT.nanoseconds(at: 1_000_500)
        #expect(Self.serve(chipset, late))
        #expect(!Self.serve(chipset, late))
        #expect(chipset.poll(cpu: 0, now: late).nextDeadline == PIT.nanoseconds(at: 1_001_000))
    }

    @Test func `Mode 0 interrupts once`() {
        let chipset = Self.machine(0, 1000)
        let moment = PIT.nanoseconds(at: 1000)
        #expect(!Self.serve(chipset, moment - 1))
        #expect(Self.serve(chipset, moment))
        #expect(chipset.poll(cpu: 0, now: moment).nextDeadline == .max)
        #expect(!Self.serve(chipset, .max))
    }

    @Test func `Nobody waits for a timer that is masked everywhere`() {
        let chipset = Self.machine(2, 1000)
        _ = chipset.writePort(0x21, size: 1, value: 0xff, now: 0)
        #expect(chipset.poll(cpu: 0, now: 0).nextDeadline == .max)
        ChipsetIOAPICTests.entry(chipset, pin: 2, low: 0x50)
        #expect(chipset.poll(cpu: 0, now: 0).nextDeadline == PIT.nanoseconds(at: 1000))
    }
}
