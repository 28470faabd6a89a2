// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// PUSH and POP in their widths. RSP moves only once the access has succeeded.
extension Processor {
    /// Pushes in 64-bit code.
    @inline(__always) func push<T: Word>(_ value: T, _: T.Type) -> Bool {
        let top = rsp &- UInt64(T.byteCount)
        guard store(top, value) else {
            blameStack()
            return false
        }
        rsp = top
        return true
    }

    /// Reads from the stack in 64-bit code, at RSP or RBP.
    @inline(__always) func loadStack<T: Word>(_ address: UInt64, _: T.Type = T.self) -> T? {
        guard let value = load(address, T.self) else {
            blameStack()
            return nil
        }
        return value
    }

    /// The stack pointer's bits that count outside 64-bit code.
    @inline(__always) var stackMask: UInt64 {
        state.mode.is64 ? .max : state.mode.has(CodeMode.stack32) ? 0xffff_ffff : 0xffff
    }

    /// Pushes through SS, with the width of the stack.
    func pushLegacy<T: Word>(_ value: T) -> Bool {
        let mask = stackMask
        let top = (rsp &- UInt64(T.byteCount)) & mask
        guard let address = stackAddress(top, T.byteCount), store(address, value) else {
            blameStack()
            return false
        }
        rsp = rsp & ~mask | top
        return true
    }

    /// Pops through SS.
    func popLegacy<T: Word>(_: T.Type) -> T? {
        let top = rsp & stackMask
        guard let address = stackAddress(top, T.byteCount), let value = loadStack(address, T.self)
        else { return nil }
        adjustStack(Int64(T.byteCount))
        return value
    }

    func adjustStack(_ count: Int64) {
        let mask = stackMask
        let moved = (rsp &+ UInt64(bitPattern: count)) & mask
        rsp = mask == 0xffff_ffff ? moved : rsp & ~mask | moved
    }

    /// The linear address of the stack's bytes at `offset`; nil: #SS is pending.
    func stackAddress(_ offset: UInt64, _ byteCount: Int) -> UInt64? {
        if state.mode.is64 { return offset }
        if state.mode.has(CodeMode.flat), offset <= 0xffff_fff0 {
            return (offset &+ get64(Register.base(of: 2))) & 0xffff_ffff
        }
        return legacyAddress(2, offset, byteCount: byteCount, write: true)
    }
}

