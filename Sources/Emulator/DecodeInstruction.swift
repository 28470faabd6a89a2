// SPDX-License-Identifier: Apache-2.0

/// The one-byte opcodes. Intel SDM 2, table A-2.
extension Decoder {
    /// Decodes one instruction into ``output``.
    mutating func decodeInstruction() throws(DecodeError) {
        rex = 0
        while true {
            let opcode = try byte()
            switch opcode {
            case 0x66: operandOverride = true
            case 0x67: addressOverride = true
            case 0xf0: lock = true
            case 0xf2, 0xf3: repeatPrefix = opcode
            case 0x26, 0x2e, 0x36, 0x3e:
                // ES, CS, SS, DS mean nothing in 64-bit code.
                if !is64 { segmentOverride = Int(opcode >> 3 & 3) }
            case 0x64: segmentOverride = 4
            case 0x65: segmentOverride = 5
            case 0x40...0x4f where is64:
                // REX counts only right before the opcode.
                let next = try byte()
                if Self.isPrefix(next) {
                    unread()
                    continue
                }
                rex = opcode
                return try decode(next)
            default:
                return try decode(opcode)
            }
        }
    }

    private static func isPrefix(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x40...0x4f: true
        default: false
        }
    }

    private mutating func decode(_ opcode: UInt8) throws(DecodeError) {
        self.opcode = opcode
        if opcode == 0x0f { return try decode0F(byte()) }
        switch opcode {
        case 0x00...0x3f where opcode & 7 < 6: try decodeALU(opcode)
        case 0x50...0x57: emitPush(register: Int(opcode & 7) | (rex & 1 != 0 ? 8 : 0))
        case 0x58...0x5f: emitPop(register: Int(opcode & 7) | (rex & 1 != 0 ? 8 : 0))
        case 0x70...0x7f: try conditionalJump(UInt16(opcode & 15), try immediate8())
        case 0x80...0x8f: try decode8x(opcode)
        case 0x90...0x9f: try decode9x(opcode)
        case 0xa0...0xaf: try decodeAx(opcode)
        case 0xb0...0xbf: try decodeBx(opcode)
        case 0xc0...0xcf: try decodeCx(opcode)
        case 0xd0...0xdf: try decodeDx(opcode)
        case 0xe0...0xef: try decodeEx(opcode)
        case 0xf4...0xff: try decodeFx(opcode)
        default: try decodeLegacy(opcode)
        }
        try checkLock()
    }

    /// LOCK goes with a few instructions that write memory: those that take it clear the flag.
    private func checkLock() throws(DecodeError) {
        if lock { throw .invalidOpcode }
    }

    /// 40–4F outside 64-bit code, 60–6F, and the odd ones among 00–3F.
    private mutating func decodeLegacy(_ opcode: UInt8) throws(DecodeError) {
        switch opcode {
        case 0x40...0x4f:
            let operation = opcode < 0x48 ? 0 : 1
            emit(
                UnaryTable.handler(operation, memory: false, lock: false, size: size),
                rm: Register.general(Int(opcode & 7)))
        case 0x27, 0x2f, 0x37, 0x3f:
            if is64 { throw .invalidOpcode }
            switch opcode {
            case 0x27: emit(DecimalHandlers.decimalAfterAdd)
            case 0x2f: emit(DecimalHandlers.decimalAfterSubtract)
            case 0x37: emit(DecimalHandlers.adjustAfterAdd)
            default: emit(DecimalHandlers.adjustAfterSubtract)
            }
        case 0x60, 0x61:
            if is64 { throw .invalidOpcode }
            let bytes: UInt16 = size == 1 ? 2 : 4
            emit(opcode == 0x60 ? StackHandlers.pushAll : StackHandlers.popAll, extra: bytes)
        case 0x63 where is64:
            try modRM()
            finishOperand()
            // Four bytes are read whatever the operand size is.
            emitExtend(from: 2, to: size, signed: true)
        case 0x68: emitPush(immediate: try immediate(size: min(stackSize, 2)))
        case 0x6a: emitPush(immediate: try immediate8())
        case 0x69, 0x6b:
            try modRM()
            let value = opcode == 0x6b ? try immediate8() : try immediate(size: min(size, 2))
            finishOperand()
            emit(
                MultiplyHandlers.handlerTo(memory: isMemory, byImmediate: true, size: size),
                reg: Register.general(reg), rm: Register.general(rm), immediate: value)
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    /// 00–3F: eight operations in six forms.
    private mutating func decodeALU(_ opcode: UInt8) throws(DecodeError) {
        let operation = Int(opcode >> 3)
        let size = opcode & 1 == 0 ? 0 : self.size
        switch opcode & 7 {
        case 0, 1:
            try modRM()
            finishOperand()
            emitALU(operation, size: size)
        case 2, 3:
            try modRM()
            finishOperand()
            if isMemory {
                emit(
                    ALUTable.handler(operation, .registerMemory, size: size),
                    reg: register(reg, size: size))
            } else {
                emit(
                    ALUTable.handler(operation, .registerRegister, size: size),
                    reg: register(rm, size: size), rm: register(reg, size: size))
            }
        default:
            let value = try immediate(size: min(size, 2))
            emit(
                ALUTable.handler(operation, .registerImmediate, size: size),
                rm: Register.rax, immediate: value)
        }
    }

    /// An ALU operation on ModRM.rm with ModRM.reg.
    private mutating func emitALU(_ operation: Int, size: Int) {
        let form: ALUForm =
            !isMemory ? .registerRegister : takeLock(operation) ? .lockedRegister : .memoryRegister
        emit(
            ALUTable.handler(operation, form, size: size), reg: register(reg, size: size),
            rm: isMemory ? Register.zero : register(rm, size: size))
    }

    /// True if LOCK is there and goes with the operation (not CMP, not TEST).
    private mutating func takeLock(_ operation: Int) -> Bool {
        guard lock, operation < 7 else { return false }
        lock = false
        return true
    }

    private mutating func decode8x(_ opcode: UInt8) throws(DecodeError) {
        let byteSize = opcode & 1 == 0
        let size = byteSize ? 0 : self.size
        switch opcode {
        case 0x80...0x83:
            if opcode == 0x82 && is64 { throw .invalidOpcode }
            try modRM()
            let value = opcode == 0x81 ? try immediate(size: min(size, 2)) : try immediate8()
            finishOperand()
            let form: ALUForm =
                !isMemory
                ? .registerImmediate : takeLock(group) ? .lockedImmediate : .memoryImmediate
            emit(
                ALUTable.handler(group, form, size: size),
                rm: isMemory ? Register.zero : register(rm, size: size), immediate: value)
        case 0x84, 0x85:
            try modRM()
            finishOperand()
            emitALU(8, size: size)
        case 0x86, 0x87:
            try modRM()
            finishOperand()
            if isMemory { lock = false }
            let table =
                isMemory ? MoveHandlers.exchangeWithMemory : MoveHandlers.exchangeRegisters
            emit(table[size], reg: register(reg, size: size), rm: register(rm, size: size))
        case 0x88, 0x89:
            try modRM()
            finishOperand()
            if isMemory {
                emit(MoveHandlers.memoryFromRegister[size], reg: register(reg, size: size))
            } else {
                emit(
                    MoveHandlers.registerFromRegister[size], reg: register(rm, size: size),
                    rm: register(reg, size: size))
            }
        case 0x8a, 0x8b:
            try modRM()
            finishOperand()
            emitMove(size: size)
        case 0x8d:
            try modRM()
            guard isMemory else { throw .invalidOpcode }
            finishOffset()
            emit(MoveHandlers.address[self.size], reg: Register.general(reg))
        case 0x8f:
            try modRM()
            guard group == 0 else { throw .invalidOpcode }
            guard isMemory else { return emitPop(register: rm) }
            // An address made of RSP is computed with RSP already moved. Intel SDM 2, POP.
            if operand.base == Register.rsp {
                operand.displacement &+= stackSize == 1 ? 2 : stackSize == 2 ? 4 : 8
            }
            let segment = is64 ? 0 : UInt16(operandSegment) | 8
            finishOperand()
            emit(
                is64 && stackSize == 3
                    ? StackHandlers.popMemory64 : StackHandlers.popMemory[stackSize - 1],
                extra: segment)
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    /// MOV to ModRM.reg from ModRM.rm.
    private mutating func emitMove(size: Int) {
        if isMemory {
            emit(MoveHandlers.registerFromMemory[size], reg: register(reg, size: size))
        } else {
            emit(
                MoveHandlers.registerFromRegister[size], reg: register(reg, size: size),
                rm: register(rm, size: size))
        }
    }

    mutating func emitExtend(from: Int, to: Int, signed: Bool) {
        emit(
            MoveHandlers.extend(from: from, to: to, signed: signed, memory: isMemory),
            reg: Register.general(reg), rm: isMemory ? Register.zero : register(rm, size: from))
    }

    private mutating func decode9x(_ opcode: UInt8) throws(DecodeError) {
        switch opcode {
        case 0x90 where rex & 1 == 0: emit(MoveHandlers.nothing)
        case 0x90...0x97:
            emit(
                MoveHandlers.exchangeRegisters[size], reg: Register.rax,
                rm: Register.general(Int(opcode & 7) | (rex & 1 != 0 ? 8 : 0)))
        case 0x98: emit(MoveHandlers.widenAccumulator[size - 1])
        case 0x99: emit(MoveHandlers.signToData[size - 1])
        case 0x9b: try decodeX87(opcode)
        default:
            if try !decodeSystem(opcode) { throw .invalidOpcode }
        }
    }

    private mutating func decodeAx(_ opcode: UInt8) throws(DecodeError) {
        let size = opcode & 1 == 0 ? 0 : self.size
        switch opcode {
        case 0xa0...0xa3:
            // The offset is as wide as addresses are: its upper part goes into the base.
            let address: UInt64 =
                switch addressSize {
                case 3: UInt64(bitPattern: try immediate64())
                case 2: UInt64(UInt32(truncatingIfNeeded: try immediate32()))
                default: UInt64(UInt16(truncatingIfNeeded: try immediate16()))
                }
            if is64 {
                emit(AddressStep.absolute, immediate: Int64(bitPattern: address))
                operand.base = Register.address
                let segment = segmentOverride ?? 3
                operand.segment = segment < 4 ? Register.zero : Register.base(of: segment)
            } else {
                operand.displacement = Int32(truncatingIfNeeded: address)
                finishOperand(defaultSegment: 3)
            }
            let table =
                opcode < 0xa2 ? MoveHandlers.registerFromMemory : MoveHandlers.memoryFromRegister
            emit(table[size], reg: Register.rax)
        case 0xa8, 0xa9:
            let value = try immediate(size: min(size, 2))
            emit(
                ALUTable.handler(8, .registerImmediate, size: size), rm: Register.rax,
                immediate: value)
        case 0xa4, 0xa5: emitString(StringHandlers.moves[size])
        case 0xa6, 0xa7: emitString(StringHandlers.compares[size])
        case 0xaa, 0xab: emitString(StringHandlers.fills[size])
        case 0xac, 0xad: emitString(StringHandlers.fetches[size])
        default: emitString(StringHandlers.scans[size])
        }
    }

    private mutating func emitString(_ handler: Handler) {
        let segment = segmentOverride ?? 3
        operand.segment = is64 && segment < 4 ? Register.zero : Register.base(of: segment)
        let kind: UInt16 = repeatPrefix == 0xf3 ? 1 : repeatPrefix == 0xf2 ? 2 : 0
        emit(handler, extra: UInt16(addressSize) | kind << 2 | (is64 ? 0 : 16))
    }

    private mutating func decodeBx(_ opcode: UInt8) throws(DecodeError) {
        let number = Int(opcode & 7) | (rex & 1 != 0 ? 8 : 0)
        if opcode < 0xb8 {
            let value = try immediate8()
            emit(
                MoveHandlers.registerFromImmediate[0], reg: register(number, size: 0),
                immediate: value)
        } else {
            let value = size == 3 ? try immediate64() : try immediate(size: size)
            emit(
                MoveHandlers.registerFromImmediate[size], reg: Register.general(number),
                immediate: value)
        }
    }
}
