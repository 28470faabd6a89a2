// SPDX-License-Identifier: Apache-2.0
import Testing

/// An instruction on which the software processor once differed from a real one, with what the
/// real one (AMD, family 19h) does.
struct JudgedRow: CustomTestStringConvertible, Sendable {
    let name: String
    let code: [UInt8]
    var prepare: @Sendable (inout JudgedState) -> Void = { _ in }
    /// What must hold afterwards.
    let holds: @Sendable (JudgedState) -> Bool

    var testDescription: String { name }

    /// All registers in use, the stack top 0, C3 to C0 set.
    private static func fillStack(_ state: inout JudgedState) {
        state.tags = 0xff
        state.statusWord = 0x4700
        for index in 0..<8 {
            state.setStack(
                index, significand: 0x8000_0000_0000_0000 | UInt64(index), signAndExponent: 0x3fff)
        }
    }

    static let rows = floatingPoint + more + others + aligned + narrow

    private static let floatingPoint = [
        JudgedRow(name: "FCMOVB leaves C1", code: [0xda, 0xc1], prepare: fillStack) {
            $0.statusWord == 0x4700
        },
        JudgedRow(name: "FCOMI leaves C1", code: [0xdb, 0xf1], prepare: fillStack) {
            $0.statusWord == 0x4700 && $0.rflags & 0x45 == 1
        },
        JudgedRow(name: "FUCOMIP leaves C1", code: [0xdf, 0xe9], prepare: fillStack) {
            $0.statusWord == 0x4f00
        },
        JudgedRow(name: "FFREE clears C1", code: [0xdd, 0xc2], prepare: fillStack) {
            $0.statusWord == 0x4500 && $0.tags == 0xfb
        },
        JudgedRow(
            name: "FLD of an empty register onto a full stack underflows", code: [0xd9, 0xc2],
            prepare: {
                fillStack(&$0)
                $0.tags = 0xfb
            }
        ) { $0.statusWord == 0x7d41 && $0.stack(0).significand == 0xc000_0000_0000_0000 },
        JudgedRow(
            name: "FPREM of infinity leaves C3 and C0", code: [0xd9, 0xf8],
            prepare: {
                fillStack(&$0)
                $0.setStack(0, significand: 0x8000_0000_0000_0000, signAndExponent: 0x7fff)
            }
        ) { $0.statusWord == 0x4101 },
        JudgedRow(
            name: "FSTPNCE of an empty register pops it and stores nothing", code: [0xd9, 0xda],
            prepare: {
                fillStack(&$0)
                $0.tags = 0xfe
            }
        ) { $0.statusWord == 0x4d00 && $0.stack(1).significand == 0x8000_0000_0000_0002 },
        JudgedRow(
            name: "EMMS moves the top to 0", code: [0x0f, 0x77],
            prepare: {
                fillStack(&$0)
                $0.statusWord = 0x3800
            }
        ) { $0.statusWord == 0 && $0.tags == 0 },
        JudgedRow(
            name: "CVTPI2PS that faults has made the registers MMX's", code: [0x0f, 0x2a, 0xc1],
            prepare: {
                $0.mxcsr = 0x0f80
                $0.statusWord = 0x3800
                $0.setStack(2, significand: 0x7fff_ffff_7fff_ffff, signAndExponent: 0x3fff)
            }
        ) { $0.vector == 19 && $0.tags == 0xff && $0.statusWord == 0 },
    ]

