// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

@Suite struct VectorTests {
    @Test(arguments: VectorTable.rows)
    func `An instruction does what the processor does`(_ row: VectorRow) throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        cpu.setVector(0, VectorTable.control)
        cpu.setVector(1, row.first)
        cpu.setVector(2, row.second)
        cpu.rax = 0
        cpu.rcx = VectorTable.rcx
        cpu.rdx = VectorTable.rdx
        cpu.flags = Flags(bits: 0)
        #expect(try harness.run(row.bytes) == nil)
        #expect(cpu.vector(0) == row.effect("xmm0").map(VectorTable.vector) ?? VectorTable.control)
        #expect(cpu.vector(1) == row.effect("xmm1").map(VectorTable.vector) ?? row.first)
        #expect(cpu.vector(2) == row.effect("xmm2").map(VectorTable.vector) ?? row.second)
        #expect(cpu.rcx == number(row.effect("rcx")) ?? VectorTable.rcx)
        #expect(cpu.rdx == number(row.effect("rdx")) ?? VectorTable.rdx)
        #expect(cpu.flags.bits == number(row.effect("flags")) ?? 0)
        // The denormal flag is kept only where exceptions are unmasked.
        #expect(UInt64(cpu.controlStatus & 0x3d) == number(row.effect("mxcsr")) ?? 0)
    }

    private func number(_ text: String?) -> UInt64? {
        text.flatMap { UInt64($0, radix: 16) }
    }

    @Test(
        arguments: [
            ([0x0f, 0x28, 0x08], 0, nil), ([0x0f, 0x28, 0x08], 8, 13),  // MOVAPS
            ([0x0f, 0x10, 0x08], 8, nil), ([0xf3, 0x0f, 0x6f, 0x08], 1, nil),  // MOVUPS, MOVDQU
            ([0x66, 0x0f, 0xfc, 0x08], 8, 13), ([0x66, 0x0f, 0x7f, 0x08], 4, 13),  // PADDB, MOVDQA
            ([0x66, 0x0f, 0x3a, 0x63, 0x08, 0x0c], 3, nil),  // PCMPISTRI
            ([0xf2, 0x0f, 0x58, 0x08], 1, nil), ([0xf2, 0x0f, 0xf0, 0x08], 5, nil),  // ADDSD, LDDQU
        ] as [([UInt8], UInt64, UInt8?)])
    func `Operands of 16 bytes are aligned, but for a few instructions`(
        _ bytes: [UInt8], _ offset: UInt64, _ exception: UInt8?
    ) throws {
        let harness = VectorHarness()
        harness.cpu.rax = harness.memory + offset
        #expect(try harness.run(bytes) == exception)
    }

    @Test func `Loads and stores move what is in memory`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        let value = SIMD2<UInt64>(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        harness.store(16, value)
        cpu.rax = harness.memory
        #expect(try harness.run([0x66, 0x0f, 0x6f, 0x48, 0x10]) == nil)
        #expect(cpu.vector(1) == value)
        #expect(try harness.run([0xf3, 0x0f, 0x7f, 0x48, 0x21]) == nil)
        #expect(harness.load(0x21, SIMD2<UInt64>.self) == value)
        #expect(try harness.run([0xf3, 0x0f, 0x10, 0x50, 0x14]) == nil)
        #expect(cpu.vector(2) == SIMD2(0x0706_0504, 0))
        #expect(try harness.run([0x66, 0x0f, 0x16, 0x50, 0x18]) == nil)
        #expect(cpu.vector(2) == SIMD2(0x0706_0504, value[1]))
        #expect(try harness.run([0x66, 0x48, 0x0f, 0x7e, 0xd2]) == nil)
        #expect(cpu.rdx == 0x0706_0504)
    }

    @Test func `MASKMOVDQU writes the bytes whose mask is negative`() throws {
        let harness = VectorHarness()
        harness.store(0, SIMD2<UInt64>(repeating: .max))
        harness.cpu.set(Register.rdi, harness.memory)
        harness.cpu.setVector(1, .zero)
        harness.cpu.setVector(2, SIMD2(0x80_0000_0000_0080, 0x8000_0000_0000_0000))
        #expect(try harness.run([0x66, 0x0f, 0xf7, 0xca]) == nil)
        #expect(harness.load(0, UInt64.self) == 0xff00_ffff_ffff_ff00)
        #expect(harness.load(8, UInt64.self) == 0x00ff_ffff_ffff_ffff)
    }

    @Test func `MMX registers are the x87 significands`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        cpu.state.x87.top = 3
        cpu.setMMX(1, 0x0102_0304_0506_07ff)
        cpu.setMMX(2, 0x0101_0101_0101_0101)
        #expect(try harness.run([0x0f, 0xfc, 0xca]) == nil)
        #expect(cpu.mmx(1) == 0x0203_0405_0607_0800)
        #expect(cpu.x87Image(1).signAndExponent == 0xffff)
        #expect(cpu.state.x87.top == 0)
        #expect(cpu.state.x87.empty == 0)
        #expect(try harness.run([0x0f, 0x68, 0xca]) == nil)
        #expect(cpu.mmx(1) == 0x0102_0103_0104_0105)
        #expect(try harness.run([0x0f, 0x67, 0xca]) == nil)
        #expect(cpu.mmx(1) == 0xffff_ffff_ffff_ffff)
        #expect(try harness.run([0x0f, 0x77]) == nil)
        #expect(cpu.state.x87.empty == 0xff)
    }
}
