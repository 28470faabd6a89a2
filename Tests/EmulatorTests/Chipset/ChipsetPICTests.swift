// SPDX-License-Identifier: Apache-2.0
import Emulator
import Testing

@Suite struct ChipsetPICTests {
    /// Both chips initialized as every PC kernel does: vectors 0x30 and 0x38, all open.
    static func machine(fourth: UInt8 = 1, secondFourth: UInt8 = 1) -> PIC {
        var pic = PIC()
        initialize(&pic, port: 0x20, [0x11, 0x30, 4, fourth])
        initialize(&pic, port: 0xa0, [0x11, 0x38, 2, secondFourth])
        return pic
    }

    static func initialize(_ pic: inout PIC, port: UInt16, _ words: [UInt8]) {
        for (index, word) in words.enumerated() {
            check(pic.write(port: index == 0 ? port : port + 1, word), true)
        }
    }

    static func pulse(_ pic: inout PIC, _ line: Int) {
        pic.set(line: line, high: true)
        pic.set(line: line, high: false)
    }

    @Test func `Power-up masks everything`() {
        var pic = PIC()
        for line in 0..<16 { pic.set(line: line, high: true) }
        #expect(!pic.output)
        check(pic.read(port: 0x21), 0xff)
        check(pic.read(port: 0xa1), 0xff)
    }

