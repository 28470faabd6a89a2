// SPDX-License-Identifier: Apache-2.0

/// INC, DEC, NOT, NEG: one operand, in a register (`rm`) or memory.
protocol UnaryOperation {
    static func apply<T: Word>(_ value: T, _ flags: inout Flags) -> T
}
enum Increment: UnaryOperation {
    @inline(__always) static func apply<T: Word>(_ value: T, _ flags: inout Flags) -> T {
        let carry = flags.carry
        let result = Add.apply(value, 1, &flags)
        flags = flags.settingCarry(carry)
        return result
    }
}
enum Decrement: UnaryOperation {
    @inline(__always) static func apply<T: Word>(_ value: T, _ flags: inout Flags) -> T {
        let carry = flags.carry
        let result = Subtract.apply(value, 1, &flags)
        flags = flags.settingCarry(carry)
        return result
    }
}
enum Complement: UnaryOperation {
    @inline(__always) static func apply<T: Word>(_ value: T, _ flags: inout Flags) -> T { ~value }
}
enum Negate: UnaryOperation {
    @inline(__always) static func apply<T: Word>(_ value: T, _ flags: inout Flags) -> T {
        Subtract.apply(0, value, &flags)
    }
}

@inline(__always)
private func unary<K: UnaryOperation, T: Word>(_ p: UInt, _ o: UInt, _: K.Type, _: T.Type) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    cpu.set(op.rm, K.apply(cpu.get(op.rm, T.self), &cpu.flags))
    return cpu.goOn(behind: op)
}
@inline(__always)
private func unaryMemory<K: UnaryOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    let before = cpu.flags
    var flags = before
    guard
        cpu.update(
            cpu.effectiveAddress(op), T.self,
            {
                flags = before
                return K.apply($0, &flags)
            })
    else { return cpu.fault(op) }
    cpu.flags = flags
    return cpu.goOn(behind: op)
}
@inline(__always)
private func unaryLocked<K: UnaryOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    let before = cpu.flags
    var flags = before
    guard
        cpu.updateLocked(
            cpu.effectiveAddress(op), T.self,
            {
                flags = before
                return K.apply($0, &flags)
            })
    else { return cpu.fault(op) }
    cpu.flags = flags
    return op.next
}

enum UnaryTable {
    /// `operation`: 0 INC, 1 DEC, 2 NOT, 3 NEG.
    static func handler(_ operation: Int, memory: Bool, lock: Bool, size: Int) -> Handler {
        let row = operation &* 4 &+ size
        return memory ? (lock ? locked[row] : memories[row]) : registers[row]
    }

    private static let registers: [Handler] = [
        { unary($0, $1, Increment.self, UInt8.self) },
        { unary($0, $1, Increment.self, UInt16.self) },
        { unary($0, $1, Increment.self, UInt32.self) },
        { unary($0, $1, Increment.self, UInt64.self) },
        { unary($0, $1, Decrement.self, UInt8.self) },
        { unary($0, $1, Decrement.self, UInt16.self) },
        { unary($0, $1, Decrement.self, UInt32.self) },
        { unary($0, $1, Decrement.self, UInt64.self) },
        { unary($0, $1, Complement.self, UInt8.self) },
        { unary($0, $1, Complement.self, UInt16.self) },
        { unary($0, $1, Complement.self, UInt32.self) },
        { unary($0, $1, Complement.self, UInt64.self) },
        { unary($0, $1, Negate.self, UInt8.self) },
        { unary($0, $1, Negate.self, UInt16.self) },
        { unary($0, $1, Negate.self, UInt32.self) },
        { unary($0, $1, Negate.self, UInt64.self) },
    ]

    private static let memories: [Handler] = [
        { unaryMemory($0, $1, Increment.self, UInt8.self) },
        { unaryMemory($0, $1, Increment.self, UInt16.self) },
        { unaryMemory($0, $1, Increment.self, UInt32.self) },
        { unaryMemory($0, $1, Increment.self, UInt64.self) },
        { unaryMemory($0, $1, Decrement.self, UInt8.self) },
        { unaryMemory($0, $1, Decrement.self, UInt16.self) },
        { unaryMemory($0, $1, Decrement.self, UInt32.self) },
        { unaryMemory($0, $1, Decrement.self, UInt64.self) },
        { unaryMemory($0, $1, Complement.self, UInt8.self) },
        { unaryMemory($0, $1, Complement.self, UInt16.self) },
        { unaryMemory($0, $1, Complement.self, UInt32.self) },
        { unaryMemory($0, $1, Complement.self, UInt64.self) },
        { unaryMemory($0, $1, Negate.self, UInt8.self) },
        { unaryMemory($0, $1, Negate.self, UInt16.self) },
        { unaryMemory($0, $1, Negate.self, UInt32.self) },
        { unaryMemory($0, $1, Negate.self, UInt64.self) },
    ]

    private static let locked: [Handler] = [
        { unaryLocked($0, $1, Increment.self, UInt8.self) },
        { unaryLocked($0, $1, Increment.self, UInt16.self) },
        { unaryLocked($0, $1, Increment.self, UInt32.self) },
        { unaryLocked($0, $1, Increment.self, UInt64.self) },
        { unaryLocked($0, $1, Decrement.self, UInt8.self) },
        { unaryLocked($0, $1, Decrement.self, UInt16.self) },
        { unaryLocked($0, $1, Decrement.self, UInt32.self) },
        { unaryLocked($0, $1, Decrement.self, UInt64.self) },
        { unaryLocked($0, $1, Complement.self, UInt8.self) },
        { unaryLocked($0, $1, Complement.self, UInt16.self) },
        { unaryLocked($0, $1, Complement.self, UInt32.self) },
        { unaryLocked($0, $1, Complement.self, UInt64.self) },
        { unaryLocked($0, $1, Negate.self, UInt8.self) },
        { unaryLocked($0, $1, Negate.self, UInt16.self) },
        { unaryLocked($0, $1, Negate.self, UInt32.self) },
        { unaryLocked($0, $1, Negate.self, UInt64.self) },
    ]
}
