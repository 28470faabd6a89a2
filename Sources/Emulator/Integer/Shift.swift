// SPDX-License-Identifier: Apache-2.0

/// Shifts and rotates: value and count in, value out, flags as they become. The count is masked and
/// not zero.
protocol ShiftOperation {
    static func apply<T: Word>(_ value: T, _ count: Int, _ flags: inout Flags) -> T
}

enum ShiftLeft: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        let width = T.bitWidth
        let result = n < width ? v &<< T(truncatingIfNeeded: n) : 0
        let carry = n <= width && (v &>> T(truncatingIfNeeded: width &- n)) & 1 != 0
        let lastOut = n == width ? v & 1 != 0 : n < width && carry
        flags = Flags(result: result, carry: lastOut, overflow: result.isNegative != lastOut)
        return result
    }
}

enum ShiftRight: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        let width = T.bitWidth
        let result = n < width ? v &>> T(truncatingIfNeeded: n) : 0
        let carry = n <= width && (v &>> T(truncatingIfNeeded: n &- 1)) & 1 != 0
        flags = Flags(result: result, carry: carry, overflow: v.isNegative)
        return result
    }
}

enum ShiftArithmetic: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        let count = min(n, T.bitWidth - 1)
        let result = T(bitPattern: v.signed &>> T.Signed(truncatingIfNeeded: count))
        let before = v.signed &>> T.Signed(truncatingIfNeeded: min(n &- 1, T.bitWidth - 1))
        flags = Flags(result: result, carry: before & 1 != 0, overflow: false)
        return result
    }
}

enum RotateLeft: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        let count = T(truncatingIfNeeded: n & (T.bitWidth - 1))
        let back = T(truncatingIfNeeded: T.bitWidth) &- count
        let result = v &<< count | (count == 0 ? 0 : v &>> back)
        let carry = result & 1 != 0
        flags = flags.rotated(carry: carry, overflow: result.isNegative != carry)
        return result
    }
}

enum RotateRight: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        let count = T(truncatingIfNeeded: n & (T.bitWidth - 1))
        let back = T(truncatingIfNeeded: T.bitWidth) &- count
        let result = v &>> count | (count == 0 ? 0 : v &<< back)
        let carry = result.isNegative
        flags = flags.rotated(carry: carry, overflow: carry != (result &<< 1).isNegative)
        return result
    }
}

enum RotateLeftCarry: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        var result = v
        var carry = flags.carry
        for _ in 0..<(n % (T.bitWidth + 1)) {
            let out = result.isNegative
            result = result &<< 1 | (carry ? 1 : 0)
            carry = out
        }
        flags = flags.rotated(carry: carry, overflow: result.isNegative != carry)
        return result
    }
}

enum RotateRightCarry: ShiftOperation {
    @inline(__always) static func apply<T: Word>(_ v: T, _ n: Int, _ flags: inout Flags) -> T {
        var result = v
        var carry = flags.carry
        for _ in 0..<(n % (T.bitWidth + 1)) {
            let out = result & 1 != 0
            result = result &>> 1 | (carry ? 1 &<< T(truncatingIfNeeded: T.bitWidth - 1) : 0)
            carry = out
        }
        flags = flags.rotated(
            carry: carry, overflow: result.isNegative != (result &<< 1).isNegative)
        return result
    }
}

extension Flags {
    /// Rotates change only CF and OF.
    @inline(__always) func rotated(carry: Bool, overflow: Bool) -> Flags {
        var flags = self
        let cf: UInt64 = carry ? 1 : 0
        let of: UInt64 = overflow ? 1 : 0
        flags.carries = (carries & ~0xc000_0000_0000_0000) | cf << 63 | (cf ^ of) << 62
        return flags
    }
}

@inline(__always)
private func masked<T: Word>(_ count: UInt8, _: T.Type) -> Int {
    Int(count & (T.bitWidth == 64 ? 63 : 31))
}

@inline(__always)
private func shiftRegister<K: ShiftOperation, T: Word>(
    _ cpu: Processor, _ op: Op, _ count: Int, _: K.Type, _: T.Type
) -> UInt {
    // A count of zero changes nothing but still clears the upper half of a 32-bit register.
    let value = cpu.get(op.rm, T.self)
    cpu.set(op.rm, count == 0 ? value : K.apply(value, count, &cpu.flags))
    return cpu.goOn(behind: op)
}

@inline(__always)
private func shiftMemory<K: ShiftOperation, T: Word>(
    _ cpu: Processor, _ op: Op, _ count: Int, _: K.Type, _: T.Type
) -> UInt {
    let before = cpu.flags
    var flags = before
    guard
        cpu.update(
            cpu.effectiveAddress(op), T.self,
            { value in
                guard count != 0 else { return value }
                flags = before
                return K.apply(value, count, &flags)
            })
    else { return cpu.fault(op) }
    cpu.flags = flags
    return cpu.goOn(behind: op)
}

@inline(__always)
private func registerImmediate<K: ShiftOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _ type: T.Type
) -> UInt {
    let op = Op(o)
    let count = masked(UInt8(truncatingIfNeeded: op.immediate), type)
    return shiftRegister(Processor(p), op, count, kind, type)
}