enum StackHandlers {
    static let push64: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let top = cpu.rsp &- 8
        guard cpu.storeHit(top, cpu.get64(op.rm)) else { return push64Missed(p, o) }
        cpu.rsp = top
        return cpu.goOn(behind: op)
    }
    @inline(never) private static func push64Missed(_ p: UInt, _ o: UInt) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.push(cpu.get64(op.rm), UInt64.self) else { return cpu.fault(op) }
        return op.next
    }
    static let pop64: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.loadHit(cpu.rsp, UInt64.self) else { return pop64Missed(p, o) }
        cpu.rsp = cpu.rsp &+ 8
        cpu.set64(op.rm, value)
        return cpu.goOn(behind: op)
    }
    @inline(never) private static func pop64Missed(_ p: UInt, _ o: UInt) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.loadStack(cpu.rsp, UInt64.self) else { return cpu.fault(op) }
        cpu.rsp = cpu.rsp &+ 8
        cpu.set64(op.rm, value)
        return op.next
    }
    static let pushImmediate64: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.push(UInt64(bitPattern: op.immediate), UInt64.self) else { return cpu.fault(op) }
        return op.next
    }
    static let pushMemory64: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.load(cpu.effectiveAddress(op), UInt64.self),
            cpu.push(value, UInt64.self)
        else { return cpu.fault(op) }
        return op.next
    }
    /// The decoder has accounted for RSP in the address, which is computed first.
    static let popMemory64: Handler = { popMemory($0, $1, UInt64.self) }

    /// By size 1 to 3: registers, immediates, memory, outside 64-bit code or with 16-bit operands.
    static let pushRegister: [Handler] = [
        { pushRegister($0, $1, UInt16.self) }, { pushRegister($0, $1, UInt32.self) },
    ]
    static let popRegister: [Handler] = [
        { popRegister($0, $1, UInt16.self) }, { popRegister($0, $1, UInt32.self) },
    ]
    static let pushImmediate: [Handler] = [
        { pushImmediate($0, $1, UInt16.self) }, { pushImmediate($0, $1, UInt32.self) },
    ]
    static let pushMemory: [Handler] = [
        { pushMemory($0, $1, UInt16.self) }, { pushMemory($0, $1, UInt32.self) },
    ]
    static let popMemory: [Handler] = [
        { popMemory($0, $1, UInt16.self) }, { popMemory($0, $1, UInt32.self) },
    ]

    private static func pushRegister<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.pushLegacy(cpu.get(op.rm, T.self)) ? op.next : cpu.fault(op)
    }
    private static func popRegister<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.popLegacy(T.self) else { return cpu.fault(op) }
        cpu.set(op.rm, value)
        return op.next
    }
    private static func pushImmediate<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let value = T(truncatingIfNeeded: op.immediate)
        return cpu.pushLegacy(value) ? op.next : cpu.fault(op)
    }
    private static func pushMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.load(cpu.effectiveAddress(op), T.self), cpu.pushLegacy(value)
        else { return cpu.fault(op) }
        return op.next
    }
    private static func popMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let before = cpu.rsp
        let address = cpu.effectiveAddress(op)
        guard let value = cpu.popLegacy(T.self) else { return cpu.fault(op) }
        // Outside 64-bit code `extra` is 8 and the number of the operand's segment.
        let size = UInt64(T.bitWidth / 8)
        let segment = Int(op.extra & 7)
        guard
            op.extra == 0 || cpu.mayAccess(segment, at: address, byteCount: size, write: true),
            cpu.store(address, value)
        else {
            cpu.rsp = before
            return cpu.fault(op)
        }
        return op.next
    }

    /// PUSHA and POPA; `extra`: operand size in bytes.
    static let pushAll: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let before = cpu.rsp
        for number in 0..<8 {
            let value = number == 4 ? before : cpu.get64(Register.general(number))
            let done =
                op.extra == 2
                ? cpu.pushLegacy(UInt16(truncatingIfNeeded: value))
                : cpu.pushLegacy(UInt32(truncatingIfNeeded: value))
            guard done else {
                cpu.rsp = before
                return cpu.fault(op)
            }
        }
        return op.next
    }
    static let popAll: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let before = cpu.rsp
        var values = InlineArray<8, UInt64>(repeating: 0)
        for index in 0..<8 {
            let value =
                op.extra == 2
                ? cpu.popLegacy(UInt16.self).map { UInt64($0) }
                : cpu.popLegacy(UInt32.self).map { UInt64($0) }
            guard let value else {
                cpu.rsp = before
                return cpu.fault(op)
            }
            values[7 &- index] = value
        }
        for number in 0..<8 where number != 4 {
            if op.extra == 2 {
                cpu.set(Register.general(number), UInt16(truncatingIfNeeded: values[number]))
            } else {
                cpu.set(Register.general(number), UInt32(truncatingIfNeeded: values[number]))
            }
        }
        return op.next
    }

    /// ENTER; `immediate`: size of the frame, `reg`: nesting level, `extra`: operand size.
    static let enter: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return switch op.extra {
        case 2: enter(cpu, op, UInt16.self)
        case 4: enter(cpu, op, UInt32.self)
        default: enter(cpu, op, UInt64.self)
        }
    }
    private static func enter<T: Word>(_ cpu: Processor, _ op: Op, _: T.Type) -> UInt {
        let before = cpu.rsp
        let frame = cpu.get(Register.rbp, T.self)
        func undo() -> UInt {
            cpu.rsp = before
            return cpu.fault(op)
        }
        guard cpu.pushLegacy(frame) else { return undo() }
        let newFrame = cpu.rsp
        let level = Int(op.reg & 31)
        if level > 0 {
            for index in 1..<max(level, 1) {
                let place =
                    (cpu.get64(Register.rbp) &- UInt64(index &* T.byteCount)) & cpu.stackMask
                guard let address = cpu.stackAddress(place, T.byteCount),
                    let value = cpu.loadStack(address, T.self), cpu.pushLegacy(value)
                else { return undo() }
            }
            guard cpu.pushLegacy(T(truncatingIfNeeded: newFrame)) else { return undo() }
        }
        cpu.adjustStack(0 &- op.immediate)
        // What lies at the new top must be writable.
        guard let top = cpu.stackAddress(cpu.rsp & cpu.stackMask, T.byteCount),
            cpu.probeWrite(top, byteCount: T.byteCount)
        else {
            cpu.blameStack()
            return undo()
        }
        cpu.set(Register.rbp, T(truncatingIfNeeded: newFrame))
        return op.next
    }

    /// LEAVE in 64-bit code, and elsewhere.
    static let leave64: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let frame = cpu.get64(Register.rbp)
        guard let value = cpu.loadStack(frame, UInt64.self) else { return cpu.fault(op) }
        cpu.rsp = frame &+ 8
        cpu.set64(Register.rbp, value)
        return op.next
    }
    static let leaveLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let before = cpu.rsp
        let mask = cpu.stackMask
        cpu.rsp = before & ~mask | cpu.get64(Register.rbp) & mask
        if op.extra == 2 {
            if let value = cpu.popLegacy(UInt16.self) {
                cpu.set(Register.rbp, value)
                return op.next
            }
        } else if let value = cpu.popLegacy(UInt32.self) {
            cpu.set(Register.rbp, value)
            return op.next
        }
        cpu.rsp = before
        return cpu.fault(op)
    }
}