    @Test(arguments: [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    func `Each line has its vector`(_ line: Int) {
        var pic = Self.machine()
        Self.pulse(&pic, line)
        #expect(pic.output)
        check(pic.acknowledge(), UInt8(0x30 + line))
        #expect(!pic.output)
        #expect(pic.primary.inService == (line < 8 ? 1 << UInt8(line) : 4))
        #expect(pic.secondary.inService == (line < 8 ? 0 : 1 << UInt8(line - 8)))
    }

    @Test func `Line 2 is the cascade and others cannot drive it`() {
        var pic = Self.machine()
        for line in [2, 16, -1] { Self.pulse(&pic, line) }
        #expect(!pic.output)
    }

    struct Sequence: CustomTestStringConvertible, Sendable {
        let name: String
        let words: [UInt8]
        let base: UInt8
        let modes: PIC8259.Modes
        var testDescription: String { name }
    }

    static let sequences = [
        Sequence(name: "four words", words: [0x11, 0x47, 4, 1], base: 0x40, modes: []),
        Sequence(name: "no fourth", words: [0x10, 0x50, 4], base: 0x50, modes: []),
        Sequence(name: "single", words: [0x13, 0x60, 1], base: 0x60, modes: []),
        Sequence(name: "single, no fourth", words: [0x12, 0x60], base: 0x60, modes: []),
        Sequence(name: "automatic", words: [0x11, 0x20, 4, 3], base: 0x20, modes: .automaticEnd),
        Sequence(
            name: "nested", words: [0x11, 0x20, 4, 0x11], base: 0x20, modes: .specialFullyNested),
        Sequence(name: "levels", words: [0x19, 0x20, 4, 1], base: 0x20, modes: .levelTriggered),
    ]

    @Test(arguments: sequences)
    func `An initialization takes its words and then the mask`(_ sequence: Sequence) {
        var pic = PIC()
        Self.initialize(&pic, port: 0x20, sequence.words)
        check(pic.read(port: 0x21), 0, "the mask is cleared")
        check(pic.write(port: 0x21, 0xa5), true)
        check(pic.read(port: 0x21), 0xa5)
        #expect(pic.primary.vectorBase == sequence.base)
        #expect(pic.primary.modes == sequence.modes)
    }

    @Test func `An initialization forgets edges and what was in service`() {
        var pic = Self.machine()
        Self.pulse(&pic, 3)
        Self.pulse(&pic, 4)
        _ = pic.acknowledge()
        Self.initialize(&pic, port: 0x20, [0x11, 0x30, 4, 1])
        #expect(!pic.output)
        #expect(pic.primary.inService == 0)
    }

    @Test func `Lower lines win, higher ones wait for the end`() {
        var pic = Self.machine()
        for line in [7, 1, 12, 4] { Self.pulse(&pic, line) }
        check(pic.acknowledge(), 0x31)
        #expect(!pic.output)
        Self.pulse(&pic, 0)
        check(pic.acknowledge(), 0x30)
        check(pic.write(port: 0x20, 0x20), true)
        #expect(!pic.output)
        check(pic.write(port: 0x20, 0x20), true)
        check(pic.acknowledge(), 0x3c)
        check(pic.write(port: 0x20, 0x20), true)
        check(pic.acknowledge(), 0x34, "the second chip still serves its own")
        check(pic.write(port: 0x20, 0x20), true)
        check(pic.acknowledge(), 0x37)
    }

    @Test func `A masked request waits in IRR`() {
        var pic = Self.machine()
        check(pic.write(port: 0x21, 0x08), true)
        Self.pulse(&pic, 3)
        #expect(!pic.output)
        check(pic.read(port: 0x20), 0x08)
        check(pic.write(port: 0x21, 0), true)
        check(pic.acknowledge(), 0x33)
        check(pic.read(port: 0x20), 0)
        check(pic.write(port: 0x20, 0x0b), true)
        check(pic.read(port: 0x20), 0x08)
        check(pic.write(port: 0x20, 0x0a), true)
        check(pic.read(port: 0x20), 0)
    }

    /// OCW2, and what is left in service and lowest of lines 1, 3 and 5.
    static let ends: [(word: UInt8, inService: UInt8, lowest: UInt8)] = [
        (0x20, 0x28, 7), (0x63, 0x22, 7), (0x60, 0x2a, 7), (0xa0, 0x28, 1), (0xe5, 0x0a, 5),
        (0xc4, 0x2a, 4), (0x40, 0x2a, 7), (0x80, 0x2a, 7), (0x00, 0x2a, 7),
    ]

    @Test(arguments: ends)
    func `An end of interrupt ends what it says`(
        _ word: UInt8, _ inService: UInt8, _ lowest: UInt8
    ) {
        var pic = Self.machine()
        pic.primary.inService = 0x2a
        check(pic.write(port: 0x20, word), true)
        #expect(pic.primary.inService == inService)
        #expect(pic.primary.lowest == lowest)
    }

    @Test func `Rotation turns the priorities`() {
        var pic = Self.machine()
        check(pic.write(port: 0x20, 0xc3), true)
        for line in [0, 3, 4, 5] { Self.pulse(&pic, line) }
        var order: [UInt8] = []
        while pic.output {
            order.append(pic.acknowledge())
            check(pic.write(port: 0x20, 0x20), true)
        }
        #expect(order == [0x34, 0x35, 0x30, 0x33])
    }

    @Test func `Automatic end leaves nothing in service and may rotate`() {
        var pic = Self.machine(fourth: 3)
        check(pic.write(port: 0x20, 0x80), true)
        Self.pulse(&pic, 1)
        check(pic.acknowledge(), 0x31)
        #expect(pic.primary.inService == 0)
        for line in [0, 1, 3] { Self.pulse(&pic, line) }
        check(pic.acknowledge(), 0x33)
        check(pic.acknowledge(), 0x30)
        check(pic.acknowledge(), 0x31)
    }

    @Test func `A request that has gone is a spurious line 7`() {
        var pic = Self.machine()
        check(pic.acknowledge(), 0x37)
        #expect(pic.primary.inService == 0)
        check(pic.write(port: 0x4d0, 0x20), true)
        pic.set(line: 5, high: true)
        #expect(pic.output)
        pic.set(line: 5, high: false)
        #expect(!pic.output)
        check(pic.acknowledge(), 0x37)
    }

    @Test func `A level asks again after its end`() {
        var pic = Self.machine()
        check(pic.write(port: 0x4d1, 0xff), true)
        check(pic.read(port: 0x4d1), 0xde)
        check(pic.write(port: 0x4d0, 0xff), true)
        check(pic.read(port: 0x4d0), 0xf8)
        pic.set(line: 10, high: true)
        for _ in 0..<3 {
            check(pic.acknowledge(), 0x3a)
            #expect(!pic.output)
            check(pic.write(port: 0xa0, 0x20), true)
            check(pic.write(port: 0x20, 0x20), true)
            #expect(pic.output)
        }
        pic.set(line: 10, high: false)
        #expect(!pic.output)
    }

    @Test func `The special mask lets lower lines through`() {
        var pic = Self.machine()
        Self.pulse(&pic, 2 + 1)
        _ = pic.acknowledge()
        Self.pulse(&pic, 6)
        #expect(!pic.output)
        check(pic.write(port: 0x21, 0x08), true)
        check(pic.write(port: 0x20, 0x68), true)
        check(pic.acknowledge(), 0x36)
        check(pic.write(port: 0x20, 0x20), true)
        #expect(pic.primary.inService == 0x08, "a masked one is not ended without its name")
        check(pic.write(port: 0x20, 0x48), true)
        Self.pulse(&pic, 6)
        #expect(!pic.output)
    }

    @Test func `Special full nesting lets the second chip interrupt itself`() {
        for (fourth, nested) in [(0x11, true), (0x01, false)] as [(UInt8, Bool)] {
            var pic = Self.machine(fourth: fourth)
            Self.pulse(&pic, 12)
            check(pic.acknowledge(), 0x3c)
            Self.pulse(&pic, 9)
            #expect(pic.output == nested)
            check(pic.acknowledge(), nested ? 0x39 : 0x37)
        }
    }

    @Test func `A poll acknowledges by reading`() {
        var pic = Self.machine()
        check(pic.write(port: 0x20, 0x0c), true)
        check(pic.read(port: 0x20), 0)
        Self.pulse(&pic, 6)
        check(pic.write(port: 0x20, 0x0c), true)
        check(pic.read(port: 0x20), 0x86)
        #expect(pic.primary.inService == 0x40)
        check(pic.read(port: 0x20), 0, "one poll, one read")
    }

    // MARK: To the processor

    static func open(_ chipset: Chipset) {
        for (port, value) in [
            (0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x38),
            (0xa1, 2), (0xa1, 1),
        ] as [(UInt16, UInt32)] {
            #expect(chipset.writePort(port, size: 1, value: value, now: 0))
        }
    }

    @Test func `The boot processor takes the 8259s from power-up and by LINT0`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        Self.open(chipset)
        chipset.pulse(gsi: 4)
        chipset.setTaskPriority(cpu: 0, 15)
        #expect(chipset.poll(cpu: 0, now: 0).interrupt, "whatever the task priority")
        #expect(!chipset.poll(cpu: 1, now: 0).interrupt)
        #expect(chipset.acknowledge(cpu: 1, now: 0) == nil)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == 0x34)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == nil)
        #expect(chipset.writePort(0x20, size: 1, value: 0x20, now: 0))
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x350, value: 0x1_0700, now: 0)
        chipset.pulse(gsi: 4)
        #expect(!chipset.poll(cpu: 0, now: 0).interrupt)
        chipset.writeAPIC(cpu: 0, offset: 0x350, value: 0x700, now: 0)
        #expect(chipset.poll(cpu: 0, now: 0).interrupt)
    }

