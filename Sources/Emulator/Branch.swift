// SPDX-License-Identifier: Apache-2.0

/// Going from block to block.
///
/// A direct branch within its page keeps the address of the block it leads to in its operation:
/// both lie in the same physical page, so the link holds however that page is mapped. All others
/// look their target up in the ``JumpCacheSet``.
extension Processor {
    /// Counts the block's instructions; true if somebody wants attention.
    @inline(__always) private func retire(_ op: Op) -> Bool {
        let retired = state.retired &+ UInt64(op.ordinal)
        state.retired = retired
        return retired >= state.stopAt
    }

    /// Goes on at any linear address.
    @inline(__always) func jump(_ op: Op, to target: UInt64) -> UInt {
        if !retire(op) {
            let block = JumpCacheSet(table: state.jumpCache, linear: target)
                .find(target, key: state.codeKey)
            if block != 0 {
                page = target & ~0xfff
                return goOn(at: block)
            }
        }
        state.rip = target
        return 0
    }

    /// Goes on at `op.displacement` in the same page, through the link where there is one.
    @inline(__always) func jumpInPage(_ op: Op) -> UInt {
        if !retire(op) {
            let link = op.immediate
            if link != 0 { return goOn(at: UInt(truncatingIfNeeded: link)) }
            return makeLink(op)
        }
        state.rip = page &+ UInt64(bitPattern: Int64(op.displacement))
        return 0
    }

    /// Makes the link. A block that lies in two pages is never linked to, as its second page may
    /// be mapped elsewhere another time: it is looked up each time.
    @inline(never) private func makeLink(_ op: Op) -> UInt {
        let target = page &+ UInt64(bitPattern: Int64(op.displacement))
        let set = JumpCacheSet(table: state.jumpCache, linear: target)
        let known = set.find(target, key: state.codeKey)
        if known != 0, Block(operations: known).straddles { return known }
        guard let block = vcpu.code.find(target, self, mayFlush: false) else {
            state.rip = target
            return 0
        }
        if block.straddles {
            set.insert(target, key: state.codeKey, block: block.operations)
        } else {
            op.immediate = Int64(truncatingIfNeeded: block.operations)
        }
        return block.operations
    }

    /// The linear address `op.displacement` from the page; wraps at 4 GiB outside 64-bit code.
    @inline(__always) func displaced(_ op: Op) -> UInt64 {
        let target = page &+ UInt64(bitPattern: Int64(op.displacement))
        return state.mode.is64 ? target : wrapped(target)
    }

    /// An EIP kept within 32 bits (or the linear address of one, with CS's base).
    @inline(never) func wrapped(_ linear: UInt64) -> UInt64 {
        let base = get64(Register.base(of: 1))
        return base &+ ((linear &- base) & 0xffff_ffff)
    }
}

/// Operations that end a block or leave it on the side.
enum BranchHandlers {
    /// JMP, or the end of a block that goes on in the same page.
    static let inPage: Handler = { p, o in Processor(p).jumpInPage(Op(o)) }

