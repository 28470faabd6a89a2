// SPDX-License-Identifier: Apache-2.0
import CLinux

/// MOVS, STOS, LODS, CMPS, SCAS, alone or repeated.
///
/// `extra` bits 0–1: address size 1 to 3; bits 2–3: 0 alone, 1 REP or REPE, 2 REPNE; bit 4: outside
/// 64-bit code, where segments have limits. A repeated instruction keeps its registers up to date, so that a fault or a request for attention between
/// two elements leaves a state to go on from.
enum StringHandlers {
    private static let elementsBetweenChecks = 4096

    @inline(__always) private static func mask(_ op: Op) -> UInt64 {
        switch op.extra & 3 {
        case 1: 0xffff
        case 2: 0xffff_ffff
        default: .max
        }
    }
    @inline(__always) private static func isRepeated(_ op: Op) -> Bool { op.extra >> 2 & 3 != 0 }

    /// Where the element is that a register points to; nil: an exception is pending.
    @inline(__always)
    private static func source<T: Word>(
        _ cpu: Processor, _ op: Op, _ mask: UInt64, _: T.Type
    ) -> UInt64? {
        place(cpu, op, cpu.get64(Register.rsi) & mask, op.segment, T.byteCount, write: false)
    }
    @inline(__always)
    private static func target<T: Word>(
        _ cpu: Processor, _ op: Op, _ mask: UInt64, _: T.Type, write: Bool
    ) -> UInt64? {
        let base = Register.base(of: 0)
        return place(cpu, op, cpu.get64(Register.rdi) & mask, base, T.byteCount, write: write)
    }
    @inline(__always)
    private static func place(
        _ cpu: Processor, _ op: Op, _ offset: UInt64, _ base: UInt8, _ bytes: Int, write: Bool
    ) -> UInt64? {
        guard op.extra & 16 != 0 else { return offset &+ cpu.get64(base) }
        return cpu.legacyAddress(Register.segment(base), offset, byteCount: bytes, write: write)
    }

    /// Adds to a register within the address size; 32-bit results clear the upper half.
    @inline(__always)
    private static func advance(
        _ cpu: Processor, _ register: UInt8, by bytes: Int64, mask: UInt64
    ) {
        let old = cpu.get64(register)
        let new = (old &+ UInt64(bitPattern: bytes)) & mask
        cpu.set64(register, mask == 0xffff ? old & ~0xffff | new : new)
    }

    /// Runs one element at a time, or as many as `step` does at once; `step` answers how many
    /// elements it did, 0 for a fault, and whether to stop.
    @inline(__always)
    private static func iterate(
        _ cpu: Processor, _ op: Op, _ step: (_ count: UInt64) -> (done: UInt64, stop: Bool)
    ) -> UInt {
        guard isRepeated(op) else { return step(1).done == 0 ? cpu.fault(op) : op.next }
        let mask = mask(op)
        var budget = elementsBetweenChecks
        while true {
            let count = cpu.rcx & mask
            if count == 0 { break }
            let (done, stop) = step(count)
            guard done != 0 else { return cpu.fault(op) }
            advance(cpu, Register.rcx, by: 0 &- Int64(bitPattern: done), mask: mask)
            if stop { break }
            budget &-= 1
            if budget <= 0, count != done {
                // Others may want this processor: the rest is done after they have had their turn.
                return cpu.fault(op)
            }
        }
        return op.next
    }

    /// Elements that can be done at host speed: both sides hit and go upwards.
    @inline(__always)
    private static func room<T: Word>(_ address: UInt64, _ count: UInt64, _: T.Type) -> UInt64 {
        min(count, (0x1000 &- address & 0xfff) / UInt64(T.byteCount))
    }

