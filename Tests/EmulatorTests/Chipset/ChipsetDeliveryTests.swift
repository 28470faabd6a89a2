// SPDX-License-Identifier: Apache-2.0
import Emulator
import Synchronization
import Testing

@Suite struct ChipsetDeliveryTests {
    /// A chipset with all APICs enabled, flat logical IDs 1 << n, or clusters, or x2APIC.
    enum Mode: Sendable { case flat, cluster, x2 }

    static func machine(_ mode: Mode, cpus: Int = 4) -> Chipset {
        let chipset = Chipset(cpuCount: cpus) { _ in }
        for cpu in 0..<cpus {
            if mode == .x2 {
                #expect(chipset.writeMSR(cpu: cpu, number: 0x1b, value: 0xfee0_0c00, now: 0))
                #expect(chipset.writeMSR(cpu: cpu, number: 0x80f, value: 0x1ff, now: 0))
                continue
            }
            chipset.writeAPIC(cpu: cpu, offset: 0xf0, value: 0x1ff, now: 0)
            if mode == .flat {
                chipset.writeAPIC(cpu: cpu, offset: 0xd0, value: 1 << UInt32(24 + cpu), now: 0)
            } else {
                chipset.writeAPIC(cpu: cpu, offset: 0xe0, value: 0, now: 0)
                let logical = UInt32(cpu / 2) << 28 | 1 << UInt32(24 + cpu % 2)
                chipset.writeAPIC(cpu: cpu, offset: 0xd0, value: logical, now: 0)
            }
        }
        return chipset
    }

    static func receivers(_ chipset: Chipset, of vector: UInt8) -> [Int] {
        chipset.save().localAPICs.enumerated()
            .filter { $0.element.vectors.requested.contains(vector) }.map(\.offset)
    }

    struct Command: CustomTestStringConvertible, Sendable {
        let mode: Mode
        /// High half, low half; vector 0x61.
        let high: UInt32
        let low: UInt32
        let receivers: [Int]
        var testDescription: String {
            "\(mode) \(String(high, radix: 16)) \(String(low, radix: 16)) to \(receivers)"
        }
    }

    static let commands = [
        Command(mode: .flat, high: 0x0200_0000, low: 0x61, receivers: [2]),
        Command(mode: .flat, high: 0x0900_0000, low: 0x61, receivers: []),
        Command(mode: .flat, high: 0xff00_0000, low: 0x61, receivers: [0, 1, 2, 3]),
        Command(mode: .flat, high: 0x0500_0000, low: 0x861, receivers: [0, 2]),
        Command(mode: .flat, high: 0xf000_0000, low: 0x861, receivers: []),
        Command(mode: .flat, high: 0xff00_0000, low: 0x861, receivers: [0, 1, 2, 3]),
        Command(mode: .flat, high: 0, low: 0x4_0061, receivers: [1]),
        Command(mode: .flat, high: 0, low: 0x8_0061, receivers: [0, 1, 2, 3]),
        Command(mode: .flat, high: 0, low: 0xc_0061, receivers: [0, 2, 3]),
        Command(mode: .flat, high: 0x0300_0000, low: 0x4061, receivers: [3]),
        Command(mode: .cluster, high: 0x0300_0000, low: 0x861, receivers: [0, 1]),
        Command(mode: .cluster, high: 0x1200_0000, low: 0x861, receivers: [3]),
        Command(mode: .cluster, high: 0xf100_0000, low: 0x861, receivers: [0, 2]),
        Command(mode: .cluster, high: 0x2f00_0000, low: 0x861, receivers: []),
        Command(mode: .cluster, high: 0xff00_0000, low: 0x861, receivers: [0, 1, 2, 3]),
        Command(mode: .x2, high: 3, low: 0x61, receivers: [3]),
        Command(mode: .x2, high: 0xff, low: 0x61, receivers: []),
        Command(mode: .x2, high: 0x0300_0000, low: 0x61, receivers: []),
        Command(mode: .x2, high: 0xffff_ffff, low: 0x61, receivers: [0, 1, 2, 3]),
        Command(mode: .x2, high: 0x0000_000a, low: 0x861, receivers: [1, 3]),
        Command(mode: .x2, high: 0x0001_000a, low: 0x861, receivers: []),
        Command(mode: .x2, high: 0xffff_ffff, low: 0x861, receivers: [0, 1, 2, 3]),
        Command(mode: .x2, high: 0, low: 0xc_0061, receivers: [0, 2, 3]),
    ]

