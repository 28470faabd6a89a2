// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

@Suite struct VectorStateTests {
    /// The mode of blocks made while vectors may fault.
    private static let guarded: UInt8 = 0x69 | 0x80

    @Test(
        arguments: [
            (0x31, 0x600, nil), (0x39, 0x600, 7), (0x35, 0x600, 6), (0x31, 0x400, 6),
            (0x3d, 0x600, 6),
        ] as [(UInt64, UInt64, UInt8?)])
    func `CR0 and CR4 make vectors unavailable`(
        _ cr0: UInt64, _ cr4: UInt64, _ exception: UInt8?
    ) throws {
        let harness = VectorHarness()
        harness.cpu.state.cr0 = cr0
        harness.cpu.state.cr4 = cr4
        #expect(try harness.run([0x66, 0x0f, 0x58, 0xca], mode: Self.guarded) == exception)
    }

    @Test func `MMX does not need CR4.OSFXSR`() throws {
        let harness = VectorHarness()
        harness.cpu.state.cr4 = 0
        #expect(try harness.run([0x0f, 0xfc, 0xca], mode: Self.guarded) == nil)
        harness.cpu.state.cr0 |= 8
        #expect(try harness.run([0x0f, 0xfc, 0xca], mode: Self.guarded) == 7)
    }

    @Test func `LDMXCSR refuses reserved bits`() throws {
        let harness = VectorHarness()
        harness.cpu.rax = harness.memory
        harness.store(0, UInt32(0x1_1f80))
        #expect(try harness.run([0x0f, 0xae, 0x10]) == 13)
        harness.store(0, UInt32(0x9fc1))
        #expect(try harness.run([0x0f, 0xae, 0x10]) == nil)
        #expect(try harness.run([0x0f, 0xae, 0x58, 0x10]) == nil)
        #expect(harness.load(16, UInt32.self) == 0x9fc1)
        harness.cpu.setControlStatus(0x1f80)
    }

    @Test(
        arguments: [(0x3f80, 0x3fd5_5555_5555_5555), (0x5f80, 0x3fd5_5555_5555_5556)]
            as [(UInt32, UInt64)])
    func `MXCSR.RC rounds divisions`(_ control: UInt32, _ third: UInt64) throws {
        let harness = VectorHarness()
        harness.cpu.setControlStatus(control)
        harness.cpu.setVector(1, SIMD2(0x3ff0_0000_0000_0000, 0))
        harness.cpu.setVector(2, SIMD2(0x4008_0000_0000_0000, 0))
        #expect(try harness.run([0xf2, 0x0f, 0x5e, 0xca]) == nil)
        #expect(harness.cpu.vector(1)[0] == third)
        #expect(harness.cpu.controlStatus == control | 0x20)
        harness.cpu.setControlStatus(0x1f80)
    }

