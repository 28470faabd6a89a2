// SPDX-License-Identifier: Apache-2.0
import Emulator
import Testing

@Suite struct ChipsetLocalAPICTests {
    struct Register: CustomTestStringConvertible, Sendable {
        let name: String
        let index: Int
        let reset: UInt64
        /// What all ones leave behind in xAPIC mode, the APIC enabled.
        let ones: UInt64
        var testDescription: String { name }
    }

    static let registers = [
        Register(name: "ID", index: 0x02, reset: 0x0300_0000, ones: 0x0300_0000),
        Register(name: "version", index: 0x03, reset: 0x50014, ones: 0x50014),
        Register(name: "TPR", index: 0x08, reset: 0, ones: 0xff),
        Register(name: "APR", index: 0x09, reset: 0, ones: 0),
        Register(name: "PPR", index: 0x0a, reset: 0, ones: 0),
        Register(name: "EOI", index: 0x0b, reset: 0, ones: 0),
        Register(name: "RRD", index: 0x0c, reset: 0, ones: 0),
        Register(name: "LDR", index: 0x0d, reset: 0, ones: 0xff00_0000),
        Register(name: "DFR", index: 0x0e, reset: 0xffff_ffff, ones: 0xffff_ffff),
        Register(name: "SVR", index: 0x0f, reset: 0xff, ones: 0x3ff),
        Register(name: "ISR 0", index: 0x10, reset: 0, ones: 0),
        Register(name: "TMR 7", index: 0x1f, reset: 0, ones: 0),
        Register(name: "IRR 3", index: 0x23, reset: 0, ones: 0),
        Register(name: "ESR", index: 0x28, reset: 0, ones: 0),
        Register(name: "ICR low", index: 0x30, reset: 0, ones: 0xccfff),
        Register(name: "ICR high", index: 0x31, reset: 0, ones: 0xff00_0000),
        Register(name: "LVT timer", index: 0x32, reset: 0x10000, ones: 0x700ff),
        Register(name: "LVT thermal", index: 0x33, reset: 0x10000, ones: 0x107ff),
        Register(name: "LVT performance", index: 0x34, reset: 0x10000, ones: 0x107ff),
        Register(name: "LINT0", index: 0x35, reset: 0x10000, ones: 0x1a7ff),
        Register(name: "LINT1", index: 0x36, reset: 0x10000, ones: 0x1a7ff),
        Register(name: "LVT error", index: 0x37, reset: 0x10000, ones: 0x100ff),
        Register(name: "initial count", index: 0x38, reset: 0, ones: 0xffff_ffff),
        Register(name: "current count", index: 0x39, reset: 0, ones: 0),
        Register(name: "divide", index: 0x3e, reset: 0, ones: 0xb),
    ]

    @Test(arguments: registers)
    func `A register resets and keeps only its writable bits`(_ register: Register) {
        var apic = LocalAPIC(id: 3, isBootProcessor: false)
        #expect(apic.read(register.index, now: 0) == register.reset)
        _ = apic.writePage(0x0f, 0x1ff, now: 0)
        _ = apic.writePage(register.index, .max, now: 0)
        #expect(apic.read(register.index, now: 0) == register.ones)
    }

