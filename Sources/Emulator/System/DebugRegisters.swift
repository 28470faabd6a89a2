// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Debug registers and debug exceptions. Intel SDM 3, 18.2.
///
/// DR6 and DR7 are `debug[6]` and `debug[7]`; they always have their fixed bits.
extension Processor {
    /// DR6 with no condition noted, as after reset.
    static var debugStatusReset: UInt64 { 0xffff_0ff0 }
    /// DR7 with nothing enabled, as after reset.
    static var debugControlReset: UInt64 { 0x400 }
    /// DR6: a task's single step, a debug register touched with DR7.GD set.
    static var debugStep: UInt64 { 1 << 14 }
    static var debugAccess: UInt64 { 1 << 13 }

    /// Pends #DB with `conditions` noted in DR6: bits 0 to 3 for the breakpoints,
    /// ``debugStep``, ``debugAccess``. B0 to B3 of earlier exceptions are forgotten.
    func pendDebug(_ conditions: UInt64) {
        state.debug[6] = state.debug[6] & ~0xf | conditions | Self.debugStatusReset
        pend(.debug)
    }

    /// True if any breakpoint is enabled in DR7, so that accesses must be compared at all.
    var hasBreakpoints: Bool { state.debug[7] & 0xff != 0 }

    /// The breakpoints (bits 0 to 3, as in DR6) that an instruction at `linear` hits; none while
    /// RFLAGS.RF is set.
    func instructionBreakpoints(at linear: UInt64) -> UInt64 {
        guard state.systemFlags & ControlBits.rf == 0 else { return 0 }
        return breakpoints(from: linear, byteCount: 1, kinds: 0b0001)
    }

    /// The breakpoints that a data access hits.
    func dataBreakpoints(at linear: UInt64, byteCount: UInt64, isWrite: Bool) -> UInt64 {
        breakpoints(from: linear, byteCount: byteCount, kinds: isWrite ? 0b1010 : 0b1000)
    }

    /// `kinds`: bit n for R/W field n: 0 execution, 1 writes, 2 ports, 3 reads and writes.
    private func breakpoints(from linear: UInt64, byteCount: UInt64, kinds: UInt64) -> UInt64 {
        let control = state.debug[7]
        var hits: UInt64 = 0
        for index in 0..<4 {
            let number = UInt64(index)
            let field = control >> (16 &+ number &* 4)
            let enabled = control >> (number &* 2) & 3 != 0
            guard enabled, kinds >> (field & 3) & 1 != 0 else { continue }
            // LEN 0 to 3: 1, 2, 8, 4 bytes.
            let length: UInt64 =
                switch field >> 2 & 3 {
                case 0: 1
                case 1: 2
                case 2: 8
                default: 4
                }
            let start = state.debug[index] & ~(length &- 1)
            // Overlap of two ranges, whatever wraps.
            if linear &- start < length || start &- linear < byteCount { hits |= 1 << number }
        }
        return hits
    }

    /// The register that DR`number` names: 4 and 5 are 6 and 7 unless CR4.DE. Nil: an exception is
    /// pending.
    private func debugNumber(_ number: UInt8) -> Int? {
        if number == 4 || number == 5 {
            guard state.cr4 & ControlBits.de == 0 else {
                pend(.invalidOpcode)
                return nil
            }
        }
        guard state.privilege == 0 else {
            pend(.generalProtection)
            return nil
        }
        if state.debug[7] & 0x2000 != 0 {
            pendDebug(state.debug[6] & 0xf | Self.debugAccess)
            return nil
        }
        return Int(number | (number & 4 != 0 ? 2 : 0))
    }

    /// MOV r, DRn: `reg` the number, `rm` the register, `extra` the size.
    func readDebug(_ op: Op) -> UInt {
        guard let number = debugNumber(op.reg) else { return fault(op) }
        setSized(op.rm, state.debug[number], size: Int(op.extra))
        return op.next
    }

    /// MOV DRn, r. Leaves the block.
    func writeDebug(_ op: Op) -> UInt {
        guard let number = debugNumber(op.reg) else { return fault(op) }
        let value = op.extra == 3 ? get64(op.rm) : get64(op.rm) & 0xffff_ffff
        if number >= 6 && value >> 32 != 0 { return raise(op, .generalProtection) }
        switch number {
        case 6: state.debug[6] = value & 0xe00f | Self.debugStatusReset
        case 7:
            state.debug[7] = value & 0xffff_23ff | Self.debugControlReset
            updateMode()
        default: state.debug[number] = value
        }
        return leave(op)
    }
}
