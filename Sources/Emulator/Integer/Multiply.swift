// SPDX-License-Identifier: Apache-2.0

/// MUL, IMUL, DIV, IDIV. The source is a register (`rm`) or memory.
enum MultiplyHandlers {
    @inline(__always)
    private static func source<T: Word>(_ cpu: Processor, _ op: Op, _ memory: Bool, _: T.Type) -> T?
    {
        memory ? cpu.load(cpu.effectiveAddress(op), T.self) : cpu.get(op.rm, T.self)
    }

    /// Leaves a double-width product in AX, DX:AX, EDX:EAX or RDX:RAX.
    @inline(__always)
    private static func setWide<T: Word>(_ cpu: Processor, high: T, low: T) {
        if T.bitWidth == 8 {
            let wide = UInt16(truncatingIfNeeded: high) << 8 | UInt16(truncatingIfNeeded: low)
            cpu.set(Register.rax, wide)
        } else {
            cpu.set(Register.rax, low)
            cpu.set(Register.rdx, high)
        }
    }

    @inline(__always)
    private static func multiply<T: Word>(
        _ p: UInt, _ o: UInt, _ memory: Bool, _: T.Type
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let factor = source(cpu, op, memory, T.self) else { return cpu.fault(op) }
        let product = cpu.get(Register.rax, T.self).multipliedFullWidth(by: factor)
        let low = T(truncatingIfNeeded: product.low)
        setWide(cpu, high: product.high, low: low)
        cpu.flags = Flags(result: low, carry: product.high != 0, overflow: product.high != 0)
        return cpu.goOn(behind: op)
    }

    @inline(__always)
    private static func multiplySigned<T: Word>(
        _ p: UInt, _ o: UInt, _ memory: Bool, _: T.Type
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let factor = source(cpu, op, memory, T.self) else { return cpu.fault(op) }
        let product = cpu.get(Register.rax, T.self).signed.multipliedFullWidth(by: factor.signed)
        let low = T(truncatingIfNeeded: product.low)
        let high = T(bitPattern: product.high)
        setWide(cpu, high: high, low: low)
        let lost = high != (low.isNegative ? T.max : 0)
        cpu.flags = Flags(result: low, carry: lost, overflow: lost)
        return cpu.goOn(behind: op)
    }

    /// IMUL with two or three operands: `reg` = source × (`reg` or the immediate).
    @inline(__always)
    private static func multiplyTo<T: Word>(
        _ p: UInt, _ o: UInt, _ memory: Bool, _ byImmediate: Bool, _: T.Type
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let factor = source(cpu, op, memory, T.self) else { return cpu.fault(op) }
        let other =
            byImmediate ? T(truncatingIfNeeded: op.immediate) : cpu.get(op.reg, T.self)
        let (product, lost) = factor.signed.multipliedReportingOverflow(by: other.signed)
        cpu.set(op.reg, T(bitPattern: product))
        cpu.flags = Flags(result: T(bitPattern: product), carry: lost, overflow: lost)
        return cpu.goOn(behind: op)
    }

    @inline(__always)
    private static func divide<T: Word>(_ p: UInt, _ o: UInt, _ memory: Bool, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let divisor = source(cpu, op, memory, T.self) else { return cpu.fault(op) }
        let low: T
        let high: T
        if T.bitWidth == 8 {
            low = cpu.get(Register.rax, T.self)
            high = cpu.get(Register.rax &+ 1, T.self)
        } else {
            low = cpu.get(Register.rax, T.self)
            high = cpu.get(Register.rdx, T.self)
        }
        guard divisor > high else { return cpu.raise(op, .divide) }
        let result: (quotient: T, remainder: T)
        if high == 0 {
            result = (low / divisor, low % divisor)
        } else {
            result = divisor.dividingFullWidth((high, T.Magnitude(truncatingIfNeeded: low)))
        }
        setQuotient(cpu, result.quotient, result.remainder)
        return op.next
    }

    @inline(__always)
    private static func setQuotient<T: Word>(_ cpu: Processor, _ quotient: T, _ remainder: T) {
        if T.bitWidth == 8 {
            cpu.set(Register.rax, quotient)
            cpu.set(Register.rax &+ 1, remainder)
        } else {
            cpu.set(Register.rax, quotient)
            cpu.set(Register.rdx, remainder)
        }
    }