    @Test func `Without an APIC the wire goes straight to the boot processor`() {
        let chipset = Chipset(cpuCount: 1) { _ in }
        Self.open(chipset)
        #expect(chipset.writeMSR(cpu: 0, number: 0x1b, value: 0xfee0_0000, now: 0))
        chipset.pulse(gsi: 14)
        #expect(chipset.poll(cpu: 0, now: 0).interrupt)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == 0x3e)
    }

    @Test func `LINT0 in fixed mode makes a vector, in NMI mode an NMI`() {
        let chipset = Chipset(cpuCount: 1) { _ in }
        Self.open(chipset)
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x350, value: 0x61, now: 0)
        chipset.pulse(gsi: 4)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == 0x61)
        chipset.writeAPIC(cpu: 0, offset: 0x350, value: 0x400, now: 0)
        Self.open(chipset)
        chipset.pulse(gsi: 4)
        #expect(chipset.takeNMI(cpu: 0))
    }

    @Test func `Pin 0 of the I/O APIC in ExtINT mode brings the 8259s to any processor`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        Self.open(chipset)
        chipset.writeIOAPIC(offset: 0, value: 0x11)
        chipset.writeIOAPIC(offset: 0x10, value: 0x0100_0000)
        chipset.writeIOAPIC(offset: 0, value: 0x10)
        chipset.writeIOAPIC(offset: 0x10, value: 0x700)
        chipset.writeAPIC(cpu: 0, offset: 0x350, value: 0x1_0700, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x310, value: 0x0100_0000, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x300, value: 0x4600, now: 0)
        #expect(chipset.takeStartup(cpu: 1) == 0)
        for _ in 0..<2 {
            chipset.pulse(gsi: 4)
            #expect(!chipset.poll(cpu: 0, now: 0).interrupt)
            #expect(chipset.poll(cpu: 1, now: 0).interrupt)
            #expect(chipset.acknowledge(cpu: 1, now: 0) == 0x34)
            #expect(chipset.writePort(0x20, size: 1, value: 0x20, now: 0))
        }
    }

    @Test func `Ports of others are not answered, wide accesses are taken apart`() {
        let chipset = Chipset(cpuCount: 1) { _ in }
        for port: UInt16 in [0x22, 0x3f, 0x44, 0x60, 0x62, 0x9f, 0xa2, 0x4cf, 0x4d2, 0xffff] {
            #expect(chipset.readPort(port, size: 1, now: 0) == nil)
            #expect(!chipset.writePort(port, size: 1, value: 0, now: 0))
        }
        #expect(chipset.writePort(0x4d0, size: 2, value: 0xffff, now: 0))
        #expect(chipset.readPort(0x4d0, size: 2, now: 0) == 0xdef8)
        #expect(chipset.readPort(0x4d1, size: 4, now: 0) == 0xffff_ffde)
    }
}