@inline(__always)
private func registerCL<K: ShiftOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _ type: T.Type
) -> UInt {
    let cpu = Processor(p)
    return shiftRegister(cpu, Op(o), masked(cpu.get(Register.rcx, UInt8.self), type), kind, type)
}

@inline(__always)
private func memoryImmediate<K: ShiftOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _ type: T.Type
) -> UInt {
    let op = Op(o)
    let count = masked(UInt8(truncatingIfNeeded: op.immediate), type)
    return shiftMemory(Processor(p), op, count, kind, type)
}

@inline(__always)
private func memoryCL<K: ShiftOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _ type: T.Type
) -> UInt {
    let cpu = Processor(p)
    return shiftMemory(cpu, Op(o), masked(cpu.get(Register.rcx, UInt8.self), type), kind, type)
}

/// Handlers of groups 2 (C0, C1, D0–D3), in the order of ModRM.reg.
enum ShiftTable {
    /// `operation`: 0 ROL, 1 ROR, 2 RCL, 3 RCR, 4 SHL, 5 SHR, 6 SAL, 7 SAR.
    static func handler(_ operation: Int, memory: Bool, byCL: Bool, size: Int) -> Handler {
        let row = operation &* 4 &+ size
        if memory { return byCL ? memoryCLs[row] : memoryImmediates[row] }
        return byCL ? registerCLs[row] : registerImmediates[row]
    }

    private static let registerImmediates: [Handler] = [
        { registerImmediate($0, $1, RotateLeft.self, UInt8.self) },
        { registerImmediate($0, $1, RotateLeft.self, UInt16.self) },
        { registerImmediate($0, $1, RotateLeft.self, UInt32.self) },
        { registerImmediate($0, $1, RotateLeft.self, UInt64.self) },
        { registerImmediate($0, $1, RotateRight.self, UInt8.self) },
        { registerImmediate($0, $1, RotateRight.self, UInt16.self) },
        { registerImmediate($0, $1, RotateRight.self, UInt32.self) },
        { registerImmediate($0, $1, RotateRight.self, UInt64.self) },
        { registerImmediate($0, $1, RotateLeftCarry.self, UInt8.self) },
        { registerImmediate($0, $1, RotateLeftCarry.self, UInt16.self) },
        { registerImmediate($0, $1, RotateLeftCarry.self, UInt32.self) },
        { registerImmediate($0, $1, RotateLeftCarry.self, UInt64.self) },
        { registerImmediate($0, $1, RotateRightCarry.self, UInt8.self) },
        { registerImmediate($0, $1, RotateRightCarry.self, UInt16.self) },
        { registerImmediate($0, $1, RotateRightCarry.self, UInt32.self) },
        { registerImmediate($0, $1, RotateRightCarry.self, UInt64.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt8.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt16.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt32.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt64.self) },
        { registerImmediate($0, $1, ShiftRight.self, UInt8.self) },
        { registerImmediate($0, $1, ShiftRight.self, UInt16.self) },
        { registerImmediate($0, $1, ShiftRight.self, UInt32.self) },
        { registerImmediate($0, $1, ShiftRight.self, UInt64.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt8.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt16.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt32.self) },
        { registerImmediate($0, $1, ShiftLeft.self, UInt64.self) },
        { registerImmediate($0, $1, ShiftArithmetic.self, UInt8.self) },
        { registerImmediate($0, $1, ShiftArithmetic.self, UInt16.self) },
        { registerImmediate($0, $1, ShiftArithmetic.self, UInt32.self) },
        { registerImmediate($0, $1, ShiftArithmetic.self, UInt64.self) },
    ]

    private static let registerCLs: [Handler] = [
        { registerCL($0, $1, RotateLeft.self, UInt8.self) },
        { registerCL($0, $1, RotateLeft.self, UInt16.self) },
        { registerCL($0, $1, RotateLeft.self, UInt32.self) },
        { registerCL($0, $1, RotateLeft.self, UInt64.self) },
        { registerCL($0, $1, RotateRight.self, UInt8.self) },
        { registerCL($0, $1, RotateRight.self, UInt16.self) },
        { registerCL($0, $1, RotateRight.self, UInt32.self) },
        { registerCL($0, $1, RotateRight.self, UInt64.self) },
        { registerCL($0, $1, RotateLeftCarry.self, UInt8.self) },
        { registerCL($0, $1, RotateLeftCarry.self, UInt16.self) },
        { registerCL($0, $1, RotateLeftCarry.self, UInt32.self) },
        { registerCL($0, $1, RotateLeftCarry.self, UInt64.self) },
        { registerCL($0, $1, RotateRightCarry.self, UInt8.self) },
        { registerCL($0, $1, RotateRightCarry.self, UInt16.self) },
        { registerCL($0, $1, RotateRightCarry.self, UInt32.self) },
        { registerCL($0, $1, RotateRightCarry.self, UInt64.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt8.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt16.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt32.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt64.self) },
        { registerCL($0, $1, ShiftRight.self, UInt8.self) },
        { registerCL($0, $1, ShiftRight.self, UInt16.self) },
        { registerCL($0, $1, ShiftRight.self, UInt32.self) },
        { registerCL($0, $1, ShiftRight.self, UInt64.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt8.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt16.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt32.self) },
        { registerCL($0, $1, ShiftLeft.self, UInt64.self) },
        { registerCL($0, $1, ShiftArithmetic.self, UInt8.self) },
        { registerCL($0, $1, ShiftArithmetic.self, UInt16.self) },
        { registerCL($0, $1, ShiftArithmetic.self, UInt32.self) },
        { registerCL($0, $1, ShiftArithmetic.self, UInt64.self) },
    ]

