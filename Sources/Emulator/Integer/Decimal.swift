// SPDX-License-Identifier: Apache-2.0

/// AAA, AAS, AAM, AAD, DAA, DAS: decimal arithmetic, outside 64-bit code only. Intel SDM 2.
enum DecimalHandlers {
    /// AAA, AAS.
    static let adjustAfterAdd: Handler = { p, o in asciiAdjust(Processor(p), Op(o), 0x106) }
    static let adjustAfterSubtract: Handler = { p, o in
        asciiAdjust(Processor(p), Op(o), 0 &- 0x106)
    }

    private static func asciiAdjust(_ cpu: Processor, _ op: Op, _ delta: UInt16) -> UInt {
        var ax = cpu.get(Register.rax, UInt16.self)
        let adjust = ax & 0xf > 9 || cpu.flags.adjust
        if adjust { ax = ax &+ delta }
        ax &= 0xff0f
        cpu.set(Register.rax, ax)
        let bits: UInt64 = adjust ? 0x11 : 0
        cpu.flags = Flags(bits: Flags(logical: UInt8(ax & 0xff)).bits | bits)
        return op.next
    }

    /// DAA, DAS.
    static let decimalAfterAdd: Handler = { p, o in decimalAdjust(Processor(p), Op(o), false) }
    static let decimalAfterSubtract: Handler = { p, o in
        decimalAdjust(Processor(p), Op(o), true)
    }

    private static func decimalAdjust(_ cpu: Processor, _ op: Op, _ subtract: Bool) -> UInt {
        let old = cpu.get(Register.rax, UInt8.self)
        let oldCarry = cpu.flags.carry
        var al = old
        var carry = false
        let adjust = old & 0xf > 9 || cpu.flags.adjust
        if adjust {
            let (value, overflow) =
                subtract ? al.subtractingReportingOverflow(6) : al.addingReportingOverflow(6)
            al = value
            carry = oldCarry || overflow
        }
        if old > 0x99 || oldCarry {
            al = subtract ? al &- 0x60 : al &+ 0x60
            carry = true
        } else if !subtract {
            carry = false
        }
        cpu.set(Register.rax, al)
        let bits: UInt64 = (carry ? 1 : 0) | (adjust ? 0x10 : 0)
        cpu.flags = Flags(bits: Flags(logical: al).bits | bits)
        return op.next
    }

    /// AAM by the immediate, AAD by the immediate.
    static let adjustAfterMultiply: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let base = UInt8(truncatingIfNeeded: op.immediate)
        guard base != 0 else { return cpu.raise(op, .divide) }
        let al = cpu.get(Register.rax, UInt8.self)
        cpu.set(Register.rax, UInt16(al / base) << 8 | UInt16(al % base))
        cpu.flags = Flags(logical: al % base)
        return op.next
    }
    static let adjustBeforeDivide: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let base = UInt8(truncatingIfNeeded: op.immediate)
        let al =
            cpu.get(Register.rax, UInt8.self)
            &+ cpu.get(Register.rax &+ 1, UInt8.self) &* base
        cpu.set(Register.rax, UInt16(al))
        cpu.flags = Flags(logical: al)
        return op.next
    }
    /// SALC: AL from CF.
    static let setFromCarry: Handler = { p, o in
        let cpu = Processor(p)
        cpu.set(Register.rax, UInt8(cpu.flags.carry ? 0xff : 0))
        return Op(o).next
    }
}
