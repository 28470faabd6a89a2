// SPDX-License-Identifier: Apache-2.0

/// Decoding of instructions that work on MMX registers, as steps around vector handlers.
extension Decoder {
    /// `handler` on MM `reg` and MM `rm` or memory.
    ///
    /// - Parameter joined: The handler gets both operands in one vector, destination's lower.
    mutating func emitMMX(
        _ handler: Handler, load: Handler = Vectors.load64, joined: Bool = false,
        leave: Handler = Vectors.leaveMMX, immediate: Int64 = 0
    ) -> Bool {
        requireVectors(.mmx)
        if isMemory {
            emit(Vectors.waitMMX)
            finishOperand()
            emit(load, reg: Vectors.memory)
        }
        emit(
            joined ? Vectors.joinMMX : Vectors.enterMMX, reg: vectorReg & 7, rm: vectorRM & 7,
            immediate: isMemory ? 0 : 1)
        emit(
            handler, reg: Vectors.work, rm: joined ? Vectors.work : Vectors.memory,
            immediate: immediate)
        emit(leave, reg: vectorReg & 7)
        return true
    }

    /// A step that needs MM `number` in the work vector, and nothing else of MMX.
    mutating func emitReadingMMX(_ number: UInt8, _ step: (inout Decoder) -> Void) -> Bool {
        requireVectors(.mmx)
        emit(Vectors.enterMMX, reg: number & 7)
        step(&self)
        emit(Vectors.useMMX)
        return true
    }

    /// MOVQ mm, mm/m64 and back; MOVNTQ.
    mutating func emitMoveMMX(isStore: Bool) -> Bool {
        guard isMemory else {
            requireVectors(.mmx)
            emit(Vectors.enterMMX, reg: (isStore ? vectorReg : vectorRM) & 7)
            emit(Vectors.leaveMMX, reg: (isStore ? vectorRM : vectorReg) & 7)
            return true
        }
        return isStore ? emitStoreMMX(Vectors.storeMMX64) : emitLoadMMX(Vectors.load64)
    }

    private mutating func emitStoreMMX(_ store: Handler) -> Bool {
        requireVectors(.mmx)
        // Else the operand's own step would be the first to refuse.
        if !is64 { emit(Vectors.waitMMX) }
        finishOperand()
        emit(store, reg: vectorReg & 7)
        return true
    }

    private mutating func emitLoadMMX(_ load: Handler) -> Bool {
        requireVectors(.mmx)
        emit(Vectors.waitMMX)
        finishOperand()
        emit(load, reg: Vectors.memory)
        emit(Vectors.vectorToMMX, reg: vectorReg & 7, rm: Vectors.memory)
        return true
    }

    /// MOVD, MOVQ between MMX and general registers or memory.
    mutating func emitMoveGeneralMMX(isStore: Bool) -> Bool {
        let wide = rexW
        if !isStore {
            if isMemory { return emitLoadMMX(wide ? Vectors.load64 : Vectors.load32) }
            requireVectors(.mmx)
            emit(
                wide ? Vectors.generalToMMX64 : Vectors.generalToMMX32, reg: vectorReg & 7,
                rm: register(rm, size: 3))
            return true
        }
        if isMemory { return emitStoreMMX(wide ? Vectors.storeMMX64 : Vectors.storeMMX32) }
        return emitReadingMMX(vectorReg) {
            $0.emit(
                wide ? Vectors.toGeneral64 : Vectors.toGeneral32, reg: Vectors.work,
                rm: $0.register($0.rm, size: 3))
        }
    }

    /// CVTPI2PS, CVTPI2PD.
    mutating func emitConvertFromMMX(_ handler: Handler) -> Bool {
        if isMemory { return emitVector(handler, load: Vectors.load64) }
        // The registers are MMX's even if the conversion raises an exception.
        requireVectors(.mmx)
        emit(Vectors.enterMMX, reg: vectorRM & 7)
        emit(Vectors.useMMX)
        emit(handler, reg: vectorReg, rm: Vectors.work)
        return true
    }

    /// CVTPS2PI, CVTPD2PI and their truncating forms.
    mutating func emitConvertToMMX(_ handler: Handler, load: Handler) -> Bool {
        requireVectors()
        if isMemory { emit(Vectors.waitMMX) }
        let source = vectorSource(load)
        emit(Vectors.enterMMX, reg: vectorReg & 7)
        emit(Vectors.useMMX)
        emit(handler, reg: Vectors.work, rm: source)
        emit(Vectors.leaveMMX, reg: vectorReg & 7)
        return true
    }

    mutating func decodeEmptyMMX() throws(DecodeError) -> Bool {
        guard mandatoryPrefix == .none else { throw .invalidOpcode }
        requireVectors(.mmx)
        emit(Vectors.emptyMMX)
        return true
    }
}
