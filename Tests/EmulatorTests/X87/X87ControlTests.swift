// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

/// Stack faults, waiting exceptions, environments, availability. Intel SDM 1, 8.1, 8.5 to 8.7.
@Suite struct X87ControlTests {
    @Test func `An unmasked exception waits for the next waiting instruction`() throws {
        let rig = try X87Rig()
        rig.push(.one, .zero)
        rig.cpu.setX87Control(0x37b)
        rig.execute([0xd8, 0xf9])  // FDIVR: 1 / 0
        #expect(rig.statusWord == 0xb084)
        #expect(rig.top == Extended.zero.digits)
        rig.execute([0xdf, 0xe0])  // FNSTSW AX
        #expect(rig.cpu.rax & 0xffff == 0xb084)
        #expect(rig.system.vector == nil)
        rig.execute([0xd9, 0xe8])  // FLD1
        #expect(rig.system.vector == 16)
        #expect(rig.system.stack(0) == SystemRig.code + 4)
    }

    @Test func `WAIT raises what waits, and FNCLEX forgets it`() throws {
        let rig = try X87Rig()
        rig.cpu.setX87Control(0x37e)
        rig.execute([0xd9, 0xfa])  // FSQRT of an empty register
        #expect(rig.statusWord == 0x80c1)
        rig.execute([0xdb, 0xe2, 0x9b], count: 2)  // FNCLEX, WAIT
        #expect(rig.system.vector == nil)
        rig.execute([0xd9, 0xfa, 0x9b], count: 2)
        #expect(rig.system.vector == 16)
    }

    @Test(
        arguments: [
            ([0xd9, 0xe8], 0xc, 7), ([0xd9, 0xe8], 8, 7), ([0xd9, 0xe8], 4, 7), ([0x9b], 8, nil),
            ([0x9b], 0xa, 7), ([0xdb, 0xe3], 8, 7), ([0xd9, 0x07], 8, 7), ([0xd9, 0xe8], 2, nil),
        ] as [([UInt8], UInt64, Int?)])
    func `CR0 may make the unit unavailable`(code: [UInt8], bits: UInt64, vector: Int?) throws {
        let rig = try X87Rig()
        rig.cpu.state.cr0 |= bits
        rig.cpu.updateMode()
        rig.execute(code)
        #expect(rig.system.vector == vector)
    }

    @Test func `A full stack overflows and an empty one underflows`() throws {
        let rig = try X87Rig()
        for _ in 0..<8 { rig.execute([0xd9, 0xe8]) }
        #expect(rig.statusWord == 0)
        rig.execute([0xd9, 0xe8])
        #expect(rig.statusWord == 0x3a41)
        #expect(rig.top == Extended.indefinite.digits)
        rig.execute([0xdb, 0xe3])  // FNINIT
        rig.execute([0xd9, 0xc9])  // FXCH
        #expect(rig.statusWord == 0x41)
        #expect(rig.top == Extended.indefinite.digits)
    }

    @Test func `Environments and states come back as they went`() throws {
        let rig = try X87Rig()
        let wide = Extended(significand: 0x1234, signAndExponent: 0x4001)
        rig.push(.zero, wide, .one)
        rig.cpu.setX87Control(0x27f)
        rig.cpu.state.x87.status = 0x4122
        rig.execute([0xdd, 0x37])  // FNSAVE
        #expect(rig.statusWord == 0)
        #expect(rig.cpu.state.x87.control == 0x37f)
        #expect(rig.cpu.state.x87.empty == 0xff)
        #expect(rig.system.word32(X87Rig.operand) == 0xffff_027f)
        #expect(rig.system.word32(X87Rig.operand + 4) == 0xffff_6922)
        #expect(rig.system.word32(X87Rig.operand + 8) == 0xffff_63ff)
        #expect(rig.system.word(X87Rig.operand + 28) == 1 << 63)
        #expect(rig.system.word(X87Rig.operand + 38) == 0x1234)
        rig.execute([0xdd, 0x27])  // FRSTOR
        #expect(rig.statusWord == 0x6922)
        #expect(rig.cpu.state.x87.control == 0x27f)
        #expect(rig.cpu.state.x87.empty == 0x1f)
        #expect(rig.top == Extended.one.digits)
        rig.execute([0x66, 0xd9, 0x37])  // FNSTENV, 16-bit
        #expect(rig.system.word(X87Rig.operand) & 0xffff_ffff_ffff == 0x63ff_6922_027f)
        rig.system.put(X87Rig.operand, 0xffff_0001_0360)
        rig.execute([0x66, 0xd9, 0x27])  // FLDENV: invalid is no longer masked
        #expect(rig.statusWord == 0x8081)
        #expect(rig.cpu.state.x87.empty == 0xff)
    }

    @Test func `A store that faults changes nothing`() throws {
        let rig = try X87Rig()
        rig.push(.one)
        rig.cpu.set64(Register.rdi, 0x4000_0000 - 2)
        rig.execute([0xdb, 0x3f])  // FSTP m80 across the end of what is mapped
        #expect(rig.system.vector == 14)
        #expect(rig.top == Extended.one.digits)
        #expect(rig.statusWord == 0x3800)
    }

    /// Twelve digits of what mathematics says, where the last bits are the C library's.
    @Test(
        arguments: [
            ("d9fe", 0.5, 0, 0.479425538604203), ("d9ff", 0.5, 0, 0.877582561890373),
            ("d9f0", 0.5, 0, 0.414213562373095), ("d9f1", 8, 3, 9),
            ("d9f9", 0.25, 2, 0.643856189774724),
            ("d9f3", -1, 1, 2.356194490192345), ("d9f3", 2, 1, 0.463647609000806),
        ] as [(String, Double, Double, Double)])
    func `Transcendental functions`(code: String, x: Double, y: Double, result: Double) throws {
        let rig = try X87Rig()
        var context = FloatContext(control: 0x37f)
        rig.push(
            context.load(y.bitPattern, .double), context.load(x.bitPattern, .double))
        rig.execute(bytes(code[...]))
        let found = Double(bitPattern: context.encode(rig.cpu.stack(0), .double))
        #expect(abs(found - result) < 1e-14)
    }

    @Test func `FPTAN pushes one, and large angles are refused`() throws {
        let rig = try X87Rig()
        rig.push(.one)
        rig.execute([0xd9, 0xf2])
        #expect(rig.top == Extended.one.digits)
        // The C library may be a unit off in the last place.
        let tangent = rig.cpu.stack(1)
        #expect(tangent.signAndExponent == 0x3fff)
        #expect((0xc759_22e5_f71d_2dc4...0xc759_22e5_f71d_2dc6).contains(tangent.significand))
        let large = Extended(significand: 1 << 63, signAndExponent: 0x3fff + 63)
        rig.push(large)
        rig.execute([0xd9, 0xfe])  // FSIN
        #expect(rig.statusWord & 0x400 != 0)
        #expect(rig.top == large.digits)
    }
}
