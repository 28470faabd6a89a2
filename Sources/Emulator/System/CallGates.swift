// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A call gate. Intel SDM 3, 5.8.3 to 5.8.5.
struct CallGate {
    var selector: UInt16
    var offset: UInt64
    /// Words or doublewords copied from the caller's stack.
    var parameterCount: Int
    /// Of what is pushed: 1, 2, 3 for 16, 32, 64 bits.
    var size: Int
}

extension Processor {
    /// Takes `descriptor`, which `selector` named, as a call gate; #GP or #NP with the selector if
    /// it is none. Task gates and task state segments are refused: no hardware task switching.
    func callGate(_ selector: UInt16, _ descriptor: Descriptor) -> CallGate? {
        let isLong = state.mode.has(CodeMode.longActive)
        let type = descriptor.type
        guard type == 0x0c || type == 4 && !isLong else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard descriptor.dpl >= state.privilege, descriptor.dpl >= UInt8(selector & 3) else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard descriptor.isPresent else {
            _ = refuse(.segmentNotPresent, selector)
            return nil
        }
        let low = descriptor.low
        var gate = CallGate(
            selector: UInt16(truncatingIfNeeded: low >> 16),
            offset: low & 0xffff, parameterCount: Int(low >> 32 & 31), size: type == 4 ? 1 : 2)
        if type == 0x0c { gate.offset |= low >> 32 & 0xffff_0000 }
        guard isLong else { return gate }
        guard let address = descriptorAddress(selector, byteCount: 16) else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard let high = systemLoad(address &+ 8, UInt64.self) else { return nil }
        guard high >> 40 & 0x1f == 0 else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        gate.offset |= high << 32
        gate.size = 3
        gate.parameterCount = 0
        return gate
    }

    /// The code segment behind `gate`. A jump cannot go to an inner level.
    func gateTarget(_ gate: CallGate, isJump: Bool) -> CodeTarget? {
        let selector = gate.selector
        guard selector & 0xfffc != 0 else {
            pend(.generalProtection)
            return nil
        }
        guard let descriptor = descriptor(selector, else: .generalProtection) else { return nil }
        let isLong = state.mode.has(CodeMode.longActive)
        let rightKind = !isLong || descriptor.isLong && !descriptor.isBig
        let level = state.privilege
        let allowed =
            isJump && !descriptor.isConforming ? descriptor.dpl == level : descriptor.dpl <= level
        guard descriptor.isCode, rightKind, allowed else {
            _ = refuse(.generalProtection, selector)
            return nil
        }
        guard descriptor.isPresent else {
            _ = refuse(.segmentNotPresent, selector)
            return nil
        }
        let target = CodeTarget(
            segment: descriptor.segment(selector), offset: gate.offset,
            privilege: descriptor.isConforming ? level : descriptor.dpl)
        guard isReachable(target), markAccessed(selector, descriptor) else { return nil }
        return target
    }

    /// CALL through `gate`; `back` is the offset to return to. False: an exception is pending.
    func callThrough(_ gate: CallGate, _ back: UInt64) -> Bool {
        guard let target = gateTarget(gate, isJump: false) else { return false }
        if target.privilege < state.privilege { return callInner(gate, target, back) }
        // Without a change of level a 64-bit gate's frame still has 64-bit words.
        var stack = gate.size == 3 ? StackCursor(long: rsp, isSystem: false) : StackCursor(self)
        guard pushReturn(&stack, back, gate.size) else { return false }
        stack.commit(self)
        enter(target)
        return true
    }

    private func callInner(_ gate: CallGate, _ target: CodeTarget, _ back: UInt64) -> Bool {
        var stack: StackCursor
        let segment: Segment
        if gate.size == 3 {
            let offset = 4 &+ UInt32(target.privilege) &* 8
            guard let pointer = taskLoad(offset, size: 3, external: 0) else { return false }
            segment = nullSegment(UInt16(target.privilege))
            stack = StackCursor(long: pointer, isSystem: true)
        } else {
            guard let inner = innerStack(target.privilege, external: 0) else { return false }
            segment = inner.segment
            stack = StackCursor(
                segment, pointer: inner.pointer, isSystem: true,
                errorCode: UInt32(segment.selector & 0xfffc))
        }
        var outer = StackCursor(self)
        guard stack.push(UInt64(state.segments[2].selector), size: gate.size, self),
            stack.push(rsp, size: gate.size, self),
            copyParameters(gate, from: &outer, to: &stack),
            pushReturn(&stack, back, gate.size)
        else { return false }
        setSegment(2, segment)
        stack.commit(self)
        enter(target)
        return true
    }

    /// Copies the gate's parameters so that they lie in the same order on the new stack.
    private func copyParameters(
        _ gate: CallGate, from outer: inout StackCursor, to inner: inout StackCursor
    ) -> Bool {
        var values = InlineArray<32, UInt64>(repeating: 0)
        for index in 0..<gate.parameterCount {
            guard let value = outer.pop(size: gate.size, self) else { return false }
            values[index] = value
        }
        for index in (0..<gate.parameterCount).reversed() {
            guard inner.push(values[index], size: gate.size, self) else { return false }
        }
        return true
    }
}
