// SPDX-License-Identifier: Apache-2.0
import Emulator
import Memory
import Testing

@Suite struct ChipsetKVMClockTests {
    static let epoch: UInt64 = 1_700_000_000_123_456_789

    static func machine() throws -> (GuestMemory, KVMClock) {
        let memory = try GuestMemory(byteCount: 32 << 20)
        return (memory, KVMClock(memory: memory, cpuCount: 2, epoch: epoch))
    }

    @Test(arguments: [0x12, 0x4b56_4d01] as [UInt32])
    func `The system time is written where the guest wants it`(_ number: UInt32) throws {
        let (memory, clock) = try Self.machine()
        clock.writeMSR(cpu: 1, number: number, value: 0x5041, now: 7, tsc: 0x1_0000_0007)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x5040)) == 2)
        #expect(try memory.load(UInt64.self, at: GuestAddress(0x5048)) == 0x1_0000_0007)
        #expect(try memory.load(UInt64.self, at: GuestAddress(0x5050)) == 7)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x5058)) == 0x8000_0000)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x505c)) == 0x0101)
        #expect(clock.readMSR(cpu: 1, number: number) == 0x5041)
        #expect(clock.readMSR(cpu: 0, number: number) == 0)
        clock.refresh(cpu: 1, now: 9, tsc: 9, wasStopped: true)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x5040)) == 4)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x505c)) == 0x0301)
    }

    @Test func `A disabled system time is not written`() throws {
        let (memory, clock) = try Self.machine()
        clock.writeMSR(cpu: 0, number: 0x4b56_4d01, value: 0x5040, now: 7, tsc: 7)
        clock.refresh(cpu: 0, now: 7, tsc: 7, wasStopped: false)
        #expect(try memory.read(at: GuestAddress(0x5040), count: 32).allSatisfy { $0 == 0 })
    }

    @Test(arguments: [0x11, 0x4b56_4d00] as [UInt32])
    func `The wall clock is the time of day at guest time 0`(_ number: UInt32) throws {
        let (memory, clock) = try Self.machine()
        try memory.store(UInt32(7), at: GuestAddress(0x6000))
        clock.writeMSR(cpu: 0, number: number, value: 0x6000, now: 99, tsc: 99)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x6000)) == 8)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x6004)) == 1_700_000_000)
        #expect(try memory.load(UInt32.self, at: GuestAddress(0x6008)) == 123_456_789)
    }

    @Test(
        arguments: [
            1, 3, 0x1ff_ffe1, 0x1ff_fff9, 0x200_0001, 0xfee0_0001, 0xffff_ffff, 0x1_0000_0001,
            0x7fff_ffff_ffff_ffff, .max,
        ] as [UInt64])
    func `Any address is survived, and RAM is written whole or not at all`(_ value: UInt64) throws {
        let (memory, clock) = try Self.machine()
        clock.writeMSR(cpu: 0, number: 0x4b56_4d01, value: value, now: 1, tsc: 1)
        clock.writeMSR(cpu: 0, number: 0x4b56_4d00, value: value, now: 1, tsc: 1)
        #expect(clock.readMSR(cpu: 0, number: 0x4b56_4d01) == value)
        let tail = try memory.read(at: GuestAddress(0x1ff_fffc), count: 4)
        #expect(tail.allSatisfy { $0 == 0 } || value == 0x1ff_ffe1)
    }

    @Test func `The leaves offer what is there`() {
        let signature = KVMClock.leaf(0x4000_0000)
        let text = [signature?.ebx, signature?.ecx, signature?.edx].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: (word ?? 0) >> ($0 * 8)) }
        }
        #expect(String(decoding: text.prefix(9), as: UTF8.self) == "KVMKVMKVM")
        #expect(signature?.eax == 0x4000_0010)
        #expect(KVMClock.leaf(0x4000_0001)?.eax == 0x0100_000b)
        #expect(KVMClock.leaf(0x4000_0010)?.eax == 1_000_000)
        #expect(KVMClock.leaf(0x4000_0010)?.ebx == 1_000_000)
        #expect(KVMClock.leaf(0x4000_0011) == nil)
    }

    @Test func `What is saved comes back, for the same number of processors`() throws {
        let (memory, clock) = try Self.machine()
        clock.writeMSR(cpu: 1, number: 0x4b56_4d01, value: 0x5041, now: 7, tsc: 7)
        let other = KVMClock(memory: memory, cpuCount: 2, epoch: 0)
        #expect(other.restore(clock.save()))
        #expect(other.readMSR(cpu: 1, number: 0x12) == 0x5041)
        #expect(!KVMClock(memory: memory, cpuCount: 3, epoch: 0).restore(clock.save()))
    }
}