    @inline(__always)
    private static func divideSigned<T: Word>(
        _ p: UInt, _ o: UInt, _ memory: Bool, _: T.Type
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let raw = source(cpu, op, memory, T.self) else { return cpu.fault(op) }
        guard raw != 0 else { return cpu.raise(op, .divide) }
        var low = cpu.get(Register.rax, T.self)
        var high = cpu.get(T.bitWidth == 8 ? Register.rax &+ 1 : Register.rdx, T.self)
        let negative = high.isNegative
        if negative {
            // The magnitude of the dividend, by two's complement over both halves.
            low = 0 &- low
            high = ~high &+ (low == 0 ? 1 : 0)
        }
        let divisor = raw.isNegative ? 0 &- raw : raw
        guard divisor > high else { return cpu.raise(op, .divide) }
        let (q, r) = divisor.dividingFullWidth((high, T.Magnitude(truncatingIfNeeded: low)))
        let quotientNegative = negative != raw.isNegative
        let most: T = quotientNegative ? 1 &<< T(truncatingIfNeeded: T.bitWidth - 1) : .max >> 1
        guard q <= most else { return cpu.raise(op, .divide) }
        setQuotient(cpu, quotientNegative ? 0 &- q : q, negative ? 0 &- r : r)
        return op.next
    }

    /// `kind`: 0 MUL, 1 IMUL, 2 DIV, 3 IDIV.
    static func handler(_ kind: Int, memory: Bool, size: Int) -> Handler {
        wide[(kind &* 2 &+ (memory ? 1 : 0)) &* 4 &+ size]
    }

    /// IMUL to `reg`; `size` 1 to 3.
    static func handlerTo(memory: Bool, byImmediate: Bool, size: Int) -> Handler {
        to[((memory ? 2 : 0) &+ (byImmediate ? 1 : 0)) &* 3 &+ size &- 1]
    }

    private static let wide: [Handler] = [
        { multiply($0, $1, false, UInt8.self) }, { multiply($0, $1, false, UInt16.self) },
        { multiply($0, $1, false, UInt32.self) }, { multiply($0, $1, false, UInt64.self) },
        { multiply($0, $1, true, UInt8.self) }, { multiply($0, $1, true, UInt16.self) },
        { multiply($0, $1, true, UInt32.self) }, { multiply($0, $1, true, UInt64.self) },
        { multiplySigned($0, $1, false, UInt8.self) },
        { multiplySigned($0, $1, false, UInt16.self) },
        { multiplySigned($0, $1, false, UInt32.self) },
        { multiplySigned($0, $1, false, UInt64.self) },
        { multiplySigned($0, $1, true, UInt8.self) },
        { multiplySigned($0, $1, true, UInt16.self) },
        { multiplySigned($0, $1, true, UInt32.self) },
        { multiplySigned($0, $1, true, UInt64.self) },
        { divide($0, $1, false, UInt8.self) }, { divide($0, $1, false, UInt16.self) },
        { divide($0, $1, false, UInt32.self) }, { divide($0, $1, false, UInt64.self) },
        { divide($0, $1, true, UInt8.self) }, { divide($0, $1, true, UInt16.self) },
        { divide($0, $1, true, UInt32.self) }, { divide($0, $1, true, UInt64.self) },
        { divideSigned($0, $1, false, UInt8.self) },
        { divideSigned($0, $1, false, UInt16.self) },
        { divideSigned($0, $1, false, UInt32.self) },
        { divideSigned($0, $1, false, UInt64.self) },
        { divideSigned($0, $1, true, UInt8.self) },
        { divideSigned($0, $1, true, UInt16.self) },
        { divideSigned($0, $1, true, UInt32.self) },
        { divideSigned($0, $1, true, UInt64.self) },
    ]

    private static let to: [Handler] = [
        { multiplyTo($0, $1, false, false, UInt16.self) },
        { multiplyTo($0, $1, false, false, UInt32.self) },
        { multiplyTo($0, $1, false, false, UInt64.self) },
        { multiplyTo($0, $1, false, true, UInt16.self) },
        { multiplyTo($0, $1, false, true, UInt32.self) },
        { multiplyTo($0, $1, false, true, UInt64.self) },
        { multiplyTo($0, $1, true, false, UInt16.self) },
        { multiplyTo($0, $1, true, false, UInt32.self) },
        { multiplyTo($0, $1, true, false, UInt64.self) },
        { multiplyTo($0, $1, true, true, UInt16.self) },
        { multiplyTo($0, $1, true, true, UInt32.self) },
        { multiplyTo($0, $1, true, true, UInt64.self) },
    ]
}
