// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Testing

@testable import Emulator

/// Architectural state out of the software engine and back in.
@Suite struct StateTransferTests {
    private func machine(cpuCount: Int = 1) throws -> SoftVirtualMachine {
        try SoftVirtualMachine(
            memory: try GuestMemory(byteCount: 32 << 20), bus: PortRecorder(),
            configuration: VirtualMachineConfiguration(cpuCount: cpuCount, deterministic: true))
    }

    /// A state in which nothing has the value it has after reset.
    static func unusual() -> CPUState {
        var state = CPUState()
        state.general.rax = 0x1122_3344_5566_7788
        state.general.r15 = 15
        state.general.rip = 0x20_1234
        state.general.rflags = 0x246 | 1 << 10 | 1 << 18 | 1 << 21
        state.system.cs = Segment(selector: 8, base: 0, limit: .max, attributes: 0xa09b)
        for path in [\SystemRegisters.ds, \.es, \.ss] {
            state.system[keyPath: path] = Segment(
                selector: 0x10, base: 0, limit: .max, attributes: 0xc093)
        }
        state.system.fs = Segment(selector: 0, base: 0x7fff_0000_1000, limit: 0, attributes: 0)
        state.system.gs = Segment(
            selector: 0, base: 0xffff_8880_0000_0000, limit: 0, attributes: 0)
        state.system.tr = Segment(selector: 0x30, base: 0x6000, limit: 0x67, attributes: 0x8b)
        state.system.gdt = DescriptorTable(base: 0xffff_f000_0000_0000, limit: 0x7f)
        state.system.idt = DescriptorTable(base: 0xffff_f000_0000_1000, limit: 0xfff)
        state.system.cr0 = 0x8005_0033
        state.system.cr2 = 0xdead_beef
        state.system.cr3 = 0x1000
        state.system.cr4 = 0x6a0 | 1 << 16 | 1 << 18
        state.system.cr8 = 5
        state.system.efer = 0xd01
        state.system.apicBase = 0xfee0_0d00
        for place in 0..<8 { state.floatingPoint.image[32 + place * 16] = UInt8(place + 1) }
        for place in 160..<416 {
            state.floatingPoint.image[place] = UInt8(truncatingIfNeeded: place)
        }
        state.floatingPoint.image[4] = 0xff
        state.floatingPoint.image[24] = 0xa0
        state.floatingPoint.image[28] = 0xff
        state.floatingPoint.image[29] = 0xff
        state.floatingPoint.xcr0 = 3
        state.debug = [1, 2, 3, 4, 0xffff_0ff1, 0x455]
        state.msrs = [
            0xc000_0081: 0x23_0010_0000_0000, 0xc000_0082: 0xffff_ffff_8100_0000,
            0xc000_0102: 0x1234, 0x277: 0x0007_0106_0007_0106, 0x174: 0x10, 0x3b: 77,
            0x4b56_4d01: 0x5001,
        ]
        state.events.shadow = .sti
        state.events.nonMaskable.isMasked = true
        state.events.nonMaskable.isPending = true
        state.events.exception = PendingEvents.Exception(vector: 13, errorCode: 0x18)
        state.timeStamp = TimeStamp(value: 123_456_789, kilohertz: 1_000_000)
        return state
    }

