// SPDX-License-Identifier: Apache-2.0

/// One of the eight two-operand operations: a result, and the flags it leaves.
protocol ALUOperation {
    static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T
    /// CMP keeps its first operand.
    static var discards: Bool { get }
}

extension ALUOperation {
    static var discards: Bool { false }
}

enum Add: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        let sum = a &+ b
        flags = Flags(result: sum, carryOut: (a & b) | ((a | b) & ~sum))
        return sum
    }
}

enum AddCarry: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        let sum = a &+ b &+ T(truncatingIfNeeded: flags.carryBit)
        flags = Flags(result: sum, carryOut: (a & b) | ((a | b) & ~sum))
        return sum
    }
}

enum Subtract: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        let difference = a &- b
        flags = Flags(result: difference, carryOut: (~a & b) | ((~a | b) & difference))
        return difference
    }
}

enum SubtractBorrow: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        let difference = a &- b &- T(truncatingIfNeeded: flags.carryBit)
        flags = Flags(result: difference, carryOut: (~a & b) | ((~a | b) & difference))
        return difference
    }
}

enum Compare: ALUOperation {
    static var discards: Bool { true }
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        _ = Subtract.apply(a, b, &flags)
        return a
    }
}

enum And: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        flags = Flags(logical: a & b)
        return a & b
    }
}

enum Or: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        flags = Flags(logical: a | b)
        return a | b
    }
}

enum Xor: ALUOperation {
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        flags = Flags(logical: a ^ b)
        return a ^ b
    }
}

enum Test: ALUOperation {
    static var discards: Bool { true }
    @inline(__always) static func apply<T: Word>(_ a: T, _ b: T, _ flags: inout Flags) -> T {
        flags = Flags(logical: a & b)
        return a
    }
}

/// The forms of an ALU instruction: which operands are registers, memory, immediates.
enum ALUForm: Int {
    case registerRegister, registerImmediate, registerMemory, memoryRegister, memoryImmediate
    case lockedRegister, lockedImmediate
}

@inline(__always)
func aluRegisterRegister<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    let result = K.apply(cpu.get(op.rm, T.self), cpu.get(op.reg, T.self), &cpu.flags)
    if !K.discards { cpu.set(op.rm, result) }
    return cpu.goOn(behind: op)
}

@inline(__always)
func aluRegisterImmediate<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    let result = K.apply(
        cpu.get(op.rm, T.self), T(truncatingIfNeeded: op.immediate), &cpu.flags)
    if !K.discards { cpu.set(op.rm, result) }
    return cpu.goOn(behind: op)
}

@inline(__always)
func aluRegisterMemory<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    guard let value = cpu.loadHit(cpu.effectiveAddress(op), T.self) else {
        return aluRegisterMemoryMissed(p, o, K.self, T.self)
    }
    let result = K.apply(cpu.get(op.reg, T.self), value, &cpu.flags)
    if !K.discards { cpu.set(op.reg, result) }
    return cpu.goOn(behind: op)
}

@inline(never)
private func aluRegisterMemoryMissed<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    guard let value = cpu.load(cpu.effectiveAddress(op), T.self) else { return cpu.fault(op) }
    let result = K.apply(cpu.get(op.reg, T.self), value, &cpu.flags)
    if !K.discards { cpu.set(op.reg, result) }
    return op.next
}

@inline(__always)
private func aluMemory<K: ALUOperation, T: Word>(
    _ cpu: Processor, _ op: Op, _ source: T, _: K.Type
) -> UInt {
    let address = cpu.effectiveAddress(op)
    var flags = cpu.flags
    if K.discards {
        guard let value = cpu.load(address, T.self) else { return cpu.fault(op) }
        _ = K.apply(value, source, &flags)
    } else {
        let before = flags
        guard
            cpu.update(
                address, T.self,
                { value in
                    flags = before
                    return K.apply(value, source, &flags)
                })
        else { return cpu.fault(op) }
    }
    cpu.flags = flags
    return cpu.goOn(behind: op)
}

@inline(__always)
func aluMemoryRegister<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    return aluMemory(cpu, op, cpu.get(op.reg, T.self), kind)
}

@inline(__always)
func aluMemoryImmediate<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    return aluMemory(cpu, op, T(truncatingIfNeeded: op.immediate), kind)
}

@inline(__always)
private func aluLocked<K: ALUOperation, T: Word>(
    _ cpu: Processor, _ op: Op, _ source: T, _: K.Type
) -> UInt {
    let before = cpu.flags
    var flags = before
    guard
        cpu.updateLocked(
            cpu.effectiveAddress(op), T.self,
            { value in
                flags = before
                return K.apply(value, source, &flags)
            })
    else { return cpu.fault(op) }
    cpu.flags = flags
    return op.next
}

@inline(__always)
func aluLockedRegister<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    return aluLocked(cpu, op, cpu.get(op.reg, T.self), kind)
}

@inline(__always)
func aluLockedImmediate<K: ALUOperation, T: Word>(
    _ p: UInt, _ o: UInt, _ kind: K.Type, _: T.Type
) -> UInt {
    let cpu = Processor(p)
    let op = Op(o)
    return aluLocked(cpu, op, T(truncatingIfNeeded: op.immediate), kind)
}
