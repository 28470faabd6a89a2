// SPDX-License-Identifier: Apache-2.0

/// BT, BTS, BTR, BTC, BSF, BSR, SHLD, SHRD, BSWAP, CMPXCHG, XADD. Tables by size 1 to 3 (CMPXCHG and
/// XADD by size 0 to 3).
enum BitHandlers {
    /// What the bit becomes: 0 BT, 1 BTS, 2 BTR, 3 BTC.
    @inline(__always)
    private static func changed<T: Word>(_ value: T, _ bit: T, _ kind: UInt16) -> T {
        switch kind {
        case 1: value | bit
        case 2: value & ~bit
        case 3: value ^ bit
        default: value
        }
    }

    /// Bit in a register, number from `reg` or the immediate (`reg` is then zero); `extra`: kind.
    @inline(__always)
    private static func test<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let number = cpu.get(op.reg, T.self) &+ T(truncatingIfNeeded: op.immediate)
        let value = cpu.get(op.rm, T.self)
        let bit: T = 1 &<< number
        cpu.flags = cpu.flags.settingCarry(value & bit != 0)
        if op.extra != 0 { cpu.set(op.rm, changed(value, bit, op.extra)) }
        return op.next
    }

    /// The operand's address `distance` bytes on; those that have an address step wrap at 4 GiB.
    /// Nil: an exception is pending.
    @inline(__always)
    private static func farther<T: Word>(
        _ cpu: Processor, _ op: Op, _ distance: UInt64, _: T.Type
    ) -> UInt64? {
        if op.extra >> 12 != 0 { return fartherInSegment(cpu, op, distance, T.byteCount) }
        guard op.base == Register.address else { return cpu.effectiveAddress(op) &+ distance }
        let offset = (cpu.get64(Register.address) &+ distance) & 0xffff_ffff
        return offset &+ cpu.get64(op.segment)
    }

    /// Outside 64-bit code: `extra` bits 12 to 14 hold the segment's number and one, bit 15 tells of
    /// 16-bit addresses.
    @inline(never)
    private static func fartherInSegment(
        _ cpu: Processor, _ op: Op, _ distance: UInt64, _ byteCount: Int
    ) -> UInt64? {
        let number = Int(op.extra >> 12 & 7) - 1
        let start = cpu.get64(Register.address) &- cpu.get64(Register.base(of: number))
        let mask: UInt64 = op.extra & 0x8000 != 0 ? 0xffff : 0xffff_ffff
        return cpu.legacyAddress(
            number, (start &+ distance) & mask, byteCount: byteCount, write: op.extra & 0xff != 0)
    }

    /// Bit in memory; a number from a register reaches beyond the operand. `extra` bit 8: LOCK.
    @inline(__always)
    private static func testMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let number = cpu.get(op.reg, T.self)
        let shift = Int64(T.bitWidth.trailingZeroBitCount)
        let distance = (number.extended &>> shift) &* Int64(T.byteCount)
        guard let address = farther(cpu, op, UInt64(bitPattern: distance), T.self) else {
            return cpu.fault(op)
        }
        let bit: T = 1 &<< (number &+ T(truncatingIfNeeded: op.immediate))
        let kind = op.extra & 0xff
        var was = false
        if kind == 0 {
            guard let value = cpu.load(address, T.self) else { return cpu.fault(op) }
            was = value & bit != 0
        } else {
            guard
                let old = cpu.replace(
                    address, T.self, locked: op.extra & 0x100 != 0, { changed($0, bit, kind) })
            else { return cpu.fault(op) }
            was = old & bit != 0
        }
        cpu.flags = cpu.flags.settingCarry(was)
        return op.next
    }

    /// BSF, BSR, TZCNT-less: the destination stays as it is when the source is zero (AMD).
    @inline(__always)
    private static func scan<T: Word>(_ cpu: Processor, _ op: Op, _ value: T, _ reverse: Bool)
        -> UInt
    {
        let index =
            reverse ? T.bitWidth - 1 &- value.leadingZeroBitCount : value.trailingZeroBitCount
        if value != 0 {
            cpu.set(op.reg, T(truncatingIfNeeded: index))
        }
        cpu.flags = Flags(logical: value == 0 ? T(0) : T(1))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func forward<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return scan(cpu, op, cpu.get(op.rm, T.self), false)
    }
    @inline(__always)
    private static func backward<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return scan(cpu, op, cpu.get(op.rm, T.self), true)
    }

    /// SHLD and SHRD of a value with `reg`; `extra` bit 0: right, bit 1: count is CL.
    @inline(__always)
    private static func doubled<T: Word>(
        _ cpu: Processor, _ op: Op, _ value: T, _ flags: inout Flags
    ) -> T {
        let raw =
            op.extra & 2 != 0
            ? cpu.get(Register.rcx, UInt8.self) : UInt8(truncatingIfNeeded: op.immediate)
        let count = Int(raw & (T.bitWidth == 64 ? 63 : 31))
        guard count != 0 else { return value }
        let filler = cpu.get(op.reg, T.self)
        // 16-bit counts above 16 are undefined; both operands then take part in turn.
        let n = T(truncatingIfNeeded: count % T.bitWidth)
        let back = T(truncatingIfNeeded: T.bitWidth) &- n
        let result: T
        let carry: Bool
        if op.extra & 1 != 0 {
            result = n == 0 ? filler : value &>> n | filler &<< back
            carry = n == 0 ? value.isNegative : value &>> (n &- 1) & 1 != 0
        } else {
            result = n == 0 ? filler : value &<< n | filler &>> back
            carry = n == 0 ? value & 1 != 0 : value &>> back & 1 != 0
        }
        flags = Flags(result: result, carry: carry, overflow: result.isNegative != value.isNegative)
        return result
    }
    @inline(__always)
    private static func double<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        cpu.set(op.rm, doubled(cpu, op, cpu.get(op.rm, T.self), &cpu.flags))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func doubleMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let before = cpu.flags
        var flags = before
        guard
            cpu.update(
                cpu.effectiveAddress(op), T.self,
                {
                    flags = before
                    return doubled(cpu, op, $0, &flags)
                })
        else { return cpu.fault(op) }
        cpu.flags = flags
        return op.next
    }

    @inline(__always)
    private static func swap<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        // BSWAP of a 16-bit register is undefined; zero is what processors give.
        cpu.set(op.rm, T.bitWidth == 16 ? 0 : cpu.get(op.rm, T.self).byteSwapped)
        return cpu.goOn(behind: op)
    }

    @inline(__always)
    private static func compareExchange<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let old = cpu.get(op.rm, T.self)
        let accumulator = cpu.get(Register.rax, T.self)
        _ = Compare.apply(accumulator, old, &cpu.flags)
        if old == accumulator {
            cpu.set(op.rm, cpu.get(op.reg, T.self))
        } else {
            cpu.set(Register.rax, old)
        }
        return op.next
    }
    /// Always writes, the old value if the comparison fails. `extra` bit 8: LOCK.
    @inline(__always)
    private static func compareExchangeMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let accumulator = cpu.get(Register.rax, T.self)
        let new = cpu.get(op.reg, T.self)
        guard
            let old = cpu.replace(
                cpu.effectiveAddress(op), T.self, locked: op.extra & 0x100 != 0,
                { $0 == accumulator ? new : $0 })
        else { return cpu.fault(op) }
        _ = Compare.apply(accumulator, old, &cpu.flags)
        if old != accumulator { cpu.set(Register.rax, old) }
        return op.next
    }

    @inline(__always)
    private static func exchangeAdd<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let old = cpu.get(op.rm, T.self)
        let sum = Add.apply(old, cpu.get(op.reg, T.self), &cpu.flags)
        cpu.set(op.reg, old)
        cpu.set(op.rm, sum)
        return op.next
    }
    @inline(__always)
    private static func exchangeAddMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let addend = cpu.get(op.reg, T.self)
        guard
            let old = cpu.replace(
                cpu.effectiveAddress(op), T.self, locked: op.extra & 0x100 != 0, { $0 &+ addend })
        else { return cpu.fault(op) }
        _ = Add.apply(old, addend, &cpu.flags)
        cpu.set(op.reg, old)
        return op.next
    }

    static let testTable: [Handler] = [
        { test($0, $1, UInt16.self) },
        { test($0, $1, UInt32.self) },
        { test($0, $1, UInt64.self) },
    ]
    static let testMemoryTable: [Handler] = [
        { testMemory($0, $1, UInt16.self) },
        { testMemory($0, $1, UInt32.self) },
        { testMemory($0, $1, UInt64.self) },
    ]
    static let scanForwardTable: [Handler] = [
        { forward($0, $1, UInt16.self) },
        { forward($0, $1, UInt32.self) },
        { forward($0, $1, UInt64.self) },
    ]
    static let scanBackwardTable: [Handler] = [
        { backward($0, $1, UInt16.self) },
        { backward($0, $1, UInt32.self) },
        { backward($0, $1, UInt64.self) },
    ]
    static let doubleShiftTable: [Handler] = [
        { double($0, $1, UInt16.self) },
        { double($0, $1, UInt32.self) },
        { double($0, $1, UInt64.self) },
    ]
    static let doubleShiftMemoryTable: [Handler] = [
        { doubleMemory($0, $1, UInt16.self) },
        { doubleMemory($0, $1, UInt32.self) },
        { doubleMemory($0, $1, UInt64.self) },
    ]
    static let byteSwapTable: [Handler] = [
        { swap($0, $1, UInt16.self) },
        { swap($0, $1, UInt32.self) },
        { swap($0, $1, UInt64.self) },
    ]
    static let compareExchangeTable: [Handler] = [
        { compareExchange($0, $1, UInt8.self) },
        { compareExchange($0, $1, UInt16.self) },
        { compareExchange($0, $1, UInt32.self) },
        { compareExchange($0, $1, UInt64.self) },
    ]
    static let compareExchangeMemoryTable: [Handler] = [
        { compareExchangeMemory($0, $1, UInt8.self) },
        { compareExchangeMemory($0, $1, UInt16.self) },
        { compareExchangeMemory($0, $1, UInt32.self) },
        { compareExchangeMemory($0, $1, UInt64.self) },
    ]
    static let exchangeAddTable: [Handler] = [
        { exchangeAdd($0, $1, UInt8.self) },
        { exchangeAdd($0, $1, UInt16.self) },
        { exchangeAdd($0, $1, UInt32.self) },
        { exchangeAdd($0, $1, UInt64.self) },
    ]
    static let exchangeAddMemoryTable: [Handler] = [
        { exchangeAddMemory($0, $1, UInt8.self) },
        { exchangeAddMemory($0, $1, UInt16.self) },
        { exchangeAddMemory($0, $1, UInt32.self) },
        { exchangeAddMemory($0, $1, UInt64.self) },
    ]

    /// CMPXCHG8B and CMPXCHG16B (`extra` bit 0), LOCK or not.
    static let compareExchangeWide: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let address = cpu.effectiveAddress(op)
        return op.extra & 1 != 0 ? exchange16(cpu, op, address) : exchange8(cpu, op, address)
    }
    private static func exchange8(_ cpu: Processor, _ op: Op, _ address: UInt64) -> UInt {
        let expected = cpu.rdx << 32 | cpu.rax & 0xffff_ffff
        let new = cpu.get64(Register.rcx) << 32 | cpu.get64(Register.rbx) & 0xffff_ffff
        var old: UInt64 = 0
        guard
            cpu.updateLocked(
                address, UInt64.self,
                {
                    old = $0
                    return $0 == expected ? new : $0
                })
        else { return cpu.fault(op) }
        if old != expected {
            cpu.set(Register.rax, UInt32(truncatingIfNeeded: old))
            cpu.set(Register.rdx, UInt32(truncatingIfNeeded: old >> 32))
        }
        cpu.setZero(old == expected)
        return op.next
    }
    private static func exchange16(_ cpu: Processor, _ op: Op, _ address: UInt64) -> UInt {
        guard address & 15 == 0 else { return cpu.raise(op, .generalProtection) }
        var found = SIMD2(cpu.rax, cpu.rdx)
        guard
            let equal = cpu.compareExchange16(
                address, &found,
                SIMD2(cpu.get64(Register.rbx), cpu.get64(Register.rcx)))
        else { return cpu.fault(op) }
        if !equal {
            cpu.rax = found[0]
            cpu.rdx = found[1]
        }
        cpu.setZero(equal)
        return op.next
    }
}

extension Processor {
    /// Changes ZF alone.
    func setZero(_ zero: Bool) {
        flags = Flags(bits: flags.bits & ~0x40 | (zero ? 0x40 : 0))
    }
}
