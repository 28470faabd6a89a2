// SPDX-License-Identifier: Apache-2.0
import Linux

/// BMI1, BMI2, ADX, LZCNT, MOVBE and RDRAND. Intel SDM 2.
///
/// `reg` is ModRM.reg, `rm` the source, bits 8 and up of `extra` the register that VEX.vvvv names.
enum BitManipulation {
    /// Bits 0 to 7 of `extra`.
    enum Kind: UInt16 {
        case andNot, resetLowest, maskLowest, isolateLowest, zeroHigh, gather, scatter, multiply
        case extract, shiftLeft, shiftRight, shiftRightSigned, rotate
        case countTrailing, countLeading, addCarry, addOverflow
    }

    /// By size 1 to 3.
    static let handlers: [Handler] = [
        { run($0, $1, UInt16.self) }, { run($0, $1, UInt32.self) }, { run($0, $1, UInt64.self) },
    ]

    private static func run<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let source = cpu.get(op.rm, T.self)
        let register = UInt8(truncatingIfNeeded: op.extra >> 8)
        let other = cpu.get(register, T.self)
        switch Kind(rawValue: op.extra & 0xff) ?? .andNot {
        case .andNot:
            finish(cpu, op.reg, ~other & source, carry: false)
        case .resetLowest:
            finish(cpu, register, source & (source &- 1), carry: source == 0)
        case .maskLowest:
            finish(cpu, register, source ^ (source &- 1), carry: source == 0)
        case .isolateLowest:
            finish(cpu, register, source & (0 &- source), carry: source != 0)
        case .zeroHigh: zeroHigh(cpu, op.reg, source, other)
        case .gather: cpu.set(op.reg, gather(other, source))
        case .scatter: cpu.set(op.reg, scatter(other, source))
        case .multiply: multiply(cpu, op.reg, register, source)
        case .extract: extract(cpu, op.reg, source, other)
        case .shiftLeft: cpu.set(op.reg, source &<< other)
        case .shiftRight: cpu.set(op.reg, source &>> other)
        case .shiftRightSigned:
            cpu.set(op.reg, T(bitPattern: source.signed &>> other.signed))
        case .rotate:
            let count = T(truncatingIfNeeded: op.immediate)
            cpu.set(op.reg, source &>> count | source &<< (0 &- count))
        case .countTrailing: count(cpu, op.reg, source, source.trailingZeroBitCount)
        case .countLeading: count(cpu, op.reg, source, source.leadingZeroBitCount)
        case .addCarry: addCarry(cpu, op.reg, source)
        case .addOverflow: addOverflow(cpu, op.reg, source)
        }
        return op.next
    }

    /// SF and ZF by the result, OF clear.
    private static func finish<T: Word>(
        _ cpu: Processor, _ target: UInt8, _ result: T, carry: Bool
    ) {
        cpu.set(target, result)
        cpu.flags = Flags(result: result, carry: carry, overflow: false)
    }

    private static func zeroHigh<T: Word>(
        _ cpu: Processor, _ target: UInt8, _ source: T, _ index: T
    ) {
        let count = Int(UInt8(truncatingIfNeeded: index))
        let result = count < T.bitWidth ? source & (T(1) &<< T(count) &- 1) : source
        finish(cpu, target, result, carry: count >= T.bitWidth)
    }

    private static func extract<T: Word>(
        _ cpu: Processor, _ target: UInt8, _ source: T, _ control: T
    ) {
        let start = Int(UInt8(truncatingIfNeeded: control))
        let count = Int(UInt8(truncatingIfNeeded: control >> 8))
        var result: T = start < T.bitWidth ? source >> T(start) : 0
        if count < T.bitWidth { result &= T(1) &<< T(count) &- 1 }
        finish(cpu, target, result, carry: false)
    }

    /// PEXT: the bits of `value` that `mask` names, side by side.
    private static func gather<T: Word>(_ value: T, _ mask: T) -> T {
        var result: T = 0
        var left = mask
        var place: T = 0
        while left != 0 {
            if value & left & (0 &- left) != 0 { result |= 1 &<< place }
            place &+= 1
            left &= left &- 1
        }
        return result
    }

    /// PDEP: the low bits of `value` at the places that `mask` names.
    private static func scatter<T: Word>(_ value: T, _ mask: T) -> T {
        var result: T = 0
        var left = mask
        var rest = value
        while left != 0 {
            if rest & 1 != 0 { result |= left & (0 &- left) }
            rest >>= 1
            left &= left &- 1
        }
        return result
    }

    /// MULX: RDX times the source; if both halves have one target, the high one stays.
    private static func multiply<T: Word>(
        _ cpu: Processor, _ high: UInt8, _ low: UInt8, _ source: T
    ) {
        let product = cpu.get(Register.rdx, T.self).multipliedFullWidth(by: source)
        cpu.set(low, T(truncatingIfNeeded: product.low))
        cpu.set(high, product.high)
    }

    /// TZCNT and LZCNT: CF for a source of zero, ZF for a count of zero.
    private static func count<T: Word>(_ cpu: Processor, _ target: UInt8, _ source: T, _ count: Int)
    {
        let result = T(truncatingIfNeeded: count)
        finish(cpu, target, result, carry: source == 0)
    }

    private static func addCarry<T: Word>(_ cpu: Processor, _ target: UInt8, _ source: T) {
        let (sum, carry) = add(cpu.get(target, T.self), source, cpu.flags.carry)
        cpu.set(target, sum)
        cpu.flags = cpu.flags.settingCarry(carry)
    }

    private static func addOverflow<T: Word>(_ cpu: Processor, _ target: UInt8, _ source: T) {
        let (sum, carry) = add(cpu.get(target, T.self), source, cpu.flags.overflow)
        cpu.set(target, sum)
        cpu.flags = Flags(bits: cpu.flags.bits & ~0x800 | (carry ? 0x800 : 0))
    }

    private static func add<T: Word>(_ left: T, _ right: T, _ carry: Bool) -> (T, Bool) {
        let (first, one) = left.addingReportingOverflow(right)
        let (sum, two) = first.addingReportingOverflow(carry ? 1 : 0)
        return (sum, one || two)
    }

    // MARK: MOVBE

    /// `extra` is the operand size, 1 to 3.
    static let loadSwapped: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let size = Int(op.extra)
        guard let value = cpu.programLoad(cpu.effectiveAddress(op), size: size) else {
            return cpu.fault(op)
        }
        cpu.setSized(op.reg, swapped(value, size), size: size)
        return op.next
    }
    static let storeSwapped: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let size = Int(op.extra)
        let value = swapped(cpu.get64(op.reg), size)
        return cpu.programStore(cpu.effectiveAddress(op), size: size, value)
            ? op.next : cpu.fault(op)
    }
    private static func swapped(_ value: UInt64, _ size: Int) -> UInt64 {
        value.byteSwapped >> (64 - (UInt64(8) << UInt64(size)))
    }

    // MARK: Random numbers

    /// RDRAND and RDSEED: `extra` is the size. CF tells that there was one.
    static let random: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let value = UInt64.random(in: .min ... .max)
        cpu.setSized(op.reg, value, size: Int(op.extra))
        cpu.flags = Flags(bits: 1)
        return op.next
    }
}
