// SPDX-License-Identifier: Apache-2.0

/// Blocks of 8 to 32 instructions, with branches forwards, bounded loops, and stores into their own
/// code.
///
/// R13 points to data, R14 to the block's own code, R15 counts a loop's rounds; nothing else changes
/// them, nor RSP.
extension JudgeGenerator {
    mutating func block(at place: UInt64) -> (JudgeCase, JudgedState) {
        inBlock = true
        self.place = place
        isRefused = false
        state = JudgedState()
        form = JudgeForm(map: 0, opcode: 0x90)
        fillState()
        state.general[13] = JudgedMemory.data &+ UInt64(random.below(0x3f00)) & ~15
        state.general[14] = place
        state.general[15] = UInt64(1 + random.below(6))
        state.general[4] = JudgedMemory.data &+ 0x2000
        state.rflags = state.rflags & ~0x4_0000
        state.poke = 0
        // Only masked exceptions: a block is to go on.
        state.mxcsr = state.mxcsr & 0xe07f | 0x1f80
        let count = 8 + random.below(25)
        var loopStart: Int?
        var forward: [(hole: Int, left: Int)] = []
        /// Immediates of one byte that may be overwritten.
        var targets: [Int] = []
        for _ in 0..<count where code.count < 180 {
            switch random.below(12) {
            case 0:
                code += [0x70 | UInt8(random.below(16)), 0]
                forward.append((code.count - 1, 1 + random.below(4)))
            case 1 where loopStart == nil: loopStart = code.count
            case 2:
                // MOV r8, imm8, or an ALU operation with one.
                if random.chance(50) {
                    code += [0xb0 | random.pick([0, 1, 2, 3]), random.byte()]
                    targets.append(code.count - 1)
                } else {
                    let target = random.pick([0, 1, 2, 3, 5, 6, 7] as [UInt8])
                    code += [0x83, 0xc0 | UInt8(random.below(8)) << 3 | target, random.byte()]
                    targets.append(code.count - 1)
                    // CMP AL, imm8: OR, AND and XOR leave AF undefined.
                    code += [0x3c, random.byte()]
                }
            case 3 where !targets.isEmpty:
                // MOV byte [R14+disp32], imm8
                code += [0x41, 0xc6, 0x86]
                append(UInt64(random.pick(targets)), 4)
                code.append(random.byte())
            default: member()
            }
            settle(&forward)
        }
        if let loopStart, code.count - loopStart < 110 {
            // DEC R15D; JNZ
            code += [0x41, 0xff, 0xcf, 0x75]
            code.append(UInt8(truncatingIfNeeded: loopStart - code.count - 1))
        }
        for index in forward.indices { forward[index].left = 1 }
        settle(&forward)
        var result = JudgeCase(form: form)
        result.isSequence = true
        result.asBlocks = random.chance(80)
        result.end = place &+ UInt64(code.count)
        appendExit(is32: false)
        result.codeCount = code.count
        return (result, state)
    }

    /// Closes the forward branches whose turn it is at this place.
    private mutating func settle(_ forward: inout [(hole: Int, left: Int)]) {
        for index in forward.indices { forward[index].left -= 1 }
        for branch in forward where branch.left <= 0 {
            code[branch.hole] = UInt8(truncatingIfNeeded: code.count - branch.hole - 1)
        }
        forward.removeAll { $0.left <= 0 }
    }

    /// One instruction, and one behind it that defines the flags it may leave undefined.
    private mutating func member() {
        form = harmlessForm()
        let start = code.count
        instruction()
        if code.count - start > 15 { code.removeSubrange(start...) }
        if JudgeFlags.undefined(form, count: 9, bits: 8) != 0 {
            // CMP AL, imm8
            code += [0x3c, random.byte()]
        }
    }

    /// A memory operand at R13, or at an absolute or a relative address in the data.
    mutating func blockOperand(_ reg: UInt8) -> Int? {
        let target = JudgedMemory.data &+ UInt64(random.below(0x3e00)) & ~15
        switch random.below(3) {
        case 0 where rex != 0:
            // REX is there already and may take B.
            let place = code.count - form.opcodeBytes.count - 1
            code[place] |= 1
            rex |= 1
            code.append(0x40 | reg << 3 | 5)
            code.append(UInt8(random.below(16)) << 3 & 0x70)
            return nil
        case 1:
            code.append(reg << 3 | 4)
            code.append(0x25)
            append(target, 4)
            return nil
        default:
            code.append(reg << 3 | 5)
            append(target, 4)
            return code.count - 4
        }
    }
}
