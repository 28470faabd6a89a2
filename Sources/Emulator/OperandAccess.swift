// SPDX-License-Identifier: Apache-2.0

/// Which instructions write the memory that ModRM names: what the rights of segments are checked
/// with outside 64-bit code. Intel SDM 2, appendix A.
extension Decoder {
    var writesOperand: Bool {
        switch opcodeMap {
        case nil: oneByteWrites
        case .x0F: twoByteWrites
        case .x0F38: false
        case .x0F3A: 0x14...0x17 ~= opcode
        }
    }

    private var oneByteWrites: Bool {
        switch opcode {
        case 0x00...0x37: opcode & 7 < 2
        case 0x80...0x83: group != 7
        // ARPL and POP find out later than at their address.
        case 0x63, 0x8f: false
        case 0x86...0x89, 0x8c, 0xa2, 0xa3, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xd3: true
        case 0xd9: group == 2 || group == 3 || group >= 6
        case 0xdb: 1...3 ~= group || group == 7
        case 0xdd, 0xdf: 1...3 ~= group || group >= 6
        case 0xf6, 0xf7: group == 2 || group == 3
        case 0xfe, 0xff: group < 2
        default: false
        }
    }

    private var twoByteWrites: Bool {
        switch opcode {
        case 0x00: group < 2
        case 0x01: group < 2 || group == 4
        case 0x11, 0x13, 0x17, 0x29, 0x2b, 0x7f, 0x90...0x9f, 0xa4, 0xa5, 0xab...0xad, 0xb0, 0xb1,
            0xb3, 0xbb, 0xc0, 0xc1, 0xc3, 0xc7, 0xd6, 0xe7, 0xf7:
            true
        case 0x7e: repeatPrefix != 0xf3
        // FXSAVE finds out later than at its address.
        case 0xae: group == 3 || group == 4 || group == 6
        case 0xba: group > 4
        default: false
        }
    }
}
