// SPDX-License-Identifier: Apache-2.0
import Emulator
import Testing

@Suite struct ChipsetIOAPICTests {
    static func machine() -> Chipset {
        let chipset = Chipset(cpuCount: 2) { _ in }
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        return chipset
    }

    static func write(_ chipset: Chipset, _ index: UInt32, _ value: UInt32) {
        chipset.writeIOAPIC(offset: 0, value: index)
        chipset.writeIOAPIC(offset: 0x10, value: value)
    }

    static func read(_ chipset: Chipset, _ index: UInt32) -> UInt32 {
        chipset.writeIOAPIC(offset: 0, value: index)
        return chipset.readIOAPIC(offset: 0x10)
    }

    static func entry(_ chipset: Chipset, pin: UInt32, low: UInt32, high: UInt32 = 0) {
        write(chipset, 0x11 + pin * 2, high)
        write(chipset, 0x10 + pin * 2, low)
    }

    static func requested(_ chipset: Chipset, _ vector: UInt8) -> Bool {
        chipset.save().localAPICs[0].vectors.requested.contains(vector)
    }

    static func serve(_ chipset: Chipset) -> UInt8? { chipset.acknowledge(cpu: 0, now: 0) }

    static func end(_ chipset: Chipset) {
        chipset.writeAPIC(cpu: 0, offset: 0xb0, value: 0, now: 0)
    }

    /// Index, reset value, what all ones leave.
    static let registers: [(UInt32, UInt32, UInt32)] = [
        (0, 0, 0x0f00_0000), (1, 0x0017_0020, 0x0017_0020), (2, 0, 0), (3, 0, 0), (0x0f, 0, 0),
        (0x10, 0x10000, 0x1afff), (0x11, 0, 0xff00_0000), (0x3e, 0x10000, 0x1afff),
        (0x3f, 0, 0xff00_0000), (0x40, 0, 0), (0xff, 0, 0),
    ]

    @Test(arguments: registers)
    func `A register resets and keeps only its writable bits`(
        _ index: UInt32, _ reset: UInt32, _ ones: UInt32
    ) {
        let chipset = Self.machine()
        #expect(Self.read(chipset, index) == reset)
        Self.write(chipset, index, .max)
        #expect(Self.read(chipset, index) == ones)
    }

    @Test func `The index register keeps eight bits, other offsets nothing`() {
        let chipset = Self.machine()
        chipset.writeIOAPIC(offset: 0, value: 0x1_1234)
        #expect(chipset.readIOAPIC(offset: 0) == 0x34)
        for offset: UInt64 in [4, 8, 0x14, 0x20, 0x40, 0xfff, .max] {
            chipset.writeIOAPIC(offset: offset, value: .max)
            #expect(chipset.readIOAPIC(offset: offset) == 0)
        }
    }

