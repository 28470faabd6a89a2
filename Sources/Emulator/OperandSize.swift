// SPDX-License-Identifier: Apache-2.0

/// How many bytes of memory an instruction's operand has: what segment limits are checked with
/// where segments are not flat. Intel SDM 2, appendix A.
extension Decoder {
    private static var environmentBytes: (narrow: Int, wide: Int) { (14, 28) }
    private static var unitBytes: (narrow: Int, wide: Int) { (94, 108) }
    private static var legacyAreaBytes: Int { 512 }
    private static var extendedAreaBytes: Int { 576 }

    /// Bytes of the operand of word size.
    private var wordBytes: Int { 1 << size }
    /// By bit 0 of the opcode: a byte or a word.
    private var byteOrWord: Int { opcode & 1 == 0 ? 1 : wordBytes }

    /// Of the operand that ModRM names, which is memory. 0: it is not accessed.
    var operandBytes: Int {
        switch opcodeMap {
        case nil: oneByteOperand
        case .x0F: twoByteOperand
        case .x0F38: operand0F38
        case .x0F3A: operand0F3A
        }
    }

    /// Of those, the ones whose place is checked before others are looked at: the first of an image,
    /// of ten bytes or of a pair, and none where privilege counts first, or where 16 bytes or more
    /// on the stack must be aligned: #GP comes before #SS.
    var firstBytes: Int {
        let bytes = operandBytes
        if opcodeMap == nil && opcode == 0x62 { return wordBytes }
        if opcodeMap == .x0F {
            if opcode == 0x01 && (group == 2 || group == 3 || group == 6) { return 0 }
            if opcode == 0xf7 { return 8 }
            if opcode == 0xae && group < 2 { return 4 }
        }
        if bytes < 10 { return bytes }
        if bytes == Self.environmentBytes.wide || bytes == Self.unitBytes.wide { return 4 }
        if bytes == Self.environmentBytes.narrow || bytes == Self.unitBytes.narrow { return 2 }
        return bytes == 10 ? 8 : operandSegment == 2 && !isVectorAnywhere ? 0 : 16
    }

    private var isVectorAnywhere: Bool {
        switch opcodeMap {
        case .x0F:
            opcode < 0x12 || opcode == 0xf0
                || (opcode == 0x6f || opcode == 0x7f) && mandatoryPrefix == .xF3
        case .x0F3A: opcode >= 0x60
        default: false
        }
    }

    private var oneByteOperand: Int {
        switch opcode {
        case 0x62: wordBytes * 2
        case 0x63, 0x8c, 0x8e: 2
        case 0x69, 0x6b, 0x83: wordBytes
        // POP looks at the stack first, and then itself at its operand's place.
        case 0x8f: 0
        case 0xc4, 0xc5: wordBytes + 2
        case 0xd8...0xdf: floatOperand
        case 0xff: group == 3 || group == 5 ? wordBytes + 2 : wordBytes
        default: byteOrWord
        }
    }

    private var floatOperand: Int {
        let wide = size != 1
        let environment = wide ? Self.environmentBytes.wide : Self.environmentBytes.narrow
        let unit = wide ? Self.unitBytes.wide : Self.unitBytes.narrow
        switch (opcode, group) {
        case (0xd9, 4), (0xd9, 6): return environment
        case (0xd9, 5), (0xd9, 7), (0xdd, 7): return 2
        case (0xdd, 4), (0xdd, 6): return unit
        case (0xdb, 5), (0xdb, 7), (0xdf, 4), (0xdf, 6): return 10
        case (0xdc, _), (0xdd, _), (0xdf, 5), (0xdf, 7): return 8
        case (0xde, _), (0xdf, _): return 2
        default: return 4
        }
    }

    private var twoByteOperand: Int {
        switch opcode {
        case 0x00, 0x02, 0x03, 0xb7, 0xbf, 0xc4: 2
        case 0x01: group < 4 ? 6 : group == 7 ? 0 : 2
        case 0x0d, 0x18...0x1f: 0
        // Bits that a register numbers lie elsewhere, and are checked there.
        case 0xa3, 0xab, 0xb3, 0xbb: 0
        case 0x40...0x4f, 0xa4, 0xa5, 0xac, 0xad, 0xaf, 0xb8, 0xba, 0xbc, 0xbd: wordBytes
        case 0x90...0x9f, 0xb6, 0xbe: 1
        case 0xb0, 0xb1, 0xc0, 0xc1: byteOrWord
        case 0xb2, 0xb4, 0xb5: wordBytes + 2
        case 0xae: stateOperand
        case 0xc3: 4
        case 0xc7: 8
        default: vectorOperand
        }
    }

    private var stateOperand: Int {
        switch group {
        case 0, 1: Self.legacyAreaBytes
        case 2, 3: 4
        case 4...6: Self.extendedAreaBytes
        default: 1
        }
    }

    /// Of the two-byte vector opcodes, by the prefix that selects.
    private var vectorOperand: Int {
        switch opcode {
        case 0x12, 0x16: mandatoryPrefix == .xF3 ? 16 : 8
        case 0x13, 0x17, 0xd6: 8
        case 0x14, 0x15, 0x28, 0x29, 0x2b, 0x5b, 0x7c, 0x7d, 0xc6, 0xd0, 0xf0: 16
        case 0x2a: scalar(8, 8, 4, 4)
        case 0x2c, 0x2d, 0x5a: scalar(8, 16, 4, 8)
        case 0x2e, 0x2f: scalar(4, 8, 4, 8)
        case 0x10, 0x11, 0x51...0x59, 0x5c...0x5f, 0xc2: scalar(16, 16, 4, 8)
        case 0x60...0x62: scalar(4, 16, 16, 16)
        case 0x6e: 4
        case 0x7e: scalar(4, 4, 8, 4)
        case 0xe6: scalar(16, 16, 8, 16)
        default: scalar(8, 16, 16, 16)
        }
    }

    private func scalar(_ none: Int, _ x66: Int, _ xF3: Int, _ xF2: Int) -> Int {
        switch mandatoryPrefix {
        case .none: none
        case .x66: x66
        case .xF3: xF3
        case .xF2: xF2
        }
    }

    private var operand0F38: Int {
        switch opcode {
        case 0x20, 0x23, 0x25, 0x30, 0x33, 0x35: 8
        case 0x21, 0x24, 0x31, 0x34: 4
        case 0x22, 0x32: 2
        case 0xf0: 1
        case 0xf1: wordBytes
        default: scalar(8, 16, 16, 16)
        }
    }

    private var operand0F3A: Int {
        switch opcode {
        case 0x0a, 0x16, 0x17, 0x21, 0x22: 4
        case 0x0b: 8
        case 0x14, 0x20: 1
        case 0x15: 2
        default: scalar(8, 16, 16, 16)
        }
    }
}