    private static let more = [
        JudgedRow(
            name: "FNSTENV with REX.W and 66 stores 28 bytes", code: [0x66, 0x48, 0xd9, 0x30],
            prepare: { $0.general[0] = endOfRoom - 20 }
        ) { $0.vector == 14 && $0.cr2 == endOfRoom },
        JudgedRow(
            name: "FIST that may not store probes all the same", code: [0xdb, 0x10],
            prepare: {
                fillStack(&$0)
                $0.controlWord = 0x37e
                $0.setStack(0, significand: 0x8000_0000_0000_0000, signAndExponent: 0x7fff)
                $0.general[0] = endOfRoom
            }
        ) { $0.vector == 14 && $0.errorCode == 7 },
        JudgedRow(
            name: "FPREM of a NaN leaves C3 and C0", code: [0xd9, 0xf8],
            prepare: {
                fillStack(&$0)
                $0.setStack(0, significand: 0xc000_0000_0000_0001, signAndExponent: 0x7fff)
            }
        ) { $0.statusWord == 0x4100 },
        JudgedRow(
            name: "PADDB waits for an x87 exception before it reads", code: [0x0f, 0xfc, 0x00],
            prepare: {
                $0.controlWord = 0x37e
                $0.statusWord = 0x8081
                $0.general[0] = endOfData
            }
        ) { $0.vector == 16 },
        JudgedRow(
            name: "ADDPS tells of a denormal operand", code: [0x0f, 0x58, 0xc1],
            prepare: { $0.setVector(1, SIMD2(1, 0)) }
        ) { $0.mxcsr == 0x1f82 },
        JudgedRow(
            name: "PUSH to an address that is not canonical is #SS", code: [0x50],
            prepare: { $0.general[4] = 0x8000_0000_0000_0000 }
        ) { $0.vector == 12 && $0.errorCode == 0 },
    ]

    /// Nothing can be written from here on.
    private static var endOfRoom: UInt64 { JudgedMemory.data + UInt64(JudgedMemory.dataCount) }

    private static let others = [
        JudgedRow(
            name: "MULPS flushes what was tiny before it was rounded", code: [0x0f, 0x59, 0xc1],
            prepare: {
                $0.mxcsr = 0x9f80
                $0.setVector(0, SIMD2(0x3f80_0000_3f7f_ffff, 0x3f80_0000_3f80_0000))
                $0.setVector(1, SIMD2(0x0080_0000_0080_0000, 0x3f80_0000_3f80_0000))
            }
        ) {
            $0.vector(0) == SIMD2(0x0080_0000_0000_0000, 0x3f80_0000_3f80_0000)
                && $0.mxcsr == 0x9fb0
        },
        JudgedRow(
            name: "F2XM1 of 1 is inexact, and raises that", code: [0xd9, 0xf0],
            prepare: {
                fillStack(&$0)
                $0.controlWord = 0x35f
                $0.setStack(0, significand: 0x8000_0000_0000_0000, signAndExponent: 0x3fff)
            }
        ) { $0.statusWord == 0xc7a0 },
        JudgedRow(
            name: "FXRSTOR from the stack tells of its address before its alignment",
            code: [0x0f, 0xae, 0x4d, 0x00], prepare: { $0.general[5] = 0x8000_0000_0000_0004 }
        ) { $0.vector == 12 && $0.errorCode == 0 },
        JudgedRow(
            name: "REP OUTS asks for permission to move nothing", code: [0xf3, 0x6e],
            prepare: { $0.general[1] = 0 }
        ) { $0.vector == 13 && $0.errorCode == 0 },
        JudgedRow(
            name: "DPPS takes denormal products for zero when it sums them",
            code: [0x66, 0x0f, 0x3a, 0x40, 0xc1, 0x31],
            prepare: {
                // Denormals are zeros, rounding upwards: the products of 2^-100 are denormal.
                $0.mxcsr = 0x5fc0
                $0.setVector(0, SIMD2(0x0d80_0000_0d80_0000, 0))
                $0.setVector(1, SIMD2(0x0d80_0000_0d80_0000, 0))
            }
        ) { $0.vector(0) == .zero },
        JudgedRow(name: "PREFETCHW of a register is invalid", code: [0x0f, 0x0d, 0xc8]) {
            $0.vector == 6
        },
        JudgedRow(name: "SYSEXIT at CPL 3 is #GP before it is #UD", code: [0x0f, 0x35]) {
            $0.vector == 13 && $0.errorCode == 0
        },
        JudgedRow(
            name: "JC with 16-bit operand size keeps 16 bits of RIP",
            code: [0x66, 0x0f, 0x82, 0x10, 0x00], prepare: { $0.rflags |= 1 }
        ) { $0.vector == 14 && $0.cr2 == 0x15 && $0.rip == 0x15 },
        JudgedRow(
            name: "CALL with 16-bit operand size pushes two bytes",
            code: [0x66, 0xe8, 0x10, 0x00],
            prepare: { $0.general[4] = JudgedMemory.data + 0x100 }
        ) { $0.general[4] == JudgedMemory.data + 0xfe && $0.rip == 0x14 },
        JudgedRow(
            name: "JMP reaches beyond 2 GiB from its page", code: [0xe9, 0xff, 0xff, 0xff, 0x7f]
        ) { $0.vector == 14 && $0.cr2 == JudgedMemory.code + 0x8000_0004 },
        JudgedRow(
            name: "CALL pushes before it finds its target not canonical", code: [0xff, 0xd0],
            prepare: {
                $0.general[0] = 0x8000_0000_0000_0000
                $0.general[4] = 0x300_0000
            }
        ) { $0.vector == 14 && $0.errorCode == 6 && $0.cr2 == 0x2ff_fff8 },
        JudgedRow(
            name: "MOVSXD with 16-bit operand size reads four bytes", code: [0x66, 0x63, 0x00],
            prepare: { $0.general[0] = endOfData - 2 }
        ) { $0.vector == 14 && $0.cr2 == endOfData },
    ]