    private static let memoryImmediates: [Handler] = [
        { memoryImmediate($0, $1, RotateLeft.self, UInt8.self) },
        { memoryImmediate($0, $1, RotateLeft.self, UInt16.self) },
        { memoryImmediate($0, $1, RotateLeft.self, UInt32.self) },
        { memoryImmediate($0, $1, RotateLeft.self, UInt64.self) },
        { memoryImmediate($0, $1, RotateRight.self, UInt8.self) },
        { memoryImmediate($0, $1, RotateRight.self, UInt16.self) },
        { memoryImmediate($0, $1, RotateRight.self, UInt32.self) },
        { memoryImmediate($0, $1, RotateRight.self, UInt64.self) },
        { memoryImmediate($0, $1, RotateLeftCarry.self, UInt8.self) },
        { memoryImmediate($0, $1, RotateLeftCarry.self, UInt16.self) },
        { memoryImmediate($0, $1, RotateLeftCarry.self, UInt32.self) },
        { memoryImmediate($0, $1, RotateLeftCarry.self, UInt64.self) },
        { memoryImmediate($0, $1, RotateRightCarry.self, UInt8.self) },
        { memoryImmediate($0, $1, RotateRightCarry.self, UInt16.self) },
        { memoryImmediate($0, $1, RotateRightCarry.self, UInt32.self) },
        { memoryImmediate($0, $1, RotateRightCarry.self, UInt64.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt8.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt16.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt32.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt64.self) },
        { memoryImmediate($0, $1, ShiftRight.self, UInt8.self) },
        { memoryImmediate($0, $1, ShiftRight.self, UInt16.self) },
        { memoryImmediate($0, $1, ShiftRight.self, UInt32.self) },
        { memoryImmediate($0, $1, ShiftRight.self, UInt64.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt8.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt16.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt32.self) },
        { memoryImmediate($0, $1, ShiftLeft.self, UInt64.self) },
        { memoryImmediate($0, $1, ShiftArithmetic.self, UInt8.self) },
        { memoryImmediate($0, $1, ShiftArithmetic.self, UInt16.self) },
        { memoryImmediate($0, $1, ShiftArithmetic.self, UInt32.self) },
        { memoryImmediate($0, $1, ShiftArithmetic.self, UInt64.self) },
    ]

    private static let memoryCLs: [Handler] = [
        { memoryCL($0, $1, RotateLeft.self, UInt8.self) },
        { memoryCL($0, $1, RotateLeft.self, UInt16.self) },
        { memoryCL($0, $1, RotateLeft.self, UInt32.self) },
        { memoryCL($0, $1, RotateLeft.self, UInt64.self) },
        { memoryCL($0, $1, RotateRight.self, UInt8.self) },
        { memoryCL($0, $1, RotateRight.self, UInt16.self) },
        { memoryCL($0, $1, RotateRight.self, UInt32.self) },
        { memoryCL($0, $1, RotateRight.self, UInt64.self) },
        { memoryCL($0, $1, RotateLeftCarry.self, UInt8.self) },
        { memoryCL($0, $1, RotateLeftCarry.self, UInt16.self) },
        { memoryCL($0, $1, RotateLeftCarry.self, UInt32.self) },
        { memoryCL($0, $1, RotateLeftCarry.self, UInt64.self) },
        { memoryCL($0, $1, RotateRightCarry.self, UInt8.self) },
        { memoryCL($0, $1, RotateRightCarry.self, UInt16.self) },
        { memoryCL($0, $1, RotateRightCarry.self, UInt32.self) },
        { memoryCL($0, $1, RotateRightCarry.self, UInt64.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt8.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt16.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt32.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt64.self) },
        { memoryCL($0, $1, ShiftRight.self, UInt8.self) },
        { memoryCL($0, $1, ShiftRight.self, UInt16.self) },
        { memoryCL($0, $1, ShiftRight.self, UInt32.self) },
        { memoryCL($0, $1, ShiftRight.self, UInt64.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt8.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt16.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt32.self) },
        { memoryCL($0, $1, ShiftLeft.self, UInt64.self) },
        { memoryCL($0, $1, ShiftArithmetic.self, UInt8.self) },
        { memoryCL($0, $1, ShiftArithmetic.self, UInt16.self) },
        { memoryCL($0, $1, ShiftArithmetic.self, UInt32.self) },
        { memoryCL($0, $1, ShiftArithmetic.self, UInt64.self) },
    ]
}
