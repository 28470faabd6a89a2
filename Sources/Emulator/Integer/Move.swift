// SPDX-License-Identifier: Apache-2.0

/// MOV, MOVZX, MOVSX, LEA, XCHG, CMOVcc, SETcc, sign extensions. Tables by size (0 to 3).
enum MoveHandlers {
    @inline(__always)
    private static func registerRegister<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        cpu.set(op.reg, cpu.get(op.rm, T.self))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func registerImmediate<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let op = Op(o)
        Processor(p).set(op.reg, T(truncatingIfNeeded: op.immediate))
        return Processor(p).goOn(behind: op)
    }
    @inline(__always)
    private static func load<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.loadHit(cpu.effectiveAddress(op), T.self) else {
            return loadMissed(p, o, T.self)
        }
        cpu.set(op.reg, value)
        return cpu.goOn(behind: op)
    }
    @inline(never)
    private static func loadMissed<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.load(cpu.effectiveAddress(op), T.self) else { return cpu.fault(op) }
        cpu.set(op.reg, value)
        return op.next
    }
    @inline(__always)
    private static func store<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.storeHit(cpu.effectiveAddress(op), cpu.get(op.reg, T.self))
            ? cpu.goOn(behind: op) : storeMissed(p, o, T.self)
    }
    @inline(never)
    private static func storeMissed<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.store(cpu.effectiveAddress(op), cpu.get(op.reg, T.self))
            ? op.next : cpu.fault(op)
    }
    @inline(__always)
    private static func storeImmediate<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.storeHit(cpu.effectiveAddress(op), T(truncatingIfNeeded: op.immediate))
            ? cpu.goOn(behind: op) : storeImmediateMissed(p, o, T.self)
    }
    @inline(never)
    private static func storeImmediateMissed<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.store(cpu.effectiveAddress(op), T(truncatingIfNeeded: op.immediate))
            ? op.next : cpu.fault(op)
    }
    @inline(__always)
    private static func lea<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        cpu.set(op.reg, T(truncatingIfNeeded: cpu.effectiveAddress(op)))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func exchange<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let value = cpu.get(op.reg, T.self)
        cpu.set(op.reg, cpu.get(op.rm, T.self))
        cpu.set(op.rm, value)
        return op.next
    }
    /// XCHG with memory is atomic with or without LOCK.
    @inline(__always)
    private static func exchangeMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let value = cpu.get(op.reg, T.self)
        var old: T = 0
        guard
            cpu.updateLocked(
                cpu.effectiveAddress(op), T.self,
                {
                    old = $0
                    return value
                })
        else { return cpu.fault(op) }
        cpu.set(op.reg, old)
        return op.next
    }
    @inline(__always)
    private static func conditional<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let value = cpu.flags.holds(op.extra) ? cpu.get(op.rm, T.self) : cpu.get(op.reg, T.self)
        cpu.set(op.reg, value)
        return cpu.goOn(behind: op)
    }
    /// Reads memory whether or not the condition holds.
    @inline(__always)
    private static func conditionalMemory<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.load(cpu.effectiveAddress(op), T.self) else { return cpu.fault(op) }
        cpu.set(op.reg, cpu.flags.holds(op.extra) ? value : cpu.get(op.reg, T.self))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func extend<From: Word, To: Word>(
        _ p: UInt, _ o: UInt, _: From.Type, _: To.Type, signed: Bool
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let value = cpu.get(op.rm, From.self)
        cpu.set(
            op.reg,
            signed ? To(truncatingIfNeeded: value.signed) : To(truncatingIfNeeded: value))
        return cpu.goOn(behind: op)
    }
    @inline(__always)
    private static func extendMemory<From: Word, To: Word>(
        _ p: UInt, _ o: UInt, _: From.Type, _: To.Type, signed: Bool
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.loadHit(cpu.effectiveAddress(op), From.self) else {
            return extendMemoryMissed(p, o, From.self, To.self, signed: signed)
        }
        cpu.set(
            op.reg,
            signed ? To(truncatingIfNeeded: value.signed) : To(truncatingIfNeeded: value))
        return cpu.goOn(behind: op)
    }
    @inline(never)
    private static func extendMemoryMissed<From: Word, To: Word>(
        _ p: UInt, _ o: UInt, _: From.Type, _: To.Type, signed: Bool
    ) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        guard let value = cpu.load(cpu.effectiveAddress(op), From.self) else {
            return cpu.fault(op)
        }
        cpu.set(
            op.reg,
            signed ? To(truncatingIfNeeded: value.signed) : To(truncatingIfNeeded: value))
        return op.next
    }

    static let registerFromRegister: [Handler] = [
        { registerRegister($0, $1, UInt8.self) },
        { registerRegister($0, $1, UInt16.self) },
        { registerRegister($0, $1, UInt32.self) },
        { registerRegister($0, $1, UInt64.self) },
    ]
    static let registerFromImmediate: [Handler] = [
        { registerImmediate($0, $1, UInt8.self) },
        { registerImmediate($0, $1, UInt16.self) },
        { registerImmediate($0, $1, UInt32.self) },
        { registerImmediate($0, $1, UInt64.self) },
    ]
    static let registerFromMemory: [Handler] = [
        { load($0, $1, UInt8.self) },
        { load($0, $1, UInt16.self) },
        { load($0, $1, UInt32.self) },
        { load($0, $1, UInt64.self) },
    ]
    static let memoryFromRegister: [Handler] = [
        { store($0, $1, UInt8.self) },
        { store($0, $1, UInt16.self) },
        { store($0, $1, UInt32.self) },
        { store($0, $1, UInt64.self) },
    ]
    static let memoryFromImmediate: [Handler] = [
        { storeImmediate($0, $1, UInt8.self) },
        { storeImmediate($0, $1, UInt16.self) },
        { storeImmediate($0, $1, UInt32.self) },
        { storeImmediate($0, $1, UInt64.self) },
    ]
    static let address: [Handler] = [
        { lea($0, $1, UInt8.self) },
        { lea($0, $1, UInt16.self) },
        { lea($0, $1, UInt32.self) },
        { lea($0, $1, UInt64.self) },
    ]
    static let exchangeRegisters: [Handler] = [
        { exchange($0, $1, UInt8.self) },
        { exchange($0, $1, UInt16.self) },
        { exchange($0, $1, UInt32.self) },
        { exchange($0, $1, UInt64.self) },
    ]
    static let exchangeWithMemory: [Handler] = [
        { exchangeMemory($0, $1, UInt8.self) },
        { exchangeMemory($0, $1, UInt16.self) },
        { exchangeMemory($0, $1, UInt32.self) },
        { exchangeMemory($0, $1, UInt64.self) },
    ]
    static let ifCondition: [Handler] = [
        { conditional($0, $1, UInt8.self) },
        { conditional($0, $1, UInt16.self) },
        { conditional($0, $1, UInt32.self) },
        { conditional($0, $1, UInt64.self) },
    ]
    static let ifConditionMemory: [Handler] = [
        { conditionalMemory($0, $1, UInt8.self) },
        { conditionalMemory($0, $1, UInt16.self) },
        { conditionalMemory($0, $1, UInt32.self) },
        { conditionalMemory($0, $1, UInt64.self) },
    ]

    /// MOVZX and MOVSX: from size 0 to 2 to size 1 to 3.
    static func extend(from: Int, to: Int, signed: Bool, memory: Bool) -> Handler {
        let row = from &* 3 &+ to &- 1
        if memory { return signed ? signedFromMemory[row] : zeroFromMemory[row] }
        return signed ? signedFromRegister[row] : zeroFromRegister[row]
    }
    private static let signedFromMemory: [Handler] = [
        { extendMemory($0, $1, UInt8.self, UInt16.self, signed: true) },
        { extendMemory($0, $1, UInt8.self, UInt32.self, signed: true) },
        { extendMemory($0, $1, UInt8.self, UInt64.self, signed: true) },
        { extendMemory($0, $1, UInt16.self, UInt16.self, signed: true) },
        { extendMemory($0, $1, UInt16.self, UInt32.self, signed: true) },
        { extendMemory($0, $1, UInt16.self, UInt64.self, signed: true) },
        { extendMemory($0, $1, UInt32.self, UInt16.self, signed: true) },
        { extendMemory($0, $1, UInt32.self, UInt32.self, signed: true) },
        { extendMemory($0, $1, UInt32.self, UInt64.self, signed: true) },
    ]
    private static let zeroFromMemory: [Handler] = [
        { extendMemory($0, $1, UInt8.self, UInt16.self, signed: false) },
        { extendMemory($0, $1, UInt8.self, UInt32.self, signed: false) },
        { extendMemory($0, $1, UInt8.self, UInt64.self, signed: false) },
        { extendMemory($0, $1, UInt16.self, UInt16.self, signed: false) },
        { extendMemory($0, $1, UInt16.self, UInt32.self, signed: false) },
        { extendMemory($0, $1, UInt16.self, UInt64.self, signed: false) },
        { extendMemory($0, $1, UInt32.self, UInt16.self, signed: false) },
        { extendMemory($0, $1, UInt32.self, UInt32.self, signed: false) },
        { extendMemory($0, $1, UInt32.self, UInt64.self, signed: false) },
    ]
    private static let signedFromRegister: [Handler] = [
        { extend($0, $1, UInt8.self, UInt16.self, signed: true) },
        { extend($0, $1, UInt8.self, UInt32.self, signed: true) },
        { extend($0, $1, UInt8.self, UInt64.self, signed: true) },
        { extend($0, $1, UInt16.self, UInt16.self, signed: true) },
        { extend($0, $1, UInt16.self, UInt32.self, signed: true) },
        { extend($0, $1, UInt16.self, UInt64.self, signed: true) },
        { extend($0, $1, UInt32.self, UInt16.self, signed: true) },
        { extend($0, $1, UInt32.self, UInt32.self, signed: true) },
        { extend($0, $1, UInt32.self, UInt64.self, signed: true) },
    ]
    private static let zeroFromRegister: [Handler] = [
        { extend($0, $1, UInt8.self, UInt16.self, signed: false) },
        { extend($0, $1, UInt8.self, UInt32.self, signed: false) },
        { extend($0, $1, UInt8.self, UInt64.self, signed: false) },
        { extend($0, $1, UInt16.self, UInt16.self, signed: false) },
        { extend($0, $1, UInt16.self, UInt32.self, signed: false) },
        { extend($0, $1, UInt16.self, UInt64.self, signed: false) },
        { extend($0, $1, UInt32.self, UInt16.self, signed: false) },
        { extend($0, $1, UInt32.self, UInt32.self, signed: false) },
        { extend($0, $1, UInt32.self, UInt64.self, signed: false) },
    ]

    /// SETcc, condition in `extra`.
    static let setRegister: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        cpu.set(op.rm, UInt8(cpu.flags.holds(op.extra) ? 1 : 0))
        return op.next
    }
    static let setMemory: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let value: UInt8 = cpu.flags.holds(op.extra) ? 1 : 0
        return cpu.store(cpu.effectiveAddress(op), value) ? op.next : cpu.fault(op)
    }

    /// CBW, CWDE, CDQE by size 1 to 3.
    static let widenAccumulator: [Handler] = [
        { widen($0, $1, UInt8.self, UInt16.self) }, { widen($0, $1, UInt16.self, UInt32.self) },
        { widen($0, $1, UInt32.self, UInt64.self) },
    ]
    private static func widen<From: Word, To: Word>(
        _ p: UInt, _ o: UInt, _: From.Type, _: To.Type
    ) -> UInt {
        let cpu = Processor(p)
        cpu.set(Register.rax, To(truncatingIfNeeded: cpu.get(Register.rax, From.self).signed))
        return Op(o).next
    }
    /// CWD, CDQ, CQO by size 1 to 3.
    static let signToData: [Handler] = [
        { sign($0, $1, UInt16.self) }, { sign($0, $1, UInt32.self) }, { sign($0, $1, UInt64.self) },
    ]
    private static func sign<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        cpu.set(Register.rdx, cpu.get(Register.rax, T.self).isNegative ? T.max : 0)
        return Op(o).next
    }

    static let nothing: Handler = { _, o in Op(o).next }

    /// XLAT: the operand's address is complete but for AL.
    static let translate: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let mask: UInt64 = op.extra == 1 ? 0xffff : op.extra == 2 ? 0xffff_ffff : .max
        let offset = (cpu.get64(Register.rbx) &+ UInt64(cpu.get(Register.rax, UInt8.self))) & mask
        let address =
            cpu.state.mode.is64
            ? offset &+ cpu.get64(op.segment)
            : cpu.legacyAddress(Register.segment(op.segment), offset, byteCount: 1, write: false)
        guard let address, let value = cpu.load(address, UInt8.self) else { return cpu.fault(op) }
        cpu.set(Register.rax, value)
        return op.next
    }
}
