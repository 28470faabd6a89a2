// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// What became of a delivery.
enum DeliveryResult {
    /// The handler's first instruction is next.
    case delivered
    /// A third fault: the processor is in shutdown.
    case shutdown
}

/// Something that goes through the interrupt descriptor table.
struct InterruptEvent {
    enum Kind {
        /// Found by the processor: faults and traps.
        case exception
        /// From an interrupt controller, or NMI.
        case external
        /// INT n, INT3, INTO: the gate's DPL is checked, and faults are not external.
        case software
    }

    var vector: UInt8
    var kind = Kind.exception
    var errorCode: UInt32?
    /// Linear address to return to.
    var returnAddress: UInt64

    /// The EXT bit of error codes of faults met on the way.
    var external: UInt32 { kind == .software ? 0 : 1 }
    /// Of faults in the gate itself.
    func gateCode(external: UInt32) -> UInt32 {
        UInt32(vector) << 3 | 2 | external
    }

    /// RF is set in the image of RFLAGS of faults, so that a breakpoint on the instruction does not
    /// hit again. Intel SDM 3, 18.3.1.1.
    var setsResume: Bool {
        guard kind == .exception else { return false }
        return switch vector {
        case 1, 3, 4, 8, 18: false
        default: true
        }
    }
}

/// Delivery of exceptions and interrupts. Intel SDM 3, 6.12 to 6.15; AMD APM 2, 8.
extension Processor {
    /// Delivers the pending exception; ``ProcessorState/rip`` is what is saved.
    ///
    /// A fault on the way leads to that fault or to #DF after the rules of Intel SDM 3, table 6-5,
    /// a third one to shutdown. Task gates are refused like gates of no valid type: there is no
    /// hardware task switching.
    func deliver() -> DeliveryResult {
        let pending = state.pending
        guard pending.vector != 0xff else { return .delivered }
        return deliver(
            InterruptEvent(
                vector: pending.vector, kind: pending.isSoftware ? .software : .exception,
                errorCode: pending.hasErrorCode ? pending.errorCode : nil,
                returnAddress: state.rip))
    }

    /// Delivers `vector` from an interrupt controller. The caller has seen to RFLAGS.IF.
    func deliver(interrupt vector: UInt8) -> DeliveryResult {
        deliver(InterruptEvent(vector: vector, kind: .external, returnAddress: state.rip))
    }

    /// Delivers an NMI; more of them wait for IRET (`system.nmiBlocked`, which the caller heeds).
    func deliverNMI() -> DeliveryResult {
        state.system.nmiBlocked = true
        return deliver(InterruptEvent(vector: 2, kind: .external, returnAddress: state.rip))
    }

    private func deliver(_ first: InterruptEvent) -> DeliveryResult {
        var event = first
        while true {
            state.pending = PendingException()
            if enter(event) {
                state.pending = PendingException()
                state.inhibitInterrupts = false
                return .delivered
            }
            let second = state.pending
            let gravity = Gravity(event)
            if gravity == .doubleFault {
                state.pending = PendingException()
                return .shutdown
            }
            if gravity.makesDoubleFault(with: Gravity(second)) {
                event = InterruptEvent(vector: 8, errorCode: 0, returnAddress: first.returnAddress)
            } else {
                event = InterruptEvent(
                    vector: second.vector, errorCode: second.hasErrorCode ? second.errorCode : nil,
                    returnAddress: first.returnAddress)
            }
        }
    }

    /// Goes through the table once. False: a fault is pending, nothing but memory below the new
    /// stack pointer has changed.
    func enter(_ event: InterruptEvent) -> Bool {
        guard state.mode.has(CodeMode.protected) else { return enterReal(event) }
        let isLong = state.mode.has(CodeMode.longActive)
        let done = isLong ? enterLong(event) : enterProtected(event)
        if done, event.vector == 1, event.kind == .exception {
            // DR7.GD, so that the handler can use the debug registers.
            state.debug[7] &= ~0x2000
        }
        return done
    }

    /// RFLAGS as `event` saves it.
    func savedFlags(_ event: InterruptEvent) -> UInt64 {
        event.setsResume ? rflags | ControlBits.rf : rflags
    }

    private func enterReal(_ event: InterruptEvent) -> Bool {
        let offset = UInt32(event.vector) << 2
        guard offset &+ 3 <= UInt32(state.idt.limit) else {
            pend(.generalProtection)
            return false
        }
        guard let entry = systemLoad(state.idt.base &+ UInt64(offset), UInt32.self) else {
            return false
        }
        var stack = StackCursor(state.segments[2], pointer: rsp, isSystem: false)
        guard stack.push(rflags & 0xffff, size: 1, self),
            stack.push(UInt64(state.segments[1].selector), size: 1, self),
            stack.push(codeOffset(event.returnAddress), size: 1, self)
        else { return false }
        stack.commit(self)
        state.systemFlags &= ~(ControlBits.interrupt | ControlBits.tf | ControlBits.ac)
        enterReal(UInt16(truncatingIfNeeded: entry >> 16), UInt64(entry & 0xffff))
        return true
    }
}

/// How grave a fault is when another one follows. Intel SDM 3, table 6-4.
private enum Gravity {
    case benign, contributory, page, doubleFault

    init(vector: UInt8) {
        self =
            switch vector {
            case 0, 10, 11, 12, 13: .contributory
            case 14: .page
            case 8: .doubleFault
            default: .benign
            }
    }

    init(_ event: InterruptEvent) {
        self = event.kind == .exception ? Gravity(vector: event.vector) : .benign
    }

    init(_ pending: PendingException) { self.init(vector: pending.vector) }

    func makesDoubleFault(with second: Gravity) -> Bool {
        switch self {
        case .contributory: second == .contributory
        case .page: second == .contributory || second == .page
        default: false
        }
    }
}