    @Test func `An edge interrupts once for each rise`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 9, low: 0x71)
        chipset.setLine(gsi: 9, high: true)
        #expect(Self.serve(chipset) == 0x71)
        Self.end(chipset)
        chipset.setLine(gsi: 9, high: true)
        #expect(Self.serve(chipset) == nil)
        chipset.setLine(gsi: 9, high: false)
        #expect(Self.serve(chipset) == nil)
        chipset.pulse(gsi: 9)
        chipset.pulse(gsi: 9)
        #expect(Self.serve(chipset) == 0x71)
        Self.end(chipset)
        #expect(Self.serve(chipset) == nil)
    }

    @Test func `An edge on a masked pin is lost, a level is not`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 9, low: 0x1_0071)
        Self.entry(chipset, pin: 10, low: 0x1_8072)
        chipset.setLine(gsi: 9, high: true)
        chipset.setLine(gsi: 10, high: true)
        Self.entry(chipset, pin: 9, low: 0x71)
        #expect(Self.serve(chipset) == nil)
        Self.entry(chipset, pin: 10, low: 0x8072)
        #expect(Self.serve(chipset) == 0x72)
    }

    @Test func `A level interrupts again after each EOI until the line falls`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 20, low: 0x8071)
        chipset.setLine(gsi: 20, high: true)
        #expect(Self.read(chipset, 0x10 + 40) == 0xc071, "remote IRR")
        #expect(Self.serve(chipset) == 0x71)
        chipset.setLine(gsi: 20, high: true)
        #expect(!Self.requested(chipset, 0x71))
        Self.end(chipset)
        #expect(Self.serve(chipset) == 0x71)
        chipset.setLine(gsi: 20, high: false)
        #expect(Self.read(chipset, 0x10 + 40) == 0xc071)
        Self.end(chipset)
        #expect(Self.read(chipset, 0x10 + 40) == 0x8071)
        #expect(Self.serve(chipset) == nil)
    }

    @Test func `The EOI register ends a level too`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 20, low: 0x8071)
        chipset.setLine(gsi: 20, high: true)
        chipset.setLine(gsi: 20, high: false)
        chipset.writeIOAPIC(offset: 0x40, value: 0x72)
        #expect(Self.read(chipset, 0x10 + 40) == 0xc071)
        chipset.writeIOAPIC(offset: 0x40, value: 0x71)
        #expect(Self.read(chipset, 0x10 + 40) == 0x8071)
    }

    @Test func `Turning an entry to edge forgets that it waits for EOI`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 20, low: 0x8071)
        chipset.setLine(gsi: 20, high: true)
        Self.entry(chipset, pin: 20, low: 0x1_0071)
        #expect(Self.read(chipset, 0x10 + 40) == 0x1_0071)
    }

    @Test func `A level that nobody takes is sent when an APIC is enabled`() {
        let chipset = Chipset(cpuCount: 1) { _ in }
        Self.entry(chipset, pin: 20, low: 0x8071)
        chipset.setLine(gsi: 20, high: true)
        #expect(Self.read(chipset, 0x10 + 40) == 0x8071)
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        #expect(Self.serve(chipset) == 0x71)
        #expect(Self.read(chipset, 0x10 + 40) == 0xc071)
    }

    @Test func `Edges of masked levels and of vectors shared by two pins do not mix`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 20, low: 0x8071)
        Self.entry(chipset, pin: 21, low: 0x8071)
        chipset.setLine(gsi: 20, high: true)
        chipset.setLine(gsi: 21, high: true)
        #expect(Self.serve(chipset) == 0x71)
        chipset.setLine(gsi: 20, high: false)
        Self.end(chipset)
        #expect(Self.serve(chipset) == 0x71)
        chipset.setLine(gsi: 21, high: false)
        Self.end(chipset)
        #expect(Self.serve(chipset) == nil)
    }

    @Test func `ISA's timer is on pin 2, and GSI 2 and 24 are nowhere`() {
        let chipset = Self.machine()
        for pin: UInt32 in 0..<24 { Self.entry(chipset, pin: pin, low: 0x40 + pin) }
        chipset.pulse(gsi: 0)
        #expect(Self.serve(chipset) == 0x42)
        Self.end(chipset)
        for gsi: UInt32 in [2, 24, .max] { chipset.pulse(gsi: gsi) }
        #expect(Self.serve(chipset) == nil)
        for gsi: UInt32 in 16..<24 {
            chipset.pulse(gsi: gsi)
            #expect(Self.serve(chipset) == UInt8(0x40 + gsi))
            Self.end(chipset)
        }
    }

    @Test func `An NMI or INIT entry signals its processor`() {
        let chipset = Self.machine()
        Self.entry(chipset, pin: 5, low: 0x400)
        Self.entry(chipset, pin: 6, low: 0x500, high: 0x0100_0000)
        chipset.pulse(gsi: 5)
        chipset.pulse(gsi: 6)
        #expect(chipset.poll(cpu: 0, now: 0).nmi)
        #expect(chipset.poll(cpu: 1, now: 0).initSignal)
    }
}