    @Test(arguments: commands)
    func `An interrupt command reaches its destination`(_ command: Command) {
        let chipset = Self.machine(command.mode)
        if command.mode == .x2 {
            let value = UInt64(command.high) << 32 | UInt64(command.low)
            #expect(chipset.writeMSR(cpu: 1, number: 0x830, value: value, now: 0))
            #expect(chipset.readMSR(cpu: 1, number: 0x830, now: 0) == value)
        } else {
            chipset.writeAPIC(cpu: 1, offset: 0x310, value: command.high, now: 0)
            chipset.writeAPIC(cpu: 1, offset: 0x300, value: command.low, now: 0)
            #expect(chipset.readAPIC(cpu: 1, offset: 0x300, now: 0) == command.low)
        }
        #expect(Self.receivers(chipset, of: 0x61) == command.receivers)
    }

    @Test func `X2APIC clusters hold sixteen`() {
        let chipset = Self.machine(.x2, cpus: 20)
        #expect(chipset.writeMSR(cpu: 0, number: 0x830, value: 0x0001_0009_0000_0861, now: 0))
        #expect(Self.receivers(chipset, of: 0x61) == [16, 19])
    }

    @Test func `The self IPI register interrupts its own processor`() {
        let chipset = Self.machine(.x2)
        #expect(chipset.writeMSR(cpu: 2, number: 0x83f, value: 0x61, now: 0))
        #expect(Self.receivers(chipset, of: 0x61) == [2])
        #expect(chipset.poll(cpu: 2, now: 0).interrupt == false, "waits for its startup")
    }

    @Test func `Lowest priority takes one, and equals take turns`() {
        let chipset = Self.machine(.flat)
        chipset.writeAPIC(cpu: 0, offset: 0x80, value: 0x20, now: 0)
        var got: [Int] = []
        for vector: UInt32 in 0x61...0x66 {
            chipset.sendMSI(address: 0xfeef_f00c, data: 0x100 | vector)
            got += Self.receivers(chipset, of: UInt8(vector))
        }
        #expect(got == [1, 2, 3, 1, 2, 3])
    }

    @Test func `Sending an illegal vector is the sender's error`() {
        let chipset = Self.machine(.x2)
        #expect(chipset.writeMSR(cpu: 1, number: 0x830, value: 0x2_0000_000f, now: 0))
        #expect(chipset.writeMSR(cpu: 1, number: 0x828, value: 0, now: 0))
        #expect(chipset.readMSR(cpu: 1, number: 0x828, now: 0) == 0x20)
        #expect(chipset.save().localAPICs[2].errors.pending == 0)
    }

    static let messages: [(address: UInt64, data: UInt32, receivers: [Int])] = [
        (0xfee0_2000, 0x0061, [2]), (0xfeef_f000, 0x0061, [0, 1, 2, 3]),
        (0xfee0_5004, 0x0061, [0, 2]), (0xfed0_2000, 0x0061, []), (0x2000, 0x0061, []),
        (0x1_fee0_2000, 0x0061, []), (0xfee0_9000, 0x0061, []), (0xfee0_2000, 0x0261, []),
        (0xfee0_3000, 0xc061, [3]),
    ]

    @Test(arguments: messages)
    func `A message-signalled interrupt goes where its address says`(
        _ address: UInt64, _ data: UInt32, _ receivers: [Int]
    ) {
        let chipset = Self.machine(.flat)
        chipset.sendMSI(address: address, data: data)
        #expect(Self.receivers(chipset, of: 0x61) == receivers)
    }

    // MARK: Waking

    @Test func `Others are woken once each, the sender is not`() {
        let woken = Mutex<[Int]>([])
        let chipset = Chipset(cpuCount: 3) { cpu in woken.withLock { $0.append(cpu) } }
        for cpu in 0..<3 { chipset.writeAPIC(cpu: cpu, offset: 0xf0, value: 0x1ff, now: 0) }
        chipset.writeAPIC(cpu: 1, offset: 0x300, value: 0x8_0061, now: 0)
        #expect(woken.withLock { $0 } == [0, 2])
        chipset.writeAPIC(cpu: 1, offset: 0x300, value: 0x8_0061, now: 0)
        #expect(woken.withLock { $0 } == [0, 2], "what is requested already is no news")
    }

    // MARK: Starting processors

    static func send(_ chipset: Chipset, _ low: UInt32, to cpu: UInt32) {
        chipset.writeAPIC(cpu: 0, offset: 0x310, value: cpu << 24, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x300, value: low, now: 0)
    }

