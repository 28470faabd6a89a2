// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A gate of the interrupt descriptor table. Intel SDM 3, 6.11 and 6.14.1.
private struct InterruptGate {
    let low: UInt64
    /// Bits 32 to 63 of the offset, in long mode.
    var high: UInt64 = 0

    var type: UInt8 { UInt8(truncatingIfNeeded: low >> 40) & 0x1f }
    var dpl: UInt8 { UInt8(truncatingIfNeeded: low >> 45) & 3 }
    var isPresent: Bool { low >> 47 & 1 != 0 }
    var selector: UInt16 { UInt16(truncatingIfNeeded: low >> 16) }
    var stackIndex: UInt32 { UInt32(truncatingIfNeeded: low >> 32) & 7 }
    /// Interrupt gates clear IF, trap gates do not.
    var masksInterrupts: Bool { type & 1 == 0 }
    var is32: Bool { type & 8 != 0 }

    var offset: UInt64 {
        let low32 = (low & 0xffff) | (low >> 32 & 0xffff_0000)
        return is32 ? low32 | high << 32 : low32 & 0xffff
    }
}

extension Processor {
    // MARK: Long mode

    /// 64-bit mode and compatibility mode. Intel SDM 3, 6.14.
    func enterLong(_ event: InterruptEvent) -> Bool {
        guard let gate = gate(event, entryBytes: 16),
            let target = gateTarget(gate, event.external),
            let pointer = longStack(gate, target, event.external)
        else { return false }
        let isSystem = target.privilege < 3
        var stack = StackCursor(long: pointer & ~15, isSystem: isSystem, errorCode: event.external)
        guard stack.push(UInt64(state.segments[2].selector), size: 3, self),
            stack.push(rsp, size: 3, self),
            stack.push(savedFlags(event), size: 3, self),
            stack.push(UInt64(state.segments[1].selector), size: 3, self),
            stack.push(codeOffset(event.returnAddress), size: 3, self)
        else { return false }
        if let code = event.errorCode, !stack.push(UInt64(code), size: 3, self) { return false }
        stack.commit(self)
        if target.privilege != state.privilege {
            setSegment(2, nullSegment(UInt16(target.privilege)))
        }
        finish(gate, target)
        return true
    }

    /// RSP before it is aligned: from the interrupt stack table, the task state, or as it is.
    private func longStack(
        _ gate: InterruptGate, _ target: CodeTarget, _ external: UInt32
    ) -> UInt64? {
        let pointer: UInt64
        if gate.stackIndex != 0 {
            let offset = 0x1c &+ gate.stackIndex &* 8
            guard let value = taskLoad(offset, size: 3, external: external) else { return nil }
            pointer = value
        } else if target.privilege < state.privilege {
            let offset = 4 &+ UInt32(target.privilege) &* 8
            guard let value = taskLoad(offset, size: 3, external: external) else { return nil }
            pointer = value
        } else {
            pointer = rsp
        }
        guard isCanonical(pointer) else {
            pend(.stack, errorCode: external)
            return nil
        }
        return pointer
    }

    // MARK: Legacy protected mode

    /// 16-bit and 32-bit gates. Intel SDM 3, 6.12.
    func enterProtected(_ event: InterruptEvent) -> Bool {
        guard let gate = gate(event, entryBytes: 8),
            let target = gateTarget(gate, event.external)
        else { return false }
        let inner = target.privilege < state.privilege
        var newStack: Segment?
        var stack: StackCursor
        if inner {
            guard let (segment, pointer) = innerStack(target.privilege, external: event.external)
            else { return false }
            newStack = segment
            stack = StackCursor(
                segment, pointer: pointer, isSystem: true, errorCode: event.external)
        } else {
            stack = StackCursor(
                state.segments[2], pointer: rsp, isSystem: false, errorCode: event.external)
        }
        guard isReachable(target, errorCode: event.external) else { return false }
        let size = gate.is32 ? 2 : 1
        if inner {
            guard stack.push(UInt64(state.segments[2].selector), size: size, self),
                stack.push(rsp, size: size, self)
            else { return false }
        }
        guard stack.push(savedFlags(event), size: size, self),
            stack.push(UInt64(state.segments[1].selector), size: size, self),
            stack.push(codeOffset(event.returnAddress), size: size, self)
        else { return false }
        if let code = event.errorCode, !stack.push(UInt64(code), size: size, self) { return false }
        if let newStack { setSegment(2, newStack) }
        stack.commit(self)
        finish(gate, target)
        return true
    }

    // MARK: Both

    private func finish(_ gate: InterruptGate, _ target: CodeTarget) {
        var cleared = ControlBits.tf | ControlBits.nt | ControlBits.rf | ControlBits.vm
        if gate.masksInterrupts { cleared |= ControlBits.interrupt }
        state.systemFlags &= ~cleared
        enter(target)
    }

    /// Reads and checks the gate of `event`.
    private func gate(_ event: InterruptEvent, entryBytes: UInt32) -> InterruptGate? {
        let code = event.gateCode(external: event.external)
        let offset = UInt32(event.vector) &* entryBytes
        guard offset &+ entryBytes &- 1 <= UInt32(state.idt.limit) else {
            pend(.generalProtection, errorCode: code)
            return nil
        }
        let address = state.idt.base &+ UInt64(offset)
        guard let low = systemLoad(address, UInt64.self) else { return nil }
        var gate = InterruptGate(low: low)
        if entryBytes == 16 {
            guard let high = systemLoad(address &+ 8, UInt32.self) else { return nil }
            gate.high = UInt64(high)
        }
        let valid =
            switch gate.type {
            case 0x0e, 0x0f: true
            case 0x06, 0x07: entryBytes == 8
            default: false
            }
        guard valid, event.kind != .software || gate.dpl >= state.privilege else {
            pend(.generalProtection, errorCode: code)
            return nil
        }
        guard gate.isPresent else {
            pend(.segmentNotPresent, errorCode: code)
            return nil
        }
        return gate
    }

    /// The code segment of `gate`, and the level it runs at.
    private func gateTarget(_ gate: InterruptGate, _ external: UInt32) -> CodeTarget? {
        let selector = gate.selector
        guard selector & 0xfffc != 0 else {
            pend(.generalProtection, errorCode: external)
            return nil
        }
        guard
            let descriptor = descriptor(selector, else: .generalProtection, external: external)
        else { return nil }
        let isLong = state.mode.has(CodeMode.longActive)
        let rightKind = !isLong || descriptor.isLong && !descriptor.isBig
        guard descriptor.isCode, descriptor.dpl <= state.privilege, rightKind else {
            _ = refuse(.generalProtection, selector, external: external)
            return nil
        }
        guard descriptor.isPresent else {
            _ = refuse(.segmentNotPresent, selector, external: external)
            return nil
        }
        let privilege = descriptor.isConforming ? state.privilege : descriptor.dpl
        let target = CodeTarget(
            segment: descriptor.segment(selector), offset: gate.offset, privilege: privilege)
        if isLong && !isReachable(target, errorCode: external) { return nil }
        return markAccessed(selector, descriptor) ? target : nil
    }
}