    /// JMP, or the end of a block that goes on in another page.
    static let elsewhere: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.jump(op, to: cpu.displaced(op))
    }

    /// Jcc taken, target in the page; else the next operation.
    static let conditional: [Handler] = [
        { inPage($0, $1, 0) }, { inPage($0, $1, 1) }, { inPage($0, $1, 2) }, { inPage($0, $1, 3) },
        { inPage($0, $1, 4) }, { inPage($0, $1, 5) }, { inPage($0, $1, 6) }, { inPage($0, $1, 7) },
        { inPage($0, $1, 8) }, { inPage($0, $1, 9) }, { inPage($0, $1, 10) },
        { inPage($0, $1, 11) }, { inPage($0, $1, 12) }, { inPage($0, $1, 13) },
        { inPage($0, $1, 14) }, { inPage($0, $1, 15) },
    ]

    /// Jcc taken, target in another page.
    static let conditionalElsewhere: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.flags.holds(op.extra) else { return cpu.goOn(behind: op) }
        return cpu.jump(op, to: cpu.displaced(op))
    }

    /// JMP, Jcc and CALL of a target that 32 bits cannot tell from the page on: it is in `immediate`.
    static let distant: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.jump(op, to: cpu.page &+ UInt64(bitPattern: op.immediate))
    }
    static let conditionalDistant: Handler = { p, o in
        let op = Op(o)
        return Processor(p).flags.holds(op.extra) ? distant(p, o) : op.next
    }
    static let callDistant: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.push(cpu.linearEnd(op), UInt64.self) else { return cpu.fault(op) }
        return distant(p, o)
    }

    /// Jcc with 16-bit operand size: only 16 bits of the instruction pointer are kept.
    static let conditional16: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.flags.holds(op.extra) ? jump16(p, o) : op.next
    }

    @inline(__always) private static func inPage(_ p: UInt, _ o: UInt, _ cc: UInt16) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        return cpu.flags.holds(cc) ? cpu.jumpInPage(op) : cpu.goOn(behind: op)
    }

    /// CALL to a displacement; the return address goes on the stack (`extra`: size in bytes).
    static let callInPage: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.push(cpu.linearEnd(op), UInt64.self) else { return cpu.fault(op) }
        return cpu.jumpInPage(op)
    }
    static let callElsewhere: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard cpu.push(cpu.linearEnd(op), UInt64.self) else { return cpu.fault(op) }
        return cpu.jump(op, to: cpu.page &+ UInt64(bitPattern: Int64(op.displacement)))
    }
    static let callLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let base = cpu.get64(Register.base(of: 1))
        let target = cpu.page &+ UInt64(bitPattern: Int64(op.displacement)) &- base
        return callLegacy(cpu, op, target)
    }

    /// CALL of EIP `target` outside 64-bit code, operand size in `extra`.
    static func callLegacy(_ cpu: Processor, _ op: Op, _ target: UInt64) -> UInt {
        let base = cpu.get64(Register.base(of: 1))
        let end = cpu.linearEnd(op) &- base
        let mask: UInt64 = op.extra == 2 ? 0xffff : 0xffff_ffff
        let done =
            op.extra == 2
            ? cpu.pushLegacy(UInt16(truncatingIfNeeded: end))
            : cpu.pushLegacy(UInt32(truncatingIfNeeded: end))
        guard done else { return cpu.fault(op) }
        return cpu.jump(op, to: base &+ target & mask)
    }

    /// JMP with 16-bit operand size.
    static let jump16: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let base = cpu.get64(Register.base(of: 1))
        let target = cpu.page &+ UInt64(bitPattern: Int64(op.displacement)) &- base
        return cpu.jump(op, to: base &+ target & 0xffff)
    }

    static let jumpRegister: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return indirect(cpu, op, cpu.get64(op.rm))
    }
    static let jumpMemory: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let target = cpu.load(cpu.effectiveAddress(op), UInt64.self) else {
            return cpu.fault(op)
        }
        return indirect(cpu, op, target)
    }
    @inline(__always) private static func indirect(
        _ cpu: Processor, _ op: Op, _ target: UInt64
    ) -> UInt {
        guard cpu.isCanonical(target) else { return cpu.raise(op, .generalProtection) }
        return cpu.jump(op, to: target)
    }

    static let callRegister: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return callIndirect(cpu, op, cpu.get64(op.rm))
    }
    static let callMemory: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let target = cpu.load(cpu.effectiveAddress(op), UInt64.self) else {
            return cpu.fault(op)
        }
        return callIndirect(cpu, op, target)
    }
    @inline(__always) private static func callIndirect(
        _ cpu: Processor, _ op: Op, _ target: UInt64
    ) -> UInt {
        guard cpu.isCanonical(target) else { return refuseCall(cpu, op) }
        guard cpu.push(cpu.linearEnd(op), UInt64.self) else { return cpu.fault(op) }
        return cpu.jump(op, to: target)
    }

    /// A target that is not canonical is #GP, once the return address could be pushed.
    @inline(never) private static func refuseCall(_ cpu: Processor, _ op: Op) -> UInt {
        guard cpu.probeWrite(cpu.rsp &- 8, byteCount: 8) else {
            cpu.blameStack()
            return cpu.fault(op)
        }
        return cpu.raise(op, .generalProtection)
    }

    /// JMP and CALL through a register or memory outside 64-bit code; operand size in `extra`.
    static let jumpRegisterLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let mask: UInt64 = op.extra == 2 ? 0xffff : 0xffff_ffff
        return cpu.jump(op, to: cpu.get64(Register.base(of: 1)) &+ cpu.get64(op.rm) & mask)
    }
    static let jumpMemoryLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let target = loadLegacy(cpu, op) else { return cpu.fault(op) }
        return cpu.jump(op, to: cpu.get64(Register.base(of: 1)) &+ target)
    }
    static let callRegisterLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        return callLegacy(cpu, op, cpu.get64(op.rm))
    }
    static let callMemoryLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let target = loadLegacy(cpu, op) else { return cpu.fault(op) }
        return callLegacy(cpu, op, target)
    }
    private static func loadLegacy(_ cpu: Processor, _ op: Op) -> UInt64? {
        let address = cpu.effectiveAddress(op)
        if op.extra == 2 { return cpu.load(address, UInt16.self).map { UInt64($0) } }
        return cpu.load(address, UInt32.self).map { UInt64($0) }
    }

    /// RET; `immediate`: bytes of arguments to drop.
    static let ret: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        guard let target = cpu.loadStack(cpu.rsp, UInt64.self) else { return cpu.fault(op) }
        guard cpu.isCanonical(target) else { return cpu.raise(op, .generalProtection) }
        cpu.rsp = cpu.rsp &+ 8 &+ UInt64(bitPattern: op.immediate)
        return cpu.jump(op, to: target)
    }
    static let retLegacy: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let target: UInt64
        if op.extra == 2 {
            guard let value = cpu.popLegacy(UInt16.self) else { return cpu.fault(op) }
            target = UInt64(value)
        } else {
            guard let value = cpu.popLegacy(UInt32.self) else { return cpu.fault(op) }
            target = UInt64(value)
        }
        cpu.adjustStack(op.immediate)
        return cpu.jump(op, to: cpu.get64(Register.base(of: 1)) &+ target)
    }

    /// LOOPNE 0, LOOPE 1, LOOP 2, JCXZ 3 (`rm`), with an address size of 2, 4 or 8 bytes (`reg`).
    /// The operation behind it jumps; this one steps over that jump when it is not to.
    static let loop: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let mask: UInt64 = op.reg == 2 ? 0xffff : op.reg == 4 ? 0xffff_ffff : .max
        var count = cpu.rcx & mask
        let taken: Bool
        if op.rm == 3 {
            taken = count == 0
        } else {
            count = (count &- 1) & mask
            cpu.rcx = op.reg == 2 ? cpu.rcx & ~0xffff | count : count
            taken = count != 0 && (op.rm == 2 || cpu.flags.zero == (op.rm == 1))
        }
        return taken ? op.next : op.next &+ Operation.stride
    }

    /// What an invalidated block is overwritten with: look the instruction up again.
    static let stale: Handler = { p, o in
        let cpu = Processor(p)
        let op = Op(o)
        let target = cpu.linearAddress(op)
        let block = JumpCacheSet(table: cpu.state.jumpCache, linear: target)
            .find(target, key: cpu.state.codeKey)
        guard block != 0, Block(operations: block).isValid else { return cpu.fault(op) }
        // Somebody still had a link to the old block; the new one is known.
        cpu.state.retired &+= UInt64(op.ordinal &- 1)
        return block
    }
}