    @inline(__always)
    private static func move<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let mask = mask(op)
        return iterate(cpu, op) { count in
            var done: UInt64 = 0
            if count > 1, cpu.state.direction > 0, mask == .max {
                let source = cpu.get64(Register.rsi) &+ cpu.get64(op.segment)
                let target = cpu.get64(Register.rdi)
                done = copy(
                    cpu, source, target, room(source, room(target, count, T.self), T.self), T.self)
            }
            if done == 0 {
                guard let source = source(cpu, op, mask, T.self),
                    let value = cpu.load(source, T.self),
                    let target = target(cpu, op, mask, T.self, write: true),
                    cpu.store(target, value)
                else { return (0, false) }
                done = 1
            }
            let bytes = Int64(bitPattern: done &* UInt64(T.byteCount)) &* cpu.state.direction
            advance(cpu, Register.rsi, by: bytes, mask: mask)
            advance(cpu, Register.rdi, by: bytes, mask: mask)
            return (done, false)
        }
    }

    /// Copies within one page each, if both translations are at hand; answers the elements done.
    @inline(__always)
    private static func copy<T: Word>(
        _ cpu: Processor, _ source: UInt64, _ target: UInt64, _ count: UInt64, _: T.Type
    ) -> UInt64 {
        let from = TranslationEntry(table: cpu.state.dataTLB, linear: source)
        let to = TranslationEntry(table: cpu.state.dataTLB, linear: target)
        guard from.readTag == source & ~0xfff, to.writeTag == target & ~0xfff else { return 0 }
        let low = HostAddress(source, addend: from.addend)
        let high = HostAddress(target, addend: to.addend)
        let bytes = UInt(count) &* UInt(T.byteCount)
        if high.rawValue &- low.rawValue < bytes {
            // The copy reads what it has written: element by element, as the manual says.
            for index in 0..<UInt(count) {
                let offset = index &* UInt(T.byteCount)
                HostAddress(high.rawValue &+ offset)
                    .store(HostAddress(low.rawValue &+ offset).load(T.self))
            }
        } else {
            unsafe high.pointer.copyMemory(from: low.pointer, byteCount: Int(bytes))
        }
        return count
    }

    @inline(__always)
    private static func fill<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let mask = mask(op)
        let value = cpu.get(Register.rax, T.self)
        return iterate(cpu, op) { count in
            guard let target = target(cpu, op, mask, T.self, write: true) else {
                return (0, false)
            }
            var done: UInt64 = 0
            let entry = TranslationEntry(table: cpu.state.dataTLB, linear: target)
            if count > 1, cpu.state.direction > 0, mask == .max,
                entry.writeTag == target & ~0xfff
            {
                done = room(target, count, T.self)
                let host = HostAddress(target, addend: entry.addend)
                for index in 0..<UInt(done) {
                    HostAddress(host.rawValue &+ index &* UInt(T.byteCount)).store(value)
                }
            }
            if done == 0 {
                guard cpu.store(target, value) else { return (0, false) }
                done = 1
            }
            let bytes = Int64(bitPattern: done &* UInt64(T.byteCount)) &* cpu.state.direction
            advance(cpu, Register.rdi, by: bytes, mask: mask)
            return (done, false)
        }
    }

    @inline(__always)
    private static func fetch<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let mask = mask(op)
        return iterate(cpu, op) { _ in
            guard let source = source(cpu, op, mask, T.self),
                let value = cpu.load(source, T.self)
            else { return (0, false) }
            cpu.set(Register.rax, value)
            advance(
                cpu, Register.rsi, by: Int64(T.byteCount) &* cpu.state.direction, mask: mask)
            return (1, false)
        }
    }

    @inline(__always)
    private static func compare<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let mask = mask(op)
        return iterate(cpu, op) { _ in
            guard let target = target(cpu, op, mask, T.self, write: false),
                let b = cpu.load(target, T.self), let source = source(cpu, op, mask, T.self),
                let a = cpu.load(source, T.self)
            else { return (0, false) }
            _ = Compare.apply(a, b, &cpu.flags)
            let bytes = Int64(T.byteCount) &* cpu.state.direction
            advance(cpu, Register.rsi, by: bytes, mask: mask)
            advance(cpu, Register.rdi, by: bytes, mask: mask)
            return (1, (a == b) != (op.extra >> 2 & 3 == 1))
        }
    }

    @inline(__always)
    private static func scan<T: Word>(_ p: UInt, _ o: UInt, _: T.Type) -> UInt {
        let cpu = Processor(p)
        let op = Op(o)
        let mask = mask(op)
        let wanted = cpu.get(Register.rax, T.self)
        return iterate(cpu, op) { _ in
            guard let target = target(cpu, op, mask, T.self, write: false),
                let value = cpu.load(target, T.self)
            else { return (0, false) }
            _ = Compare.apply(wanted, value, &cpu.flags)
            advance(
                cpu, Register.rdi, by: Int64(T.byteCount) &* cpu.state.direction, mask: mask)
            return (1, (wanted == value) != (op.extra >> 2 & 3 == 1))
        }
    }

    /// By size 0 to 3.
    static let moves: [Handler] = [
        { move($0, $1, UInt8.self) }, { move($0, $1, UInt16.self) },
        { move($0, $1, UInt32.self) }, { move($0, $1, UInt64.self) },
    ]
    static let fills: [Handler] = [
        { fill($0, $1, UInt8.self) }, { fill($0, $1, UInt16.self) },
        { fill($0, $1, UInt32.self) }, { fill($0, $1, UInt64.self) },
    ]
    static let fetches: [Handler] = [
        { fetch($0, $1, UInt8.self) }, { fetch($0, $1, UInt16.self) },
        { fetch($0, $1, UInt32.self) }, { fetch($0, $1, UInt64.self) },
    ]
    static let compares: [Handler] = [
        { compare($0, $1, UInt8.self) }, { compare($0, $1, UInt16.self) },
        { compare($0, $1, UInt32.self) }, { compare($0, $1, UInt64.self) },
    ]
    static let scans: [Handler] = [
        { scan($0, $1, UInt8.self) }, { scan($0, $1, UInt16.self) },
        { scan($0, $1, UInt32.self) }, { scan($0, $1, UInt64.self) },
    ]
}
