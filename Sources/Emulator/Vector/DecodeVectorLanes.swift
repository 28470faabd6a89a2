// SPDX-License-Identifier: Apache-2.0

/// Decoding of shuffles, immediate shifts, lane insertion and extraction, and of the 0F3A map.
extension Decoder {
    mutating func decodeVectorLanes(_ opcode: UInt8) throws(DecodeError) -> Bool {
        let prefix = mandatoryPrefix
        try modRM()
        switch opcode {
        case 0x50:
            guard !isMemory, repeatPrefix == 0 else { throw .invalidOpcode }
            requireVectors()
            emit(
                prefix == .x66 ? Vectors.doubleSigns : Vectors.singleSigns,
                reg: register(reg, size: 3), rm: vectorRM)
            return true
        case 0x70: return try decodeShuffle(prefix)
        case 0x71...0x73: return try decodeImmediateShift(opcode, prefix)
        case 0xc4: return try decodeInsertWord(prefix)
        case 0xc5: return try decodeExtractWord(prefix)
        case 0xc6:
            guard repeatPrefix == 0 else { throw .invalidOpcode }
            let order = try immediate8()
            return emitVector(
                prefix == .x66 ? Vectors.shuffleDoubles : Vectors.shuffleSingles, immediate: order)
        case 0xd7:
            guard !isMemory, repeatPrefix == 0 else { throw .invalidOpcode }
            let target = register(reg, size: 3)
            if prefix == .none {
                return emitReadingMMX(vectorRM) {
                    $0.emit(Vectors.byteSigns, reg: target, rm: Vectors.work)
                }
            }
            requireVectors()
            emit(Vectors.byteSigns, reg: target, rm: vectorRM)
            return true
        default: return try decodeMaskedStore(prefix)
        }
    }

    private mutating func decodeShuffle(_ prefix: MandatoryPrefix) throws(DecodeError) -> Bool {
        let order = try immediate8()
        switch prefix {
        case .none: return emitMMX(Vectors.shuffleWords, immediate: order)
        case .x66: return emitVector(Vectors.shuffleLongs, immediate: order)
        case .xF3: return emitVector(Vectors.shuffleHighWords, immediate: order)
        case .xF2: return emitVector(Vectors.shuffleLowWords, immediate: order)
        }
    }

    private mutating func decodeImmediateShift(
        _ opcode: UInt8, _ prefix: MandatoryPrefix
    ) throws(DecodeError) -> Bool {
        let count = try immediate8()
        guard !isMemory, repeatPrefix == 0,
            let handler = Vectors.shiftByImmediate(opcode, group: group)
        else { throw .invalidOpcode }
        if prefix == .none {
            // PSRLDQ and PSLLDQ have no MMX form.
            guard group & 1 == 0 else { throw .invalidOpcode }
            requireVectors(.mmx)
            emit(Vectors.enterMMX, reg: vectorRM & 7)
            emit(handler, reg: Vectors.work, rm: Vectors.work, immediate: count)
            emit(Vectors.leaveMMX, reg: vectorRM & 7)
        } else {
            requireVectors()
            emit(handler, reg: vectorRM, rm: vectorRM, immediate: count)
        }
        return true
    }

    /// PINSRW.
    private mutating func decodeInsertWord(_ prefix: MandatoryPrefix) throws(DecodeError) -> Bool {
        let lane = try immediate8()
        guard repeatPrefix == 0 else { throw .invalidOpcode }
        let isMMX = prefix == .none
        requireVectors(isMMX ? .mmx : .sse)
        if isMMX { emit(Vectors.enterMMX, reg: vectorReg & 7) }
        finishOperand()
        emit(
            isMemory ? Vectors.insertMemory16 : Vectors.insertGeneral16,
            reg: isMMX ? Vectors.work : vectorReg, rm: register(rm, size: 3),
            immediate: lane & (isMMX ? 3 : 7))
        if isMMX { emit(Vectors.leaveMMX, reg: vectorReg & 7) }
        return true
    }

    /// PEXTRW to a general register.
    private mutating func decodeExtractWord(_ prefix: MandatoryPrefix) throws(DecodeError) -> Bool {
        let lane = try immediate8()
        guard !isMemory, repeatPrefix == 0 else { throw .invalidOpcode }
        let target = register(reg, size: 3)
        if prefix == .none {
            return emitReadingMMX(vectorRM) {
                $0.emit(
                    Vectors.toGeneral16, reg: Vectors.work, rm: target, immediate: lane & 3)
            }
        }
        requireVectors()
        emit(Vectors.toGeneral16, reg: vectorRM, rm: target, immediate: lane & 7)
        return true
    }

