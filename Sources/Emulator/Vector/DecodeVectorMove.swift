// SPDX-License-Identifier: Apache-2.0

/// Decoding of loads, stores and moves.
extension Decoder {
    mutating func decodeVectorMove(_ opcode: UInt8) throws(DecodeError) -> Bool {
        try modRM()
        let known: Bool
        switch opcode {
        case 0x10, 0x11: known = decodeUnaligned(isStore: opcode == 0x11)
        case 0x12...0x17: known = decodeHalves(opcode)
        case 0x28, 0x29:
            known = repeatPrefix == 0 && emitMove(isStore: opcode == 0x29, aligned: true)
        case 0x6e, 0x7e: known = decodeMoveGeneral(opcode)
        case 0x6f, 0x7f: known = decodeMoveWhole(isStore: opcode == 0x7f)
        case 0xd6: known = decodeMoveQuad()
        case 0xf0:
            known = repeatPrefix == 0xf2 && isMemory && emitMove(isStore: false, aligned: false)
        default: known = decodeNonTemporal(opcode)
        }
        if !known { throw .invalidOpcode }
        return true
    }

    /// 16 bytes between registers or register and memory.
    private mutating func emitMove(isStore: Bool, aligned: Bool) -> Bool {
        requireVectors()
        guard isMemory else {
            emit(
                Vectors.move, reg: isStore ? vectorRM : vectorReg,
                rm: isStore ? vectorReg : vectorRM)
            return true
        }
        finishOperand()
        switch (isStore, aligned) {
        case (false, false): emit(Vectors.load128Anywhere, reg: vectorReg)
        case (false, true): emit(Vectors.load128, reg: vectorReg)
        case (true, false): emit(Vectors.store128Anywhere, reg: vectorReg)
        case (true, true): emit(Vectors.store128, reg: vectorReg)
        }
        return true
    }

    /// A load or store of one lane.
    private mutating func emitLane(_ handler: Handler, lane: Int64 = 0) -> Bool {
        guard isMemory else { return false }
        requireVectors()
        finishOperand()
        emit(handler, reg: vectorReg, immediate: lane)
        return true
    }

    private mutating func emitBetween(_ handler: Handler, isStore: Bool = false) -> Bool {
        requireVectors()
        emit(handler, reg: isStore ? vectorRM : vectorReg, rm: isStore ? vectorReg : vectorRM)
        return true
    }

    /// MOVUPS, MOVUPD, MOVSS, MOVSD.
    private mutating func decodeUnaligned(isStore: Bool) -> Bool {
        switch mandatoryPrefix {
        case .none, .x66: emitMove(isStore: isStore, aligned: false)
        case .xF3:
            isMemory
                ? emitLane(isStore ? Vectors.store32 : Vectors.load32)
                : emitBetween(Vectors.mergeLow32, isStore: isStore)
        case .xF2:
            isMemory
                ? emitLane(isStore ? Vectors.store64 : Vectors.load64)
                : emitBetween(Vectors.mergeLow64, isStore: isStore)
        }
    }

    /// 12 to 17: MOVLPx, MOVHPx, MOVHLPS, MOVLHPS, MOVSLDUP, MOVSHDUP, MOVDDUP, UNPCKxPx.
    private mutating func decodeHalves(_ opcode: UInt8) -> Bool {
        let prefix = mandatoryPrefix
        let isSingle = prefix == .none
        switch (opcode, prefix) {
        case (0x12, .xF3): return emitVector(Vectors.duplicateEven)
        case (0x12, .xF2): return emitVector(Vectors.duplicateLow, load: Vectors.load64)
        case (0x16, .xF3): return emitVector(Vectors.duplicateOdd)
        case (_, .xF3), (_, .xF2): return false
        case (0x12, _):
            if isMemory { return emitLane(Vectors.loadLow) }
            return isSingle && emitBetween(Vectors.highToLow)
        case (0x16, _):
            if isMemory { return emitLane(Vectors.loadHigh) }
            return isSingle && emitBetween(Vectors.lowToHigh)
        case (0x13, _): return emitLane(Vectors.store64)
        case (0x17, _): return emitLane(Vectors.store64, lane: 1)
        case (0x14, _):
            return emitVector(isSingle ? Vectors.interleaveLowSingles : Vectors.lowToHigh)
        default:
            return emitVector(isSingle ? Vectors.interleaveHighSingles : Vectors.highs)
        }
    }

    /// MOVDQA, MOVDQU, MOVQ of MMX.
    private mutating func decodeMoveWhole(isStore: Bool) -> Bool {
        switch mandatoryPrefix {
        case .none: emitMoveMMX(isStore: isStore)
        case .x66: emitMove(isStore: isStore, aligned: true)
        case .xF3: emitMove(isStore: isStore, aligned: false)
        case .xF2: false
        }
    }

    /// MOVD, MOVQ from and to general registers; MOVQ xmm, xmm/m64.
    private mutating func decodeMoveGeneral(_ opcode: UInt8) -> Bool {
        switch (opcode, mandatoryPrefix) {
        case (_, .none): return emitMoveGeneralMMX(isStore: opcode == 0x7e)
        case (0x6e, .x66):
            if isMemory { return emitLane(rexW ? Vectors.load64 : Vectors.load32) }
            requireVectors()
            emit(
                rexW ? Vectors.fromGeneral64 : Vectors.fromGeneral32, reg: vectorReg,
                rm: register(rm, size: 3))
            return true
        case (0x7e, .x66):
            if isMemory { return emitLane(rexW ? Vectors.store64 : Vectors.store32) }
            requireVectors()
            emit(
                rexW ? Vectors.toGeneral64 : Vectors.toGeneral32, reg: vectorReg,
                rm: register(rm, size: 3))
            return true
        case (0x7e, .xF3):
            return isMemory ? emitLane(Vectors.load64) : emitBetween(Vectors.moveLow64)
        default: return false
        }
    }

    /// MOVQ xmm/m64, xmm; MOVQ2DQ; MOVDQ2Q.
    private mutating func decodeMoveQuad() -> Bool {
        switch mandatoryPrefix {
        case .x66:
            return isMemory
                ? emitLane(Vectors.store64) : emitBetween(Vectors.moveLow64, isStore: true)
        case .xF3:
            guard !isMemory else { return false }
            requireVectors()
            emit(Vectors.mmxToVector, reg: vectorReg, rm: vectorRM & 7)
            return true
        case .xF2:
            guard !isMemory else { return false }
            requireVectors()
            emit(Vectors.vectorToMMX, reg: vectorReg & 7, rm: vectorRM)
            return true
        case .none: return false
        }
    }

    /// MOVNTPS, MOVNTPD, MOVNTDQ, MOVNTQ: plain stores here.
    private mutating func decodeNonTemporal(_ opcode: UInt8) -> Bool {
        guard isMemory, repeatPrefix == 0 else { return false }
        if opcode == 0xe7 && mandatoryPrefix == .none { return emitMoveMMX(isStore: true) }
        return emitMove(isStore: true, aligned: true)
    }
}
