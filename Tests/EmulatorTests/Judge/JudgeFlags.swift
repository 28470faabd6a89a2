// SPDX-License-Identifier: Apache-2.0

/// Which flags an instruction leaves defined. AMD APM 3, the tables of each instruction's page;
/// Intel SDM 1, appendix A.
enum JudgeFlags {
    static var carry: UInt64 { 1 }
    static var parity: UInt64 { 4 }
    static var adjust: UInt64 { 0x10 }
    static var zero: UInt64 { 0x40 }
    static var sign: UInt64 { 0x80 }
    static var overflow: UInt64 { 0x800 }
    static var arithmetic: UInt64 { 0x8d5 }
    /// Those and TF, IF, DF, IOPL, NT, AC, ID. RF is in images only.
    static var all: UInt64 { 0x24_7fd5 }

    /// The undefined flags. `count` is a shift's count, before it is masked; `bits` the operand size.
    static func undefined(_ form: JudgeForm, count: UInt8, bits: Int) -> UInt64 {
        switch form.map {
        case 0: oneByte(form, count, bits)
        case 1: twoBytes(form, count, bits)
        default: 0
        }
    }

    private static func oneByte(_ form: JudgeForm, _ count: UInt8, _ bits: Int) -> UInt64 {
        let group = form.group ?? 0
        switch form.opcode {
        case 0x08...0x0d, 0x20...0x25, 0x30...0x35, 0x84, 0x85, 0xa8, 0xa9: return adjust
        case 0x80...0x83: return group == 1 || group == 4 || group == 6 ? adjust : 0
        case 0x69, 0x6b: return sign | zero | adjust | parity
        case 0x27, 0x2f: return overflow
        case 0x37, 0x3f: return overflow | sign | zero | parity
        case 0xd4, 0xd5: return overflow | adjust | carry
        case 0xc0, 0xc1, 0xd0...0xd3: return shift(group, count, bits)
        case 0xf6, 0xf7:
            switch group {
            case 0, 1: return adjust
            case 4, 5: return sign | zero | adjust | parity
            case 6, 7: return arithmetic
            default: return 0
            }
        default: return 0
        }
    }

    private static func shift(_ group: UInt8, _ count: UInt8, _ bits: Int) -> UInt64 {
        let masked = Int(count) & (bits == 64 ? 63 : 31)
        guard masked != 0 else { return 0 }
        var result: UInt64 = masked == 1 ? 0 : overflow
        if group >= 4 { result |= adjust }
        if group == 4 || group == 5 || group == 6, masked >= bits { result |= carry }
        return result
    }

    private static func twoBytes(_ form: JudgeForm, _ count: UInt8, _ bits: Int) -> UInt64 {
        switch form.opcode {
        case 0xaf: sign | zero | adjust | parity
        case 0xa3, 0xab, 0xb3, 0xbb, 0xba: overflow | sign | adjust | parity
        case 0xbc, 0xbd: carry | overflow | sign | adjust | parity
        case 0xa4, 0xa5, 0xac, 0xad: shift(4, count, bits)
        default: 0
        }
    }
}
