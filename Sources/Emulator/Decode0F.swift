// SPDX-License-Identifier: Apache-2.0

/// The two-byte opcodes that are neither vector nor system instructions. Intel SDM 2, table A-3.
extension Decoder {
    mutating func decode0F(_ opcode: UInt8) throws(DecodeError) {
        self.opcode = opcode
        opcodeMap = .x0F
        switch opcode {
        case 0x38:
            guard try decodeVector(byte(), map: .x0F38) else { throw .invalidOpcode }
        case 0x3a:
            guard try decodeVector(byte(), map: .x0F3A) else { throw .invalidOpcode }
        case 0x0d, 0x18...0x1f:
            // Prefetches and the reserved NOPs: the operand is not accessed.
            try modRM()
            if opcode == 0x0d && !isMemory { throw .invalidOpcode }
            finishOperand()
            emit(MoveHandlers.nothing)
        case 0x40...0x4f:
            try modRM()
            finishOperand()
            let table = isMemory ? MoveHandlers.ifConditionMemory : MoveHandlers.ifCondition
            emit(
                table[size], reg: Register.general(reg), rm: Register.general(rm),
                extra: UInt16(opcode & 15))
        case 0x80...0x8f:
            try conditionalJump(
                UInt16(opcode & 15), try immediate(size: min(size, 2)))
        case 0x90...0x9f:
            try modRM()
            finishOperand()
            emit(
                isMemory ? MoveHandlers.setMemory : MoveHandlers.setRegister,
                rm: isMemory ? Register.zero : register(rm, size: 0), extra: UInt16(opcode & 15))
        case 0xa3, 0xab, 0xb3, 0xbb, 0xba: try decodeBitTest(opcode)
        case 0xa4, 0xa5, 0xac, 0xad: try decodeDoubleShift(opcode)
        case 0xaf:
            try modRM()
            finishOperand()
            emit(
                MultiplyHandlers.handlerTo(memory: isMemory, byImmediate: false, size: size),
                reg: Register.general(reg), rm: Register.general(rm))
        case 0xb0, 0xb1, 0xc0, 0xc1: try decodeExchange(opcode)
        case 0xb6, 0xb7, 0xbe, 0xbf:
            try modRM()
            finishOperand()
            emitExtend(from: Int(opcode & 1), to: size, signed: opcode >= 0xbe)
        case 0xbc, 0xbd:
            try modRM()
            finishOperand()
            // No TZCNT and LZCNT at this level: F3 is ignored.
            let source = stageOperand(size: size)
            let table =
                opcode == 0xbc ? BitHandlers.scanForwardTable : BitHandlers.scanBackwardTable
            emit(table[size - 1], reg: Register.general(reg), rm: source)
        case 0xc7: try decodeGroup9()
        case 0xc8...0xcf:
            emit(
                BitHandlers.byteSwapTable[size - 1],
                rm: Register.general(Int(opcode & 7) | (rex & 1 != 0 ? 8 : 0)))
        default:
            if try decodeSystem0F(opcode) { break }
            if try decodeVector(opcode, map: .x0F) { break }
            throw .invalidOpcode
        }
        if lock { throw .invalidOpcode }
    }

    /// The register that holds the source: `rm` itself, or a scratch one that memory is loaded into.
    mutating func stageOperand(size: Int) -> UInt8 {
        guard isMemory else { return register(rm, size: size) }
        emit(MoveHandlers.registerFromMemory[size], reg: Register.address)
        return Register.address
    }

    private mutating func decodeBitTest(_ opcode: UInt8) throws(DecodeError) {
        try modRM()
        var kind = UInt16(opcode >> 3 & 3)
        var number: UInt8 = Register.general(reg)
        var immediate: Int64 = 0
        if opcode == 0xba {
            guard group >= 4 else { throw .invalidOpcode }
            kind = UInt16(group & 3)
            number = Register.zero
            immediate = try immediate8()
        }
        // A number from a register moves the operand within its segment.
        let legacy = is64 ? 0 : UInt16(operandSegment &+ 1) << 12 | (addressSize == 1 ? 0x8000 : 0)
        finishOperand()
        guard isMemory else {
            return emit(
                BitHandlers.testTable[size - 1], reg: number, rm: Register.general(rm),
                immediate: immediate, extra: kind)
        }
        if lock && kind != 0 {
            lock = false
            kind |= 0x100
        }
        if opcode != 0xba { kind |= legacy }
        emit(
            BitHandlers.testMemoryTable[size - 1], reg: number, immediate: immediate, extra: kind)
    }

    private mutating func decodeDoubleShift(_ opcode: UInt8) throws(DecodeError) {
        try modRM()
        let byCL = opcode & 1 != 0
        let count = byCL ? 0 : try immediate8()
        finishOperand()
        let table =
            isMemory ? BitHandlers.doubleShiftMemoryTable : BitHandlers.doubleShiftTable
        emit(
            table[size - 1], reg: Register.general(reg), rm: Register.general(rm),
            immediate: count, extra: (opcode >= 0xac ? 1 : 0) | (byCL ? 2 : 0))
    }

    private mutating func decodeExchange(_ opcode: UInt8) throws(DecodeError) {
        try modRM()
        finishOperand()
        let size = opcode & 1 == 0 ? 0 : self.size
        let isAdd = opcode >= 0xc0
        var extra: UInt16 = 0
        if isMemory && lock {
            lock = false
            extra = 0x100
        }
        let table: [Handler] =
            isAdd
            ? (isMemory ? BitHandlers.exchangeAddMemoryTable : BitHandlers.exchangeAddTable)
            : (isMemory
                ? BitHandlers.compareExchangeMemoryTable : BitHandlers.compareExchangeTable)
        emit(
            table[size], reg: register(reg, size: size),
            rm: isMemory ? Register.zero : register(rm, size: size), extra: extra)
    }

    /// CMPXCHG8B, CMPXCHG16B; the register forms (RDRAND, RDSEED) are not offered.
    private mutating func decodeGroup9() throws(DecodeError) {
        try modRM()
        guard group == 1, isMemory else { throw .invalidOpcode }
        lock = false
        finishOperand()
        emit(BitHandlers.compareExchangeWide, extra: rexW ? 1 : 0)
    }
}
