// SPDX-License-Identifier: Apache-2.0

/// The register stack and the exceptions of the x87 unit. Intel SDM 1, 8.1.2, 8.5.
extension Processor {
    /// The context of an operation under the present control word.
    @inline(__always) var x87Context: FloatContext { FloatContext(control: state.x87.control) }

    /// Physical number of ST(`index`).
    @inline(__always) private func physical(_ index: UInt8) -> UInt8 {
        (state.x87.top &+ index) & 7
    }

    @inline(__always) func isEmptyX87(_ index: UInt8) -> Bool {
        state.x87.empty & (1 &<< physical(index)) != 0
    }

    /// ST(`index`), empty or not.
    @inline(__always) func stack(_ index: UInt8) -> Extended {
        state.x87.registers[Int(physical(index))]
    }

    /// Writes ST(`index`), which is then not empty.
    @inline(__always) func setStack(_ index: UInt8, _ value: Extended) {
        let number = physical(index)
        state.x87.registers[Int(number)] = value
        state.x87.empty &= ~(1 &<< number)
    }

    @inline(__always) func popX87() {
        state.x87.empty |= 1 &<< physical(0)
        state.x87.top = physical(1)
    }

    /// An exception waits that the next instruction but the control ones must raise.
    @inline(__always) var x87Waits: Bool { state.x87.status & 0x80 != 0 }

    /// Derives ES and B from exceptions and masks.
    func updateX87Summary() {
        let unmasked = state.x87.status & ~state.x87.control & X87Status.exceptions
        state.x87.status =
            state.x87.status & ~X87Status.waits | (unmasked != 0 ? X87Status.waits : 0)
    }

    /// Notes what an operation found, with C1. False: the operation must not take effect.
    @inline(__always) func settle(_ context: FloatContext) -> Bool {
        state.x87.status &= ~X87Status.c1
        return context.flags == 0 || settleFlags(context)
    }

    @inline(never) private func settleFlags(_ context: FloatContext) -> Bool {
        let early = context.unmasked & X87Status.early
        let flags = early != 0 ? context.flags & X87Status.early : context.flags
        state.x87.status |= flags
        if flags & X87Status.precision != 0 && context.roundedUp {
            state.x87.status |= X87Status.c1
        }
        if flags & ~context.control & X87Status.exceptions != 0 {
            state.x87.status |= X87Status.waits
        }
        return early == 0
    }

    /// Notes a stack overflow or underflow. True if it is masked: the result is the indefinite.
    @inline(never) func stackFault(overflow: Bool) -> Bool {
        state.x87.status =
            state.x87.status & ~X87Status.c1 | X87Status.invalid | X87Status.stackFault
            | (overflow ? X87Status.c1 : 0)
        if state.x87.control & X87Status.invalid != 0 { return true }
        state.x87.status |= X87Status.waits
        return false
    }

    /// Pushes a value that was found with `context`.
    @inline(__always) func pushX87(_ value: Extended, _ context: FloatContext) {
        var value = value
        if !isEmptyX87(7) {
            guard stackFault(overflow: true) else { return }
            value = .indefinite
        } else {
            // A denormal is loaded even if it is not masked.
            guard settle(context) || context.flags & X87Status.invalid == 0 else { return }
        }
        state.x87.top = physical(7)
        setStack(0, value)
    }
}

/// Handlers of the x87 instructions. `rm` is the number of a stack register, 0 to 7.
enum X87Handlers {
    /// Runs an instruction unless an exception waits.
    @inline(__always) static func waiting(
        _ processor: UInt, _ operation: UInt, _ body: (Processor, Op) -> UInt
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        if cpu.x87Waits { return cpu.raise(op, .floatingPoint) }
        return body(cpu, op)
    }

    /// The step before instructions where CR0 may forbid the unit: EM or TS.
    static let available: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        if cpu.state.cr0 & (ControlBits.em | ControlBits.ts) != 0 {
            return cpu.raise(op, .deviceNotAvailable)
        }
        return op.next
    }

    /// WAIT: TS forbids it only together with MP.
    static let wait: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let both = ControlBits.mp | ControlBits.ts
        if cpu.state.cr0 & both == both { return cpu.raise(op, .deviceNotAvailable) }
        if cpu.x87Waits { return cpu.raise(op, .floatingPoint) }
        return op.next
    }
}