    /// Nothing is mapped from here on.
    static var endOfData: UInt64 {
        JudgedMemory.data + UInt64(JudgedMemory.dataCount + JudgedMemory.readOnlyCount)
    }

    /// With alignment checks, and what MASKMOVDQU asks.
    private static let aligned = [
        JudgedRow(
            name: "ENTER asks for an aligned top", code: [0xc8, 0x01, 0x00, 0x00],
            prepare: {
                $0.rflags |= 0x4_0000
                $0.general[4] = JudgedMemory.data + 0x100
            }
        ) { $0.vector == 17 && $0.general[4] == JudgedMemory.data + 0x100 },
        JudgedRow(
            name: "FNSAVE asks for four bytes' alignment", code: [0xdd, 0x30],
            prepare: {
                $0.rflags |= 0x4_0000
                $0.general[0] = JudgedMemory.data + 4
            }
        ) { $0.vector == JudgedState.Ending.none && $0.rflags & 0x4_0000 != 0 },
        JudgedRow(
            name: "FSTP of ten bytes asks for eight bytes' alignment", code: [0xdb, 0x38],
            prepare: {
                fillStack(&$0)
                $0.rflags |= 0x4_0000
                $0.general[0] = JudgedMemory.data + 4
            }
        ) { $0.vector == 17 },
        JudgedRow(
            name: "MOVUPS asks for 16 bytes' alignment", code: [0x0f, 0x10, 0x00],
            prepare: {
                $0.rflags |= 0x4_0000
                $0.general[0] = JudgedMemory.data + 8
            }
        ) { $0.vector == 17 },
        JudgedRow(
            name: "FXRSTOR looks at its last byte, which it has no use for",
            code: [0x0f, 0xae, 0x08],
            prepare: {
                $0.general[0] = endOfData + UInt64(JudgedMemory.readOnlyCount) - 496
            }
        ) { $0.vector == 14 && $0.errorCode == 4 },
        JudgedRow(
            name: "FXSAVE looks at its last byte first", code: [0x0f, 0xae, 0x00],
            prepare: {
                $0.general[0] = endOfData + UInt64(JudgedMemory.readOnlyCount) - 496
            }
        ) { $0.vector == 14 && $0.errorCode == 6 },
        JudgedRow(
            name: "FXSAVE is #AC before it is #GP", code: [0x0f, 0xae, 0x00],
            prepare: {
                $0.rflags |= 0x4_0000
                $0.general[0] = JudgedMemory.data + 2
            }
        ) { $0.vector == 17 },
        JudgedRow(
            name: "MASKMOVDQU that writes nothing must be able to", code: [0x66, 0x0f, 0xf7, 0xc1],
            prepare: { $0.general[7] = JudgedMemory.data + UInt64(JudgedMemory.dataCount) - 8 }
        ) { $0.vector == 14 && $0.errorCode == 7 },
        JudgedRow(
            name: "MASKMOVQ that faults has made the registers MMX's", code: [0x0f, 0xf7, 0xc1],
            prepare: {
                $0.statusWord = 0x3800
                $0.general[7] = endOfData
            }
        ) { $0.vector == 14 && $0.tags == 0xff && $0.statusWord == 0 },
        JudgedRow(
            name: "LOOPNE with F3 is LOOPE", code: [0xf3, 0xe0, 0x10],
            prepare: {
                $0.rflags |= 0x40
                $0.general[1] = 2
            }
        ) { $0.rip == JudgedMemory.code + 0x13 },
    ]
}
