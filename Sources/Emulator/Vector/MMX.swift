// SPDX-License-Identifier: Apache-2.0

/// MMX registers, and the steps that make MMX instructions of the vector handlers: the operands go
/// to the scratch vectors, the handler runs on these, the result goes back. Intel SDM 1, 9.
extension Vectors {
    /// MM `reg` to the work vector, MM `rm` (if the immediate is not 0) to the memory vector; an x87
    /// exception that waits is raised. Changes nothing else yet.
    static let enterMMX: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.setVector(work, Vector(cpu.mmx(op.reg), 0))
        if op.immediate != 0 { cpu.setVector(memory, Vector(cpu.mmx(op.rm), 0)) }
        return op.next
    }
    /// An x87 exception that waits comes before those of the memory operand.
    static let waitMMX: Handler = { processor, operation in
        let op = Op(operation)
        return Processor(processor).pendingX87(op) ?? op.next
    }
    /// As ``enterMMX``, both operands in the work vector: destination low, source high.
    static let joinMMX: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        let source = op.immediate != 0 ? cpu.mmx(op.rm) : cpu.vector(memory)[0]
        cpu.setVector(work, Vector(cpu.mmx(op.reg), source))
        return op.next
    }
    /// The lower or upper half of the work vector to MM `reg`.
    static let leaveMMX: Handler = { leave($0, $1, 0) }
    static let leaveMMXHigh: Handler = { leave($0, $1, 1) }
    @inline(__always) private static func leave(
        _ processor: UInt, _ operation: UInt, _ half: Int
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.useMMX()
        cpu.setMMX(op.reg, cpu.vector(work)[half])
        return op.next
    }
    /// Ends an instruction that has read MMX registers and written none.
    static let useMMX: Handler = { processor, operation in
        Processor(processor).useMMX()
        return Op(operation).next
    }

    /// MOVD, MOVQ, MOVNTQ to memory, in one step: where it stores into its own block, steps behind it
    /// would look the instruction up again.
    static let storeMMX32: Handler = { storeMMX($0, $1, UInt32.self) }
    static let storeMMX64: Handler = { storeMMX($0, $1, UInt64.self) }
    @inline(__always) private static func storeMMX<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        let value = T(truncatingIfNeeded: cpu.mmx(op.reg))
        guard cpu.store(cpu.effectiveAddress(op), value) else { return cpu.fault(op) }
        cpu.useMMX()
        return op.next
    }

    /// MOVD, MOVQ from a general register.
    static let generalToMMX32: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.useMMX()
        cpu.setMMX(op.reg, UInt64(cpu.get(op.rm, UInt32.self)))
        return op.next
    }
    static let generalToMMX64: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.useMMX()
        cpu.setMMX(op.reg, cpu.get64(op.rm))
        return op.next
    }

    /// MOVQ2DQ: vector `reg` := MM `rm`. MOVDQ2Q: the other way round.
    static let mmxToVector: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.setVector(op.reg, Vector(cpu.mmx(op.rm), 0))
        cpu.useMMX()
        return op.next
    }
    static let vectorToMMX: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.useMMX()
        cpu.setMMX(op.reg, cpu.vector(op.rm)[0])
        return op.next
    }

    /// PSHUFW on the scratch vectors.
    static let shuffleWords: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let order = Int(truncatingIfNeeded: op.immediate)
        var result: UInt64 = 0
        for index in 0..<4 {
            let word: UInt16 = cpu.lane(op.rm, order &>> (2 &* index) & 3)
            result |= UInt64(word) &<< UInt64(16 &* index)
        }
        cpu.setVector(op.reg, Vector(result, 0))
        return op.next
    }

    /// EMMS: all registers are empty, and the stack top is 0.
    static let emptyMMX: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if let next = cpu.pendingX87(op) { return next }
        cpu.state.x87.empty = 0xff
        cpu.state.x87.top = 0
        return op.next
    }
}

extension Processor {
    /// An MMX instruction was carried out: the stack top is 0, no register is empty.
    @inline(__always) func useMMX() {
        state.x87.top = 0
        state.x87.empty = 0
    }

    /// Raises #MF if an unmasked x87 exception waits; the answer is then what the handler returns.
    @inline(__always) func pendingX87(_ op: Op) -> UInt? {
        guard state.x87.status & 0x80 != 0 else { return nil }
        return raise(op, .floatingPoint)
    }
}
