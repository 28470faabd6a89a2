// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A code segment that has passed its checks, and where in it execution goes on.
struct CodeTarget {
    var segment: Segment
    /// EIP or RIP.
    var offset: UInt64
    /// CPL there.
    var privilege: UInt8

    /// L is set: 64-bit code.
    var isLong: Bool { segment.attributes & 0x2000 != 0 }
}

/// What far transfers have in common. Intel SDM 3, 5.8.
extension Processor {
    /// EIP or RIP for a linear address of the present code segment.
    func codeOffset(_ linear: UInt64) -> UInt64 {
        let offset = linear &- get64(Register.base(of: 1))
        return state.mode.is64 ? offset : offset & 0xffff_ffff
    }

    /// Checks that `descriptor` is a code segment of the kind that the mode has: code, and not both
    /// L and D in long mode.
    func isUsableCode(_ descriptor: Descriptor) -> Bool {
        guard descriptor.isCode else { return false }
        let both = descriptor.isLong && descriptor.isBig
        return !(state.mode.has(CodeMode.longActive) && both)
    }

    /// Checks `offset` against the limit of legacy code, or for being canonical.
    func isReachable(_ target: CodeTarget, errorCode: UInt32 = 0) -> Bool {
        let inside =
            target.isLong && state.mode.has(CodeMode.longActive)
            ? isCanonical(target.offset)
            : target.offset <= UInt64(target.segment.limit)
        if !inside { pend(.generalProtection, errorCode: errorCode) }
        return inside
    }

    /// Loads CS and CPL, and makes the target's address the next one. The caller leaves the block.
    func enter(_ target: CodeTarget) {
        var segment = target.segment
        segment.selector = segment.selector & 0xfffc | UInt16(target.privilege)
        state.privilege = target.privilege
        setSegment(1, segment)
        updateMode()
        let offset = state.mode.is64 ? target.offset : target.offset & 0xffff_ffff
        state.rip = state.mode.is64 ? offset : (segment.base &+ offset) & 0xffff_ffff
    }

    /// Real mode: CS:IP.
    func enterReal(_ selector: UInt16, _ offset: UInt64) {
        loadReal(1, selector)
        state.rip = get64(Register.base(of: 1)) &+ offset
    }

    /// The code segment that a jump or call names itself, at the present CPL.
    func directTarget(
        _ selector: UInt16, _ descriptor: Descriptor, offset: UInt64
    ) -> CodeTarget? {
        let rpl = UInt8(selector & 3)
        let allowed =
            descriptor.isConforming
            ? descriptor.dpl <= state.privilege
            : rpl <= state.privilege && descriptor.dpl == state.privilege
        guard isUsableCode(descriptor), allowed else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard descriptor.isPresent else {
            _ = refuse(.segmentNotPresent, selector)
            return nil
        }
        let target = CodeTarget(
            segment: descriptor.segment(selector), offset: offset, privilege: state.privilege)
        guard isReachable(target), markAccessed(selector, descriptor) else { return nil }
        return target
    }

    /// The code segment that a return pops, for RETF and IRET.
    func returnTarget(_ selector: UInt16, offset: UInt64) -> CodeTarget? {
        guard selector & 0xfffc != 0 else {
            pend(.generalProtection)
            return nil
        }
        guard let descriptor = descriptor(selector, else: .generalProtection) else { return nil }
        let rpl = UInt8(selector & 3)
        let allowed = descriptor.isConforming ? descriptor.dpl <= rpl : descriptor.dpl == rpl
        guard isUsableCode(descriptor), rpl >= state.privilege, allowed else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard descriptor.isPresent else {
            _ = refuse(.segmentNotPresent, selector)
            return nil
        }
        let target = CodeTarget(
            segment: descriptor.segment(selector), offset: offset, privilege: rpl)
        guard isReachable(target), markAccessed(selector, descriptor) else { return nil }
        return target
    }

    /// The stack segment that a return to `target` pops.
    func returnStack(_ selector: UInt16, for target: CodeTarget) -> Segment? {
        if selector & 0xfffc == 0 {
            let long = target.isLong && state.mode.has(CodeMode.longActive)
            guard long, target.privilege != 3, UInt8(selector & 3) == target.privilege else {
                pend(.generalProtection)
                return nil
            }
            return nullSegment(selector)
        }
        guard let descriptor = descriptor(selector, else: .generalProtection),
            checkStack(
                selector, descriptor, privilege: target.privilege, .generalProtection),
            markAccessed(selector, descriptor)
        else { return nil }
        return descriptor.segment(selector)
    }

    /// Reads `size` (1 to 3) at `offset` of the task state segment; #TS beyond its limit.
    func taskLoad(_ offset: UInt32, size: Int, external: UInt32) -> UInt64? {
        let last = offset &+ (1 &<< UInt32(size)) &- 1
        guard last <= state.task.limit else {
            _ = refuse(.invalidTSS, state.task.selector, external: external)
            return nil
        }
        return systemLoad(state.task.base &+ UInt64(offset), size: size)
    }

    /// The stack of inner level `privilege`, from the task state, in legacy mode.
    func innerStack(_ privilege: UInt8, external: UInt32) -> (segment: Segment, pointer: UInt64)? {
        // 32-bit task state segments have types 9 and 11, 16-bit ones 1 and 3.
        let size = state.task.attributes & 8 != 0 ? 2 : 1
        let width: UInt32 = size == 2 ? 4 : 2
        let offset = width &+ UInt32(privilege) &* width &* 2
        guard let pointer = taskLoad(offset, size: size, external: external),
            let raw = taskLoad(offset &+ width, size: 1, external: external)
        else { return nil }
        let selector = UInt16(truncatingIfNeeded: raw)
        guard selector & 0xfffc != 0 else {
            _ = refuse(.invalidTSS, selector, external: external)
            return nil
        }
        guard let descriptor = descriptor(selector, else: .invalidTSS, external: external),
            checkStack(
                selector, descriptor, privilege: privilege, .invalidTSS, external: external),
            markAccessed(selector, descriptor)
        else { return nil }
        return (descriptor.segment(selector), pointer)
    }
}
