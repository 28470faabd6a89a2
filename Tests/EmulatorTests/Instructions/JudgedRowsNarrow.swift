// SPDX-License-Identifier: Apache-2.0

/// What differed once in 32-bit code with segments of 4 GiB, most of it at their ends.
extension JudgedRow {
    /// 32-bit code with GS so that `count` bytes of its operand, by EAX, lie below 4 GiB, and the
    /// rest, which is at the beginning of the data, from offset 0 on.
    private static func wrap(at count: UInt64) -> @Sendable (inout JudgedState) -> Void {
        { state in
            state.mode = 1
            state.general[0] = 0x1_0000_0000 - count
            state.gsBase = JudgedMemory.data + 0x1000 + count
            state.poke = JudgedMemory.data + 0x1000
            let wide: (UInt64, UInt64) = (0x4100_0000_0c3f, 0x5555)
            let narrow: (UInt64, UInt64) = (0x5555_4100_0c3f, 0)
            (state.poked[0], state.poked[1]) = count == 25 ? narrow : wide
            for index in 0..<8 {
                let exponent = 0x3f00 + UInt16(index)
                state.setStack(index, significand: 1 << 63, signAndExponent: exponent)
            }
        }
    }

    static let narrow = [
        JudgedRow(
            name: "a string's address wraps at 4 GiB", code: [0x64, 0xac],
            prepare: {
                $0.mode = 1
                $0.fsBase = 0xff00_0000
                $0.general[6] = JudgedMemory.data + 0x100_0000
            }
        ) { $0.vector == JudgedState.Ending.none },
        JudgedRow(
            name: "nothing is written through CS", code: [0x2e, 0x88, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = JudgedMemory.data
            }
        ) { $0.vector == 13 && $0.errorCode == 0 },
        JudgedRow(
            name: "POP to code comes to the stack first", code: [0x2e, 0x8f, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = JudgedMemory.data
                $0.general[4] = endOfData
            }
        ) { $0.vector == 14 && $0.cr2 == endOfData },
        JudgedRow(
            name: "POP to what wraps comes to the stack first", code: [0x8f, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = 0xffff_fffe
                $0.general[4] = endOfData
            }
        ) { $0.vector == 14 && $0.cr2 == endOfData },
        JudgedRow(
            name: "POP to what wraps", code: [0x8f, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[4] = JudgedMemory.data
                $0.general[0] = 0xffff_fffe
            }
        ) { $0.vector == 13 && $0.errorCode == 0 },
        JudgedRow(
            name: "FXSAVE at a place whose first word wraps not is unaligned",
            code: [0x0f, 0xae, 0x00],
            prepare: {
                $0.mode = 1
                $0.rflags |= 0x4_0000
                $0.general[0] = 0xffff_fff5
            }
        ) { $0.vector == 17 },
        JudgedRow(
            name: "FXSAVE to code is unaligned first", code: [0x2e, 0x0f, 0xae, 0x00],
            prepare: {
                $0.mode = 1
                $0.rflags |= 0x4_0000
                $0.general[0] = JudgedMemory.data + 2
            }
        ) { $0.vector == 17 },
        JudgedRow(
            name: "FXSAVE to code", code: [0x2e, 0x0f, 0xae, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = JudgedMemory.data
            }
        ) { $0.vector == 13 && $0.errorCode == 0 },
        JudgedRow(
            name: "FXSAVE on the stack at a place whose first word wraps",
            code: [0x0f, 0xae, 0x04, 0x24],
            prepare: {
                $0.mode = 1
                $0.general[4] = 0xffff_fffd
            }
        ) { $0.vector == 12 },
        JudgedRow(
            name: "ARPL writes only what it raises", code: [0x2e, 0x63, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = JudgedMemory.data
            }
        ) { $0.vector == JudgedState.Ending.none },
        JudgedRow(
            name: "MOVQ waits before it finds its operand in code",
            code: [0x2e, 0x0f, 0x7f, 0x00],
            prepare: {
                $0.mode = 1
                $0.controlWord = 0x37e
                $0.statusWord = 0x8081
                $0.general[0] = JudgedMemory.data
            }
        ) { $0.vector == 16 },
        JudgedRow(
            name: "an aligned operand may wrap in its segment",
            code: [0x65, 0x66, 0x0f, 0xd8, 0x00],
            prepare: {
                $0.mode = 1
                $0.gsBase = JudgedMemory.data + 14
                $0.general[0] = 0xffff_fff2
            }
        ) { $0.vector == 13 },
        JudgedRow(
            name: "an operand that wraps is beyond its segment", code: [0x8b, 0x00],
            prepare: {
                $0.mode = 1
                $0.general[0] = 0xffff_fffe
            }
        ) { $0.vector == 13 && $0.errorCode == 0 },
        JudgedRow(
            name: "FRSTOR keeps what it had read before a part that wraps",
            code: [0x66, 0x65, 0xdd, 0x20], prepare: wrap(at: 25)
        ) {
            $0.vector == 13 && $0.statusWord == 0x4100 && $0.controlWord == 0x37f
                && $0.stack(0).signAndExponent == 0 && $0.stack(1).signAndExponent == 0x3f01
        },
        JudgedRow(
            name: "FLDENV keeps its status if the tags wrap", code: [0x65, 0xd9, 0x20],
            prepare: wrap(at: 9)
        ) { $0.vector == 13 && $0.statusWord == 0x4100 && $0.tags == 0 },
        JudgedRow(
            name: "FNSTENV of which no part wraps", code: [0x65, 0xd9, 0x30], prepare: wrap(at: 12)
        ) { $0.vector == JudgedState.Ending.none },
        JudgedRow(
            name: "FNSAVE of which a register wraps", code: [0x65, 0xdd, 0x30],
            prepare: wrap(at: 29)
        ) { $0.vector == 13 && $0.controlWord == 0x37f },
        JudgedRow(
            name: "FXSAVE of which a register wraps", code: [0x65, 0x0f, 0xae, 0x00],
            prepare: wrap(at: 133)
        ) { $0.vector == 13 },
        JudgedRow(
            name: "FXSAVE of which no part wraps", code: [0x65, 0x0f, 0xae, 0x00],
            prepare: wrap(at: 136)
        ) { $0.vector == JudgedState.Ending.none },
        JudgedRow(
            name: "FXRSTOR takes vectors from the last on", code: [0x65, 0x0f, 0xae, 0x08],
            prepare: { state in
                wrap(at: 177)(&state)
                for number in 0..<8 { state.setVector(number, SIMD2(5, 5)) }
            }
        ) {
            $0.vector == 13 && $0.vector(1) == SIMD2(5, 5) && $0.vector(2) == .zero
                && $0.controlWord == 0xc7f
        },
        JudgedRow(
            name: "MASKMOVDQU of which the upper half wraps", code: [0x66, 0x65, 0x0f, 0xf7, 0xca],
            prepare: { state in
                wrap(at: 15)(&state)
                state.general[7] = state.general[0]
            }
        ) { $0.vector == 13 },
        JudgedRow(
            name: "MASKMOVDQU looks at its lower half first", code: [0x66, 0x0f, 0xf7, 0xca],
            prepare: {
                $0.mode = 1
                $0.general[7] = 0xffff_fff7
            }
        ) { $0.vector == 14 && $0.cr2 == 0xffff_fff7 },
        JudgedRow(
            name: "MASKMOVDQU of which no half wraps", code: [0x66, 0x65, 0x0f, 0xf7, 0xca],
            prepare: { state in
                wrap(at: 8)(&state)
                state.general[7] = state.general[0]
            }
        ) { $0.vector == JudgedState.Ending.none },
        JudgedRow(
            name: "MOVQ into its own block", code: [0x0f, 0x7f, 0x00],
            prepare: {
                $0.statusWord = 0x3800
                $0.general[0] = JudgedMemory.code + 48
            }
        ) { $0.vector == JudgedState.Ending.none && $0.statusWord == 0 && $0.tags == 0xff },
        JudgedRow(
            name: "a push that wraps is beyond the stack", code: [0x50],
            prepare: {
                $0.mode = 1
                $0.general[4] = 2
            }
        ) { $0.vector == 12 && $0.errorCode == 0 },
    ]
}
