// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// IN, OUT, INS, OUTS. Intel SDM 2; SDM 1, 19.5 for what a program may touch.
extension Processor {
    /// True if the program may use `byteCount` ports from `port`; else an exception is pending.
    private func mayUse(_ port: UInt16, byteCount: Int) -> Bool {
        let iopl = UInt8(truncatingIfNeeded: state.systemFlags >> 12) & 3
        if state.privilege <= iopl { return true }
        // The bitmap belongs to 32-bit and 64-bit task state segments.
        guard state.task.attributes & 0x88 == 0x88, state.task.limit >= 103 else {
            pend(.generalProtection)
            return false
        }
        guard let map = systemLoad(state.task.base &+ 102, UInt16.self) else { return false }
        let offset = UInt32(map) &+ UInt32(port >> 3)
        guard offset &+ 1 <= state.task.limit else {
            pend(.generalProtection)
            return false
        }
        guard let bits = systemLoad(state.task.base &+ UInt64(offset), UInt16.self) else {
            return false
        }
        let mask = (UInt16(1) &<< UInt16(byteCount)) &- 1
        guard bits >> (port & 7) & mask == 0 else {
            pend(.generalProtection)
            return false
        }
        return true
    }

    /// The port of `op`: DX, or the immediate if it is not negative.
    private func port(_ op: Op) -> UInt16 {
        op.immediate < 0 ? get(Register.rdx, UInt16.self) : UInt16(op.immediate & 0xff)
    }

    /// IN; `extra` is the operand size, 0 to 2.
    func input(_ op: Op) -> UInt {
        let size = Int(op.extra)
        let port = port(op)
        guard mayUse(port, byteCount: 1 &<< size) else { return fault(op) }
        let value = atInstruction(op) { $0.readPort(port, size: 1 &<< size) }
        switch size {
        case 0: set(Register.rax, UInt8(truncatingIfNeeded: value))
        case 1: set(Register.rax, UInt16(truncatingIfNeeded: value))
        default: set(Register.rax, value)
        }
        return op.next
    }

    /// OUT; `extra` is the operand size, 0 to 2.
    func output(_ op: Op) -> UInt {
        let size = Int(op.extra)
        let port = port(op)
        guard mayUse(port, byteCount: 1 &<< size) else { return fault(op) }
        let mask: UInt32 = size == 2 ? .max : (1 &<< (8 &<< UInt32(size))) &- 1
        let value = get(Register.rax, UInt32.self) & mask
        atInstruction(op) { $0.writePort(port, size: 1 &<< size, value: value) }
        return op.next
    }

    // MARK: Strings

    /// Elements that one execution of a repeated instruction moves before others get a turn.
    private static var turn: Int { 256 }

    /// INS. `extra`: size in bits 0 and 1, address size in 2 and 3, bit 4 repeats.
    func inputString(_ op: Op) -> UInt { string(op, isInput: true) }
    /// OUTS. The operation's segment is that of the source.
    func outputString(_ op: Op) -> UInt { string(op, isInput: false) }

    private func string(_ op: Op, isInput: Bool) -> UInt {
        let addressSize = Int(op.extra >> 2 & 3)
        let repeats = op.extra & 16 != 0
        guard repeats else {
            return element(op, isInput: isInput, addressSize) ? op.next : fault(op)
        }
        // Permission is asked for even if nothing is moved.
        guard mayUse(get(Register.rdx, UInt16.self), byteCount: 1 &<< Int(op.extra & 3)) else {
            return fault(op)
        }
        for _ in 0..<Self.turn {
            let count = addressBits(Register.rcx, addressSize)
            if count == 0 { return op.next }
            guard element(op, isInput: isInput, addressSize) else { return fault(op) }
            setSized(Register.rcx, count &- 1, size: addressSize)
        }
        if addressBits(Register.rcx, addressSize) == 0 { return op.next }
        return fault(op)
    }

    private func addressBits(_ register: UInt8, _ size: Int) -> UInt64 {
        switch size {
        case 1: get64(register) & 0xffff
        case 2: get64(register) & 0xffff_ffff
        default: get64(register)
        }
    }

    /// Moves one element. False: an exception is pending.
    private func element(_ op: Op, isInput: Bool, _ addressSize: Int) -> Bool {
        let size = Int(op.extra & 3)
        let port = get(Register.rdx, UInt16.self)
        guard mayUse(port, byteCount: 1 &<< size) else { return false }
        let pointer = isInput ? Register.rdi : Register.rsi
        let offset = addressBits(pointer, addressSize)
        let linear =
            state.mode.is64
            ? offset &+ get64(op.segment)
            : legacyAddress(
                Register.segment(op.segment), offset, byteCount: 1 &<< size, write: isInput)
        guard let linear else { return false }
        if isInput {
            // The device is read only if the element can be stored.
            guard probeWrite(linear, byteCount: 1 &<< size) else { return false }
            let value = atInstruction(op) { $0.readPort(port, size: 1 &<< size) }
            guard programStore(linear, size: size, UInt64(value)) else { return false }
        } else {
            guard let value = programLoad(linear, size: size) else { return false }
            atInstruction(op) {
                $0.writePort(
                    port, size: 1 &<< size, value: UInt32(truncatingIfNeeded: value))
            }
        }
        let step = UInt64(bitPattern: state.direction) &<< UInt64(size)
        setSized(pointer, offset &+ step, size: addressSize)
        return true
    }
}