    /// MASKMOVDQU, MASKMOVQ: to DS:RDI.
    private mutating func decodeMaskedStore(_ prefix: MandatoryPrefix) throws(DecodeError) -> Bool {
        guard !isMemory, repeatPrefix == 0 else { throw .invalidOpcode }
        operand.base = Register.rdi
        operand.index = Register.zero
        operand.scale = 0
        operand.displacement = 0
        requireVectors(prefix == .none ? .mmx : .sse)
        if prefix == .none {
            emit(Vectors.enterMMX, reg: vectorReg & 7, rm: vectorRM & 7, immediate: 1)
            emit(Vectors.useMMX)
        }
        let segment = is64 ? 0 : UInt16(1 + (segmentOverride ?? 3))
        finishOperand(defaultSegment: 3)
        if prefix == .none {
            emit(Vectors.storeMasked, reg: Vectors.work, rm: Vectors.memory, immediate: 8)
        } else {
            emit(
                Vectors.storeMasked, reg: vectorReg, rm: vectorRM, immediate: 16, extra: segment)
        }
        return true
    }

    // MARK: 0F3A

    mutating func decodeVector0F3A(_ opcode: UInt8) throws(DecodeError) -> Bool {
        switch opcode {
        case 0x08...0x0f, 0x14...0x17, 0x20...0x22, 0x40...0x42, 0x60...0x63: break
        default: return false
        }
        let prefix = mandatoryPrefix
        guard prefix == .x66 || opcode == 0x0f && prefix == .none else { throw .invalidOpcode }
        try modRM()
        let byte = try immediate8()
        switch opcode {
        case 0x08: return emitVector(Vectors.roundSingles, immediate: byte)
        case 0x09: return emitVector(Vectors.roundDoubles, immediate: byte)
        case 0x0a: return emitVector(Vectors.roundSingle, load: Vectors.load32, immediate: byte)
        case 0x0b: return emitVector(Vectors.roundDouble, load: Vectors.load64, immediate: byte)
        case 0x0c: return emitVector(Vectors.blendSingles, immediate: byte)
        case 0x0d: return emitVector(Vectors.blendDoubles, immediate: byte)
        case 0x0e: return emitVector(Vectors.blendWords, immediate: byte)
        case 0x0f:
            if prefix == .none { return emitMMX(Vectors.align64, immediate: byte) }
            return emitVector(Vectors.align, immediate: byte)
        case 0x14...0x17: return emitExtract(opcode, lane: byte)
        case 0x20, 0x22: return emitInsert(opcode, lane: byte)
        case 0x21:
            // From memory there is one lane only.
            return emitVector(
                Vectors.insertSingle, load: Vectors.load32,
                immediate: isMemory ? byte & 0x3f : byte)
        case 0x40, 0x41: return emitDot(isDouble: opcode == 0x41, byte)
        case 0x42: return emitVector(Vectors.slidingDifferences, immediate: byte)
        default:
            guard let handler = Vectors.compareStrings(opcode, wide: rexW) else {
                throw .invalidOpcode
            }
            return emitVector(handler, load: Vectors.load128Anywhere, immediate: byte)
        }
    }

    /// DPPS, DPPD: as the steps that they consist of, each with its own denormals and exceptions.
    private mutating func emitDot(isDouble: Bool, _ byte: Int64) -> Bool {
        let prefix = isDouble ? MandatoryPrefix.x66 : .none
        guard let multiply = Vectors.arithmetic(0x59, prefix),
            let sum = Vectors.arithmetic(0x7c, prefix)
        else { return false }
        _ = emitVector(
            isDouble ? Vectors.selectDoubles : Vectors.selectSingles, immediate: byte)
        emit(multiply, reg: Vectors.work, rm: Vectors.memory)
        emit(sum, reg: Vectors.work, rm: Vectors.work)
        if !isDouble { emit(sum, reg: Vectors.work, rm: Vectors.work) }
        emit(
            isDouble ? Vectors.spreadDoubles : Vectors.spreadSingles, reg: vectorReg,
            immediate: byte)
        return true
    }

    /// PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS.
    private mutating func emitExtract(_ opcode: UInt8, lane: Int64) -> Bool {
        requireVectors()
        let toRegister: Handler
        let toMemory: Handler
        switch opcode {
        case 0x14: (toRegister, toMemory) = (Vectors.toGeneral8, Vectors.store8)
        case 0x15: (toRegister, toMemory) = (Vectors.toGeneral16, Vectors.store16)
        case 0x16 where rexW: (toRegister, toMemory) = (Vectors.toGeneral64, Vectors.store64)
        default: (toRegister, toMemory) = (Vectors.toGeneral32, Vectors.store32)
        }
        finishOperand()
        emit(
            isMemory ? toMemory : toRegister, reg: vectorReg, rm: register(rm, size: 3),
            immediate: lane & 15)
        return true
    }

    /// PINSRB, PINSRD, PINSRQ.
    private mutating func emitInsert(_ opcode: UInt8, lane: Int64) -> Bool {
        requireVectors()
        let fromRegister: Handler
        let fromMemory: Handler
        if opcode == 0x20 {
            (fromRegister, fromMemory) = (Vectors.insertGeneral8, Vectors.insertMemory8)
        } else if rexW {
            (fromRegister, fromMemory) = (Vectors.insertGeneral64, Vectors.insertMemory64)
        } else {
            (fromRegister, fromMemory) = (Vectors.insertGeneral32, Vectors.insertMemory32)
        }
        finishOperand()
        emit(
            isMemory ? fromMemory : fromRegister, reg: vectorReg, rm: register(rm, size: 3),
            immediate: lane & 15)
        return true
    }
}