    @Test func `INIT and two startups start a processor once`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        Self.send(chipset, 0xc500, to: 1)
        #expect(chipset.poll(cpu: 1, now: 0).initSignal)
        Self.send(chipset, 0x8500, to: 1)
        #expect(chipset.takeInit(cpu: 1))
        #expect(!chipset.takeInit(cpu: 1))
        #expect(chipset.takeStartup(cpu: 1) == nil)
        Self.send(chipset, 0x4699, to: 1)
        #expect(chipset.poll(cpu: 1, now: 0).startupVector == 0x99)
        #expect(chipset.takeStartup(cpu: 1) == 0x99)
        Self.send(chipset, 0x4699, to: 1)
        #expect(chipset.poll(cpu: 1, now: 0).startupVector == nil)
        #expect(chipset.takeStartup(cpu: 1) == nil)
    }

    @Test func `A startup that overtakes the taking of INIT is not lost`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        Self.send(chipset, 0x4611, to: 1)
        #expect(chipset.takeStartup(cpu: 1) == 0x11, "waiting since power-up")
        Self.send(chipset, 0x4500, to: 1)
        Self.send(chipset, 0x4622, to: 1)
        #expect(chipset.poll(cpu: 1, now: 0).startupVector == nil)
        #expect(chipset.takeInit(cpu: 1))
        #expect(chipset.poll(cpu: 1, now: 0).startupVector == 0x22)
    }

    @Test func `INIT clears the registers and keeps the mode`() {
        let chipset = Self.machine(.x2)
        #expect(chipset.writeMSR(cpu: 1, number: 0x808, value: 0x40, now: 0))
        #expect(chipset.writeMSR(cpu: 0, number: 0x830, value: 0x1_0000_4500, now: 0))
        #expect(chipset.takeInit(cpu: 1))
        #expect(chipset.readMSR(cpu: 1, number: 0x808, now: 0) == 0)
        #expect(chipset.readMSR(cpu: 1, number: 0x80f, now: 0) == 0xff)
        #expect(chipset.readMSR(cpu: 1, number: 0x1b, now: 0) == 0xfee0_0c00)
    }

    @Test func `The boot processor does not wait after INIT`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        chipset.writeAPIC(cpu: 1, offset: 0x300, value: 0x4500, now: 0)
        #expect(chipset.takeInit(cpu: 0))
        #expect(chipset.poll(cpu: 0, now: 0) == Pending())
        #expect(chipset.save().localAPICs[0].signals.isWaiting == false)
    }

    @Test func `An NMI is seen once, and not by a processor that waits`() {
        let chipset = Chipset(cpuCount: 2) { _ in }
        Self.send(chipset, 0x4400, to: 1)
        #expect(!chipset.poll(cpu: 1, now: 0).nmi)
        Self.send(chipset, 0x4611, to: 1)
        _ = chipset.takeStartup(cpu: 1)
        #expect(chipset.poll(cpu: 1, now: 0).nmi)
        #expect(chipset.takeNMI(cpu: 1))
        #expect(!chipset.takeNMI(cpu: 1))
        #expect(!chipset.poll(cpu: 1, now: 0).nmi)
    }

    /// There is no system management, nor remote read; ExtINT is not for commands.
    @Test(arguments: [Mode.flat, .x2], [0x200, 0x300, 0x700] as [UInt32])
    func `A command of a mode that is not there reaches nobody`(_ mode: Mode, _ kind: UInt32) {
        let chipset = Self.machine(mode)
        let before = chipset.save().localAPICs.map { ($0.signals, $0.vectors) }
        // To all, to itself, to the second, with a vector and without.
        for low in [0x8_0061, 0x4_0061, 0x61, 0x8_0000, 0xc_0000] as [UInt32] {
            if mode == .x2 {
                _ = chipset.writeMSR(
                    cpu: 0, number: 0x830, value: 1 << 32 | UInt64(low | kind), now: 0)
            } else {
                chipset.writeAPIC(cpu: 0, offset: 0x310, value: 1 << 24, now: 0)
                chipset.writeAPIC(cpu: 0, offset: 0x300, value: low | kind, now: 0)
            }
        }
        for (cpu, apic) in chipset.save().localAPICs.enumerated() {
            #expect(apic.signals == before[cpu].0)
            #expect(apic.vectors == before[cpu].1)
            #expect(apic.errors.pending == 0)
            let pending = chipset.poll(cpu: cpu, now: 0)
            #expect(!pending.nmi && !pending.interrupt)
        }
    }

    @Test func `CR8 is the class of the task priority`() {
        let chipset = Self.machine(.flat)
        chipset.writeAPIC(cpu: 0, offset: 0x80, value: 0x5a, now: 0)
        #expect(chipset.taskPriority(cpu: 0) == 5)
        chipset.setTaskPriority(cpu: 0, 0x16)
        #expect(chipset.readAPIC(cpu: 0, offset: 0x80, now: 0) == 0x60)
        chipset.sendMSI(address: 0xfee0_0000, data: 0x61)
        #expect(!chipset.poll(cpu: 0, now: 0).interrupt)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == nil)
        chipset.setTaskPriority(cpu: 0, 5)
        #expect(chipset.poll(cpu: 0, now: 0).interrupt)
        #expect(chipset.acknowledge(cpu: 0, now: 0) == 0x61)
    }
}
