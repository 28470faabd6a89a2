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

    static let rows = floatingPoint + others

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

    private static let others = [
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
    ]
}