    @Test func `A state comes out as it went in`() throws {
        let processor = try machine().processors[0]
        var expected = Self.unusual()
        try processor.restore(expected)
        var found = processor.save()
        for (number, value) in expected.msrs { #expect(found.msrs[number] == value, "\(number)") }
        let again = found
        found.msrs = [:]
        found.localAPIC = nil
        expected.msrs = [:]
        #expect(found == expected)
        // And a second time, with everything that the first one left out.
        let other = try machine().processors[0]
        try other.restore(again)
        #expect(other.save() == again)
    }

    @Test func `The local APIC comes out as it went in`() throws {
        let first = try machine()
        let chipset = first.chipset
        chipset.writeAPIC(cpu: 0, offset: 0xf0, value: 0x1ff, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x320, value: 0x2_0040, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x3e0, value: 0xb, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x380, value: 1000, now: 0)
        chipset.writeAPIC(cpu: 0, offset: 0x80, value: 0x30, now: 0)
        chipset.sendMSI(address: 0xfee0_0000, data: 0x55)
        chipset.sendMSI(address: 0xfee0_0000, data: 0x8066 | 0x4000)
        let second = try machine()
        let state = first.processors[0].save()
        try second.restore(try first.save())
        try second.processors[0].restore(state)
        #expect(second.chipset.save() == first.chipset.save())
    }

    @Test func `Controllers and timers come out as they went in`() throws {
        let first = try machine()
        for (port, value): (UInt16, UInt32) in [
            (0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x38),
            (0xa1, 2), (0xa1, 3), (0x21, 0xfa), (0xa1, 0xde), (0x4d1, 0x0c), (0x20, 0xc3),
            (0x43, 0x34), (0x40, 0xa9), (0x40, 0x04), (0x43, 0xb0), (0x42, 0x10), (0x61, 3),
            (0x43, 0x80),
        ] {
            _ = first.chipset.writePort(port, size: 1, value: value, now: 0)
        }
        first.chipset.writeIOAPIC(offset: 0, value: 0x24)
        first.chipset.writeIOAPIC(offset: 0x10, value: 0x8041)
        first.chipset.setLine(gsi: 10, high: true)
        first.chipset.setLine(gsi: 3, high: true)
        let state = try first.save()
        let second = try machine()
        try second.restore(state)
        #expect(try second.save() == state)
        let (old, new) = (first.chipset.save(), second.chipset.save())
        #expect(new.ioAPIC == old.ioAPIC)
        #expect(new.pic.primary == old.pic.primary)
        #expect(new.pic.secondary.requested == old.pic.secondary.requested)
        #expect(new.pit.first == old.pit.first)
        #expect(new.externalWire == old.externalWire)
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let names: String
        let change: @Sendable (inout CPUState) -> Void
    }

    static let refusals = [
        Refusal(testDescription: "a bit of CR4 that is not offered", names: "CR4") {
            $0.system.cr4 |= 1 << 12
        },
        Refusal(testDescription: "long mode without paging", names: "EFER") {
            $0.system.cr0 &= ~(1 << 31)
        },
        Refusal(testDescription: "virtual 8086 mode", names: "8086") {
            $0.general.rflags |= 1 << 17
        },
        Refusal(testDescription: "AVX in use", names: "x87 and SSE only") {
            $0.floatingPoint.image[512] |= 4
        },
        Refusal(testDescription: "AVX enabled", names: "x87 and SSE only") {
            $0.floatingPoint.xcr0 = 7
        },
        Refusal(testDescription: "an image that is too short", names: "100 bytes") {
            $0.floatingPoint.image = [UInt8](repeating: 0, count: 100)
        },
        Refusal(testDescription: "five debug registers", names: "5 debug registers") {
            $0.debug.removeLast()
        },
        Refusal(testDescription: "a PAT of no type", names: "0x277") { $0.msrs[0x277] = 2 },
        Refusal(testDescription: "stolen time", names: "0x4b564d03") {
            $0.msrs[0x4b56_4d03] = 0x1001
        },
        Refusal(testDescription: "another processor's APIC", names: "local APIC") {
            var page = LocalAPICState()
            page[0x20] = 5
            $0.localAPIC = page
        },
        Refusal(testDescription: "a page table beyond memory", names: "CR3") {
            $0.system.cr3 = 1 << 45
        },
    ]

    @Test(arguments: refusals)
    func `A state that does not fit is refused with the reason`(_ refusal: Refusal) throws {
        let processor = try machine().processors[0]
        var state = Self.unusual()
        refusal.change(&state)
        #expect {
            try processor.restore(state)
        } throws: { error in
            guard let error = error as? EngineError, case .state(let text) = error else {
                return false
            }
            return text.contains(refusal.names)
        }
    }

    @Test func `A machine of another processor is refused with the reason`() throws {
        let first = try machine()
        var state = try first.save()
        var entry = try #require(state.profile.cpuid[7])
        entry.ebx |= 1 << 5
        state.profile.cpuid.set(entry)
        #expect {
            try first.restore(state)
        } throws: { error in
            "\(error)".contains("AVX2")
        }
    }

    @Test(arguments: [1_000_000, 2_450_000, 3_333_333, 999_999] as [UInt32])
    func `Ticks and nanoseconds are turned into each other`(_ kilohertz: UInt32) {
        let scale = TimeStampScale(kilohertz: kilohertz)
        for nanoseconds in [0, 1, 999, 1_000_000, 123_456_789_012, 1 << 50] as [UInt64] {
            let ticks = scale.ticks(in: nanoseconds)
            let back = scale.nanoseconds(for: ticks)
            #expect(back <= nanoseconds && nanoseconds - back <= 2, "\(nanoseconds)")
            // As the guest computes it from the clock's structure.
            let (multiplier, shift) = scale.clockFactors
            let shifted = shift >= 0 ? ticks << UInt64(shift) : ticks >> UInt64(-shift)
            let guest = shifted.multipliedFullWidth(by: UInt64(multiplier))
            let value = guest.high << 32 | guest.low >> 32
            #expect(value.distance(to: nanoseconds).magnitude <= 2 + UInt(nanoseconds >> 30))
        }
    }
}
