// SPDX-License-Identifier: Apache-2.0

/// The one-byte opcodes from C0 on: shifts, branches, groups 3 to 5.
extension Decoder {
    mutating func decodeCx(_ opcode: UInt8) throws(DecodeError) {
        let size = opcode & 1 == 0 ? 0 : self.size
        switch opcode {
        case 0xc0, 0xc1:
            try modRM()
            let count = try immediate8()
            finishOperand()
            emitShift(size: size, byCL: false, count: count)
        case 0xc2, 0xc3:
            let drop = opcode == 0xc2 ? Int64(UInt16(truncatingIfNeeded: try immediate16())) : 0
            let wide = stackSize == 3
            emit(
                wide ? BranchHandlers.ret : BranchHandlers.retLegacy, immediate: drop,
                extra: stackSize == 1 ? 2 : 4)
            endsBlock = true
        case 0xc6, 0xc7:
            try modRM()
            guard group == 0 else { throw .invalidOpcode }
            let value = try immediate(size: min(size, 2))
            finishOperand()
            let table =
                isMemory ? MoveHandlers.memoryFromImmediate : MoveHandlers.registerFromImmediate
            emit(
                table[size], reg: isMemory ? Register.zero : register(rm, size: size),
                immediate: value)
        case 0xc8:
            let frame = Int64(UInt16(truncatingIfNeeded: try immediate16()))
            let level = UInt8(truncatingIfNeeded: try immediate8())
            let bytes: UInt16 = stackSize == 1 ? 2 : stackSize == 2 ? 4 : 8
            emit(StackHandlers.enter, reg: level, immediate: frame, extra: bytes)
        case 0xc9:
            emit(
                stackSize == 3 ? StackHandlers.leave64 : StackHandlers.leaveLegacy,
                extra: stackSize == 1 ? 2 : 4)
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    private mutating func emitShift(size: Int, byCL: Bool, count: Int64) {
        emit(
            ShiftTable.handler(group, memory: isMemory, byCL: byCL, size: size),
            rm: isMemory ? Register.zero : register(rm, size: size), immediate: count)
    }

    mutating func decodeDx(_ opcode: UInt8) throws(DecodeError) {
        switch opcode {
        case 0xd0...0xd3:
            try modRM()
            finishOperand()
            emitShift(size: opcode & 1 == 0 ? 0 : size, byCL: opcode >= 0xd2, count: 1)
        case 0xd4, 0xd5:
            if is64 { throw .invalidOpcode }
            let base = try immediate8()
            emit(
                opcode == 0xd4
                    ? DecimalHandlers.adjustAfterMultiply : DecimalHandlers.adjustBeforeDivide,
                immediate: base)
        case 0xd6:
            if is64 { throw .invalidOpcode }
            emit(DecimalHandlers.setFromCarry)
        case 0xd7:
            let segment = segmentOverride ?? 3
            operand.segment = is64 && segment < 4 ? Register.zero : Register.base(of: segment)
            emit(MoveHandlers.translate, extra: UInt16(addressSize))
        default:
            try decodeX87(opcode)
        }
    }

    mutating func decodeEx(_ opcode: UInt8) throws(DecodeError) {
        switch opcode {
        case 0xe0...0xe3:
            let displacement = try immediate8()
            // AMD's processors take a prefix of LOOPNE and LOOPE for their condition.
            let isPrefixed = opcode < 0xe2 && repeatPrefix != 0
            let condition = isPrefixed ? repeatPrefix & 1 : opcode & 3
            // The jump behind the step is left out when the loop ends.
            emit(BranchHandlers.loop, reg: UInt8(1 << addressSize), rm: condition)
            emitJump(displacement)
        case 0xe8:
            let displacement = try immediate(size: min(size, 2))
            emitCall(displacement)
        case 0xe9:
            emitJump(try immediate(size: min(size, 2)))
            endsBlock = true
        case 0xeb:
            emitJump(try immediate8())
            endsBlock = true
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    mutating func decodeFx(_ opcode: UInt8) throws(DecodeError) {
        let size = opcode & 1 == 0 ? 0 : self.size
        switch opcode {
        case 0xf5: emit(FlagHandlers.complementCarry)
        case 0xf6, 0xf7: try decodeGroup3(size: size)
        case 0xf8: emit(FlagHandlers.clearCarry)
        case 0xf9: emit(FlagHandlers.setCarry)
        case 0xfc: emit(FlagHandlers.clearDirection)
        case 0xfd: emit(FlagHandlers.setDirection)
        case 0xfe, 0xff: try decodeGroup5(opcode, size: size)
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    /// TEST, NOT, NEG, MUL, IMUL, DIV, IDIV.
    private mutating func decodeGroup3(size: Int) throws(DecodeError) {
        try modRM()
        let target = isMemory ? Register.zero : register(rm, size: size)
        switch group {
        case 0, 1:
            let value = try immediate(size: min(size, 2))
            finishOperand()
            let form: ALUForm = isMemory ? .memoryImmediate : .registerImmediate
            emit(ALUTable.handler(8, form, size: size), rm: target, immediate: value)
        case 2, 3:
            finishOperand()
            emit(
                UnaryTable.handler(group, memory: isMemory, lock: takeMemoryLock(), size: size),
                rm: target)
        default:
            finishOperand()
            emit(MultiplyHandlers.handler(group - 4, memory: isMemory, size: size), rm: target)
        }
    }

    private mutating func takeMemoryLock() -> Bool {
        guard lock, isMemory else { return false }
        lock = false
        return true
    }

    /// INC, DEC, near CALL and JMP through ModRM, PUSH; the far ones are the system's.
    private mutating func decodeGroup5(_ opcode: UInt8, size: Int) throws(DecodeError) {
        try modRM()
        if group < 2 {
            finishOperand()
            return emit(
                UnaryTable.handler(group, memory: isMemory, lock: takeMemoryLock(), size: size),
                rm: isMemory ? Register.zero : register(rm, size: size))
        }
        guard opcode == 0xff else { throw .invalidOpcode }
        let bytes: UInt16 = self.size == 1 ? 2 : 4
        switch group {
        case 2:
            finishOperand()
            if is64 && !isNarrow {
                emit(
                    isMemory ? BranchHandlers.callMemory : BranchHandlers.callRegister,
                    rm: Register.general(rm))
            } else {
                emit(
                    isMemory ? BranchHandlers.callMemoryLegacy : BranchHandlers.callRegisterLegacy,
                    rm: Register.general(rm), extra: bytes)
            }
            endsBlock = true
        case 4:
            finishOperand()
            if is64 && !isNarrow {
                emit(
                    isMemory ? BranchHandlers.jumpMemory : BranchHandlers.jumpRegister,
                    rm: Register.general(rm))
            } else {
                emit(
                    isMemory ? BranchHandlers.jumpMemoryLegacy : BranchHandlers.jumpRegisterLegacy,
                    rm: Register.general(rm), extra: bytes)
            }
            endsBlock = true
        case 6:
            finishOperand()
            guard isMemory else { return emitPush(register: rm) }
            emit(
                stackSize == 3
                    ? StackHandlers.pushMemory64 : StackHandlers.pushMemory[stackSize - 1])
        case 3, 5:
            guard isMemory else { throw .invalidOpcode }
            try decodeFarIndirect(call: group == 3)
        default:
            throw .invalidOpcode
        }
    }

    // MARK: Stack

    mutating func emitPush(register number: Int) {
        let rm = Register.general(number)
        emit(
            stackSize == 3 ? StackHandlers.push64 : StackHandlers.pushRegister[stackSize - 1],
            rm: rm)
    }

    mutating func emitPop(register number: Int) {
        let rm = Register.general(number)
        emit(
            stackSize == 3 ? StackHandlers.pop64 : StackHandlers.popRegister[stackSize - 1], rm: rm)
    }

    mutating func emitPush(immediate: Int64) {
        emit(
            stackSize == 3
                ? StackHandlers.pushImmediate64 : StackHandlers.pushImmediate[stackSize - 1],
            immediate: immediate)
    }

    // MARK: Branches

    /// Where a displacement leads, relative to the page.
    private enum Reach {
        case inPage, elsewhere
        /// In 64-bit code, more than 2 GiB from the start of the page.
        case distant
    }

    /// The instruction pointer becomes 16 bits wide. In 64-bit code that is so on AMD's processors,
    /// as which CPUID describes this one; Intel's ignore the prefix there.
    private var isNarrow: Bool { size == 1 }

    /// Prepares the operand; outside 64-bit code targets wrap, as the instruction pointer does.
    private mutating func setTarget(_ displacement: Int64) -> (reach: Reach, target: Int64) {
        let target = Int64(output.offset &+ position) &+ displacement
        operand.displacement = Int32(truncatingIfNeeded: target)
        if target >= 0 && target < 4096 { return (.inPage, target) }
        return (is64 && Int64(operand.displacement) != target ? .distant : .elsewhere, target)
    }

    mutating func emitJump(_ displacement: Int64) {
        let (reach, target) = setTarget(displacement)
        if isNarrow { return emit(BranchHandlers.jump16) }
        switch reach {
        case .inPage: emit(BranchHandlers.inPage)
        case .elsewhere: emit(BranchHandlers.elsewhere)
        case .distant: emit(BranchHandlers.distant, immediate: target)
        }
    }

    mutating func conditionalJump(_ cc: UInt16, _ displacement: Int64) throws(DecodeError) {
        let (reach, target) = setTarget(displacement)
        if isNarrow { return emit(BranchHandlers.conditional16, extra: cc) }
        switch reach {
        case .inPage: emit(BranchHandlers.conditional[Int(cc)])
        case .elsewhere: emit(BranchHandlers.conditionalElsewhere, extra: cc)
        case .distant: emit(BranchHandlers.conditionalDistant, immediate: target, extra: cc)
        }
    }

    private mutating func emitCall(_ displacement: Int64) {
        let (reach, target) = setTarget(displacement)
        endsBlock = true
        guard is64 && !isNarrow else {
            return emit(BranchHandlers.callLegacy, extra: size == 1 ? 2 : 4)
        }
        switch reach {
        case .inPage: emit(BranchHandlers.callInPage)
        case .elsewhere: emit(BranchHandlers.callElsewhere)
        case .distant: emit(BranchHandlers.callDistant, immediate: target)
        }
    }
}