    @Test func `An unmasked exception is raised before the destination changes`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        cpu.setControlStatus(0x1d80)
        cpu.setVector(1, SIMD2(0x3ff0_0000_0000_0000, 7))
        cpu.setVector(2, .zero)
        #expect(try harness.run([0xf2, 0x0f, 0x5e, 0xca]) == 19)
        #expect(cpu.vector(1) == SIMD2(0x3ff0_0000_0000_0000, 7))
        #expect(cpu.controlStatus == 0x1d84)
        cpu.state.cr4 = 0x200
        #expect(try harness.run([0xf2, 0x0f, 0x5e, 0xca]) == 6)
        cpu.setControlStatus(0x1f80)
    }

    @Test func `Denormals are flushed where MXCSR says so`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        cpu.setControlStatus(0x9fc0)
        cpu.setVector(1, SIMD2(0x0010_0000_0000_0000, 0))
        cpu.setVector(2, SIMD2(0x3fe0_0000_0000_0000, 0))
        #expect(try harness.run([0xf2, 0x0f, 0x59, 0xca]) == nil)
        #expect(cpu.vector(1)[0] == 0)
        #expect(cpu.controlStatus == 0x9ff0)
        cpu.setVector(1, SIMD2(0x800f_0000_0000_0000, 0))
        #expect(try harness.run([0xf2, 0x0f, 0x58, 0xca]) == nil)
        #expect(cpu.vector(1)[0] == 0x3fe0_0000_0000_0000)
        cpu.setControlStatus(0x1f80)
    }

    /// At [RBX], with 64-bit pointers: FXSAVE and FXRSTOR, XSAVE and XRSTOR.
    @Test(arguments: [0x03, 0x23] as [UInt8])
    func `What is saved is restored`(_ save: UInt8) throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        fill(cpu)
        cpu.set(Register.rbx, harness.memory)
        #expect(try harness.run([0x48, 0x0f, 0xae, save]) == nil)
        #expect(harness.load(0, UInt16.self) == 0x027f)
        #expect(harness.load(2, UInt16.self) == 0x2841)
        #expect(harness.load(4, UInt8.self) == 0x0f)
        #expect(harness.load(24, UInt32.self) == 0x3f81)
        #expect(harness.load(28, UInt32.self) == 0xffff)
        // ST0 is R5.
        #expect(harness.load(32, UInt64.self) == 0x8000_0000_0000_0005)
        #expect(harness.load(160 + 15 * 16, UInt64.self) == 15)
        let old = cpu.state.vectors
        cpu.setControlStatus(0x1f80)
        for number in UInt8(0)..<16 { cpu.setVector(number, .zero) }
        cpu.state.x87 = X87State()
        #expect(try harness.run([0x48, 0x0f, 0xae, save + 8]) == nil)
        for number in 0..<16 { #expect(cpu.state.vectors[number] == old[number]) }
        #expect(cpu.controlStatus == 0x3f81)
        #expect(cpu.state.x87.top == 5)
        #expect(cpu.state.x87.empty == 0xf0)
        #expect(cpu.state.x87.status == 0x0041)
        #expect(cpu.state.x87.lastInstruction == 0x1234_5678_9abc)
        for number in 0..<8 {
            #expect(cpu.x87Image(number).significand == 0x8000_0000_0000_0000 | UInt64(number))
        }
        cpu.setControlStatus(0x1f80)
    }

    @Test func `XRSTOR puts absent components into their first state`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        fill(cpu)
        cpu.set(Register.rbx, harness.memory)
        #expect(try harness.run([0x48, 0x0f, 0xae, 0x23]) == nil)
        #expect(harness.load(512, UInt64.self) == 3)
        harness.store(512, UInt64(1))
        #expect(try harness.run([0x48, 0x0f, 0xae, 0x2b]) == nil)
        #expect(cpu.vector(15) == .zero)
        #expect(cpu.state.x87.top == 5)
        harness.store(512, UInt64(0))
        #expect(try harness.run([0x48, 0x0f, 0xae, 0x2b]) == nil)
        #expect(cpu.state.x87.control == 0x037f)
        // Components that XCR0 has not, and the compacted form, are refused.
        harness.store(512, UInt64(4))
        #expect(try harness.run([0x48, 0x0f, 0xae, 0x2b]) == 13)
        harness.store(512, UInt64(3))
        harness.store(520, UInt64(1) << 63)
        #expect(try harness.run([0x48, 0x0f, 0xae, 0x2b]) == 13)
        cpu.setControlStatus(0x1f80)
    }

    @Test(
        arguments: [
            (0x31, 0x4_0600, 0, nil), (0x39, 0x4_0600, 0, 7), (0x31, 0x600, 0, 6),
            (0x31, 0x4_0600, 16, 13),
        ] as [(UInt64, UInt64, UInt64, UInt8?)])
    func `XSAVE needs OSXSAVE, a unit that is there, and 64-byte alignment`(
        _ cr0: UInt64, _ cr4: UInt64, _ offset: UInt64, _ exception: UInt8?
    ) throws {
        let harness = VectorHarness()
        fill(harness.cpu)
        harness.cpu.set(Register.rbx, harness.memory + offset)
        harness.cpu.state.cr0 = cr0
        harness.cpu.state.cr4 = cr4
        #expect(try harness.run([0x0f, 0xae, 0x23]) == exception)
        harness.cpu.setControlStatus(0x1f80)
    }

    @Test func `XGETBV and XSETBV know x87 and SSE`() throws {
        let harness = VectorHarness()
        let cpu = harness.cpu
        cpu.rcx = 0
        #expect(try harness.run([0x0f, 0x01, 0xd0]) == nil)
        #expect(cpu.rax == 3)
        cpu.rax = 1
        cpu.rdx = 0
        #expect(try harness.run([0x0f, 0x01, 0xd1]) == nil)
        #expect(cpu.state.xcr0 == 1)
        for refused: UInt64 in [0, 2, 7] {
            cpu.rax = refused
            #expect(try harness.run([0x0f, 0x01, 0xd1]) == 13)
        }
        cpu.rax = 3
        cpu.state.privilege = 3
        #expect(try harness.run([0x0f, 0x01, 0xd1]) == 13)
    }

    /// Values to be found again; RBX is where they are saved, EDX:EAX asks for all.
    private func fill(_ cpu: Processor) {
        for number in UInt8(0)..<16 {
            cpu.setVector(number, SIMD2(UInt64(number), ~UInt64(number)))
        }
        cpu.setControlStatus(0x3f81)
        cpu.state.x87.control = 0x027f
        cpu.state.x87.status = 0x0041
        cpu.state.x87.top = 5
        cpu.state.x87.empty = 0xf0
        cpu.state.x87.lastInstruction = 0x1234_5678_9abc
        for number in 0..<8 {
            cpu.setX87Image(
                number,
                X87Image(
                    significand: 0x8000_0000_0000_0000 | UInt64(number), signAndExponent: 0x3fff))
        }
        cpu.rax = .max
        cpu.rdx = .max
    }
}