    @Test(arguments: [0x00, 0x01, 0x04, 0x07, 0x29, 0x2f, 0x3a, 0x3d, 0x3f, 0x40, 0xff])
    func `A register that is not there is an error once ESR is asked`(_ index: Int) {
        let chipset = Chipset(cpuCount: 1) { _ in }
        #expect(chipset.readAPIC(cpu: 0, offset: UInt64(index) << 4, now: 0) == 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x280, now: 0) == 0)
        chipset.writeAPIC(cpu: 0, offset: 0x280, value: 0, now: 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x280, now: 0) == 0x80)
        chipset.writeAPIC(cpu: 0, offset: 0x280, value: 0, now: 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x280, now: 0) == 0)
        chipset.writeAPIC(cpu: 0, offset: UInt64(index) << 4, value: 1, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x280, value: 0, now: 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x280, now: 0) == 0x80)
    }

    @Test func `Accesses beside a register do nothing, inside one they shift`() {
        let chipset = Chipset(cpuCount: 1) { _ in }
        chipset.writeAPIC(cpu: 0, offset: 0x81, value: 0x77, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x84, value: 0x77, now: 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x80, now: 0) == 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x32, now: 0) == 0x5)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x38, now: 0) == 0)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x1_0000_0030, now: 0) == 0)
    }

    // MARK: x2APIC

    static func x2() -> Chipset {
        let chipset = Chipset(cpuCount: 2) { _ in }
        #expect(chipset.writeMSR(cpu: 1, number: 0x1b, value: 0xfee0_0c00, now: 0))
        return chipset
    }

    static let readable: Set<UInt32> = Set(
        [0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x828, 0x830, 0x838, 0x839, 0x83e]
            + Array(0x810...0x827) + Array(0x832...0x837))
    static let writable: Set<UInt32> = Set(
        [0x808, 0x80b, 0x80f, 0x828, 0x830, 0x838, 0x83e, 0x83f] + Array(0x832...0x837))

    @Test func `Every x2APIC MSR reads or faults as the manual lists`() {
        let chipset = Self.x2()
        for number: UInt32 in 0x800...0x8ff {
            let value = chipset.readMSR(cpu: 1, number: number, now: 0)
            #expect((value != nil) == Self.readable.contains(number), "MSR \(number)")
        }
    }

    @Test func `Every x2APIC MSR takes zero or faults as the manual lists`() {
        let chipset = Self.x2()
        for number: UInt32 in 0x800...0x8ff {
            let taken = chipset.writeMSR(cpu: 1, number: number, value: 0, now: 0)
            #expect(taken == Self.writable.contains(number), "MSR \(number)")
        }
    }

    @Test func `In xAPIC mode the x2APIC MSRs fault, in x2APIC mode the page is gone`() {
        let chipset = Self.x2()
        for number: UInt32 in 0x800...0x8ff {
            #expect(chipset.readMSR(cpu: 0, number: number, now: 0) == nil)
            #expect(!chipset.writeMSR(cpu: 0, number: number, value: 0, now: 0))
        }
        #expect(chipset.readAPIC(cpu: 1, offset: 0x30, now: 0) == .max)
        chipset.writeAPIC(cpu: 1, offset: 0x80, value: 0x20, now: 0)
        #expect(chipset.readMSR(cpu: 1, number: 0x808, now: 0) == 0)
    }

    /// MSR and the bits it takes; each other bit of 64 must fault.
    static let allowed: [(UInt32, UInt64)] = [
        (0x808, 0xff), (0x80b, 0), (0x80f, 0x3ff), (0x828, 0), (0x830, 0xffff_ffff_000c_dfff),
        (0x832, 0x710ff), (0x833, 0x117ff), (0x835, 0x1f7ff), (0x837, 0x110ff),
        (0x838, 0xffff_ffff), (0x83e, 0xb), (0x83f, 0xff),
    ]

    @Test(arguments: allowed)
    func `Reserved bits of an x2APIC register fault`(_ number: UInt32, _ bits: UInt64) {
        let chipset = Self.x2()
        for bit in 0..<64 as Range<UInt64> {
            let taken = chipset.writeMSR(cpu: 1, number: number, value: 1 << bit, now: 0)
            #expect(taken == (bits >> bit & 1 != 0), "bit \(bit)")
        }
    }

    @Test(arguments: [(0, 1), (1, 2), (15, 0x8000), (16, 0x1_0001), (31, 0x1_8000)])
    func `The logical x2APIC ID is made from the ID`(_ id: UInt32, _ logical: UInt64) {
        var apic = LocalAPIC(id: id, isBootProcessor: false)
        check(apic.writeBase(0xfee0_0c00), true)
        #expect(apic.read(0x02, now: 0) == UInt64(id))
        #expect(apic.read(0x0d, now: 0) == logical)
    }

    // MARK: IA32_APIC_BASE

    static let transitions: [(from: UInt64, to: UInt64, works: Bool)] = [
        (0x800, 0x800, true), (0x800, 0xc00, true), (0x800, 0, true), (0xc00, 0xc00, true),
        (0xc00, 0x800, false), (0xc00, 0, true), (0, 0x800, true), (0, 0xc00, false),
        (0, 0, true), (0x800, 0x400, false), (0xc00, 0x400, false), (0, 0x400, false),
    ]

    @Test(arguments: transitions)
    func `The mode changes only along the manual's arrows`(
        _ from: UInt64, _ to: UInt64, _ works: Bool
    ) {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        check(apic.writeBase(0xfee0_0000 | from), true)
        check(apic.writeBase(0xfee0_0100 | to), works)
        #expect(apic.base == 0xfee0_0100 | (works ? to : from))
    }

    @Test(arguments: [
        0xfee0_0801, 0xfee0_0880, 0xfee0_0a00, 0xfee0_1800, 0xfed0_0800, 0x1_fee0_0800,
        0x8000_0000_fee0_0800, 0,
    ])
    func `Reserved bits and another base fault`(_ value: UInt64) {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        check(apic.writeBase(value), false)
        #expect(apic.base == 0xfee0_0900)
    }

    @Test func `A disabled APIC forgets its registers and takes nothing`() {
        var apic = LocalAPIC(id: 1, isBootProcessor: false)
        _ = apic.writePage(0x0f, 0x1ff, now: 0)
        _ = apic.writePage(0x08, 0x30, now: 0)
        check(apic.writeBase(0xfee0_0000), true)
        let nmi = InterruptMessage(destination: 1, isLogical: false, mode: .nonMaskable, vector: 0)
        #expect(!apic.isNamed(by: nmi))
        check(apic.accept(nmi), .refused)
        check(apic.writeBase(0xfee0_0800), true)
        #expect(apic.taskPriority == 0 && apic.spurious == 0xff)
    }

    // MARK: Priorities

    static let priorities: [(tpr: UInt8, service: UInt8?, ppr: UInt8)] = [
        (0, nil, 0), (0x35, nil, 0x35), (0x35, 0x31, 0x35), (0x35, 0x41, 0x40),
        (0x35, 0x2f, 0x35), (0, 0x9c, 0x90), (0xff, 0xfe, 0xff), (0x40, 0x41, 0x40),
        (0x4f, 0x41, 0x4f),
    ]

    @Test(arguments: priorities)
    func `The processor priority is the higher class of task and service`(
        _ tpr: UInt8, _ service: UInt8?, _ ppr: UInt8
    ) {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        apic.taskPriority = tpr
        if let service { apic.vectors.inService.insert(service) }
        #expect(apic.read(0x0a, now: 0) == UInt64(ppr))
    }

    static let deliveries: [(tpr: UInt8, service: UInt8?, request: UInt8, goes: Bool)] = [
        (0, nil, 0x10, true), (0x10, nil, 0x1f, false), (0x1f, nil, 0x20, true),
        (0, 0x30, 0x3f, false), (0, 0x3f, 0x40, true), (0xf0, nil, 0xff, false),
        (0xe0, nil, 0xf0, true), (0, 0xf0, 0xff, false),
    ]

    @Test(arguments: deliveries)
    func `A vector interrupts only a lower class`(
        _ tpr: UInt8, _ service: UInt8?, _ request: UInt8, _ goes: Bool
    ) {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        apic.taskPriority = tpr
        if let service { apic.vectors.inService.insert(service) }
        apic.vectors.requested.insert(request)
        check(apic.acknowledge(), (goes ? request : nil))
        #expect(apic.vectors.requested.contains(request) == !goes)
        #expect(apic.vectors.inService.contains(request) == goes)
    }

    @Test func `Interrupts nest by class and end in order`() {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        apic.vectors.requested = VectorSet([0x31, 0x52, 0x55, 0x91])
        check(apic.acknowledge(), 0x91)
        check(apic.acknowledge(), nil)
        check(apic.endOfInterrupt(), nil)
        check(apic.acknowledge(), 0x55)
        apic.vectors.requested.insert(0xee)
        apic.vectors.level.insert(0xee)
        check(apic.acknowledge(), 0xee)
        check(apic.endOfInterrupt(), 0xee)
        check(apic.acknowledge(), nil)
        check(apic.endOfInterrupt(), nil)
        check(apic.acknowledge(), 0x52)
    }

    @Test func `Every vector is found alone and among lower ones`() {
        var all = VectorSet()
        #expect(all.highest == nil)
        for vector in UInt8.min...UInt8.max {
            #expect(VectorSet([vector]).highest == vector)
            all.insert(vector)
            #expect(all.highest == vector)
            #expect(all.register(Int(vector) / 32) >> UInt32(vector % 32) & 1 == 1)
        }
        all.remove(255)
        #expect(all.highest == 254 && !all.contains(255))
    }

    // MARK: Enabling and errors

    @Test func `Software disable masks the table and keeps it masked`() {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        check(apic.writePage(0x0f, 0x1ff, now: 0), .enabled)
        _ = apic.writePage(0x32, 0x40, now: 0)
        #expect(apic.read(0x32, now: 0) == 0x40)
        _ = apic.writePage(0x0f, 0xff, now: 0)
        #expect(apic.read(0x32, now: 0) == 0x10040)
        _ = apic.writePage(0x32, 0x41, now: 0)
        #expect(apic.read(0x32, now: 0) == 0x10041)
        let fixed = InterruptMessage(destination: 0, isLogical: false, mode: .fixed, vector: 0x50)
        check(apic.accept(fixed), .refused)
        let nmi = InterruptMessage(destination: 0, isLogical: false, mode: .nonMaskable, vector: 0)
        check(apic.accept(nmi), .news)
    }

    @Test func `An illegal vector sets ESR and raises the error interrupt once`() {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        _ = apic.writePage(0x0f, 0x1ff, now: 0)
        _ = apic.writePage(0x37, 0xfe, now: 0)
        let bad = InterruptMessage(destination: 0, isLogical: false, mode: .fixed, vector: 15)
        check(apic.accept(bad), .news)
        check(apic.acknowledge(), 0xfe)
        check(apic.endOfInterrupt(), nil)
        _ = apic.accept(bad)
        check(apic.acknowledge(), nil)
        _ = apic.writePage(0x28, 0, now: 0)
        #expect(apic.read(0x28, now: 0) == 0x40)
        _ = apic.accept(bad)
        check(apic.acknowledge(), 0xfe)
    }

    @Test func `An error entry with an illegal vector does not go round in circles`() {
        var apic = LocalAPIC(id: 0, isBootProcessor: true)
        _ = apic.writePage(0x0f, 0x1ff, now: 0)
        _ = apic.writePage(0x37, 0x03, now: 0)
        apic.fail(.sendIllegalVector)
        #expect(apic.errors.pending == 0x60)
    }
}
