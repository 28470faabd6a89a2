// SPDX-License-Identifier: Apache-2.0

/// Decoding of vector instructions: SSE to SSE4.2, MMX, and the state instructions around them.
extension Decoder {
    /// Decodes `opcode` of `map` if it belongs to the vector unit. False: not one of its
    /// instructions; nothing has been read.
    mutating func decodeVector(_ opcode: UInt8, map: OpcodeMap) throws(DecodeError) -> Bool {
        let known: Bool
        self.opcode = opcode
        opcodeMap = map
        switch map {
        case .x0F: known = try decodeVector0F(opcode)
        case .x0F38: known = try decodeVector0F38(opcode)
        case .x0F3A: known = try decodeVector0F3A(opcode)
        }
        if known && lock { throw .invalidOpcode }
        return known
    }

    private mutating func decodeVector0F(_ opcode: UInt8) throws(DecodeError) -> Bool {
        switch opcode {
        case 0x01: try decodeExtendedControl()
        case 0x10...0x17, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xe7, 0xf0:
            try decodeVectorMove(opcode)
        case 0x2a, 0x2c, 0x2d, 0x5a, 0x5b, 0xe6: try decodeVectorConvert(opcode)
        case 0x2e, 0x2f, 0x51...0x59, 0x5c...0x5f, 0x7c, 0x7d, 0xc2, 0xd0:
            try decodeVectorFloat(opcode)
        case 0x50, 0x70...0x73, 0xc4...0xc6, 0xd7, 0xf7: try decodeVectorLanes(opcode)
        case 0x77: try decodeEmptyMMX()
        case 0xae: try decodeVectorState()
        case 0xb8: try decodePopulationCount()
        case 0xc3: try decodeStoreGeneral()
        case 0x60...0x6d, 0x74...0x76, 0xd1...0xd5, 0xd8...0xdf, 0xe0...0xe5, 0xe8...0xef,
            0xf1...0xf6, 0xf8...0xfe:
            try decodeVectorInteger(opcode)
        default: false
        }
    }

    // MARK: Operands

    /// Emits the check that blocks in a mode without vectors need.
    mutating func requireVectors(_ need: Vectors.Need = .sse) {
        if mode.has(CodeMode.vectorsFault) { emit(Vectors.check, immediate: Int64(need.rawValue)) }
    }

    var vectorReg: UInt8 { UInt8(truncatingIfNeeded: reg) }
    var vectorRM: UInt8 { UInt8(truncatingIfNeeded: rm) }

    /// The source operand's number, after a step that loads it where it is in memory.
    mutating func vectorSource(_ load: Handler) -> UInt8 {
        guard isMemory else { return vectorRM }
        finishOperand()
        emit(load, reg: Vectors.memory)
        return Vectors.memory
    }

    /// The step that loads `bytes` bytes of memory operand, anywhere.
    func vectorLoad(bytes: Int) -> Handler {
        switch bytes {
        case 1: Vectors.load8
        case 2: Vectors.load16
        case 4: Vectors.load32
        case 8: Vectors.load64
        default: Vectors.load128
        }
    }

    /// An instruction `reg, rm/m` of which everything but ModRM has been decided.
    mutating func emitVector(
        _ handler: Handler, load: Handler = Vectors.load128, immediate: Int64 = 0
    ) -> Bool {
        requireVectors()
        let source = vectorSource(load)
        emit(handler, reg: vectorReg, rm: source, immediate: immediate)
        return true
    }

    mutating func invalid() throws(DecodeError) -> Bool { throw .invalidOpcode }

    // MARK: Integers

    private mutating func decodeVectorInteger(_ opcode: UInt8) throws(DecodeError) -> Bool {
        guard let handler = Vectors.integer(opcode) else { throw .invalidOpcode }
        switch mandatoryPrefix {
        case .x66:
            try modRM()
            return emitVector(handler)
        case .none:
            if opcode == 0x6c || opcode == 0x6d { throw .invalidOpcode }
            try modRM()
            switch opcode {
            // The lower interleavings read half of a memory operand.
            case 0x60...0x62: return emitMMX(handler, load: Vectors.load32)
            case 0x63, 0x67, 0x6b: return emitMMX(handler, joined: true)
            case 0x68...0x6a:
                // Of the lower halves, the interleaving's upper half.
                guard let low = Vectors.integer(opcode &- 8) else { throw .invalidOpcode }
                return emitMMX(low, leave: Vectors.leaveMMXHigh)
            default: return emitMMX(handler)
            }
        default: throw .invalidOpcode
        }
    }

    // MARK: Other maps

    private mutating func decodeVector0F38(_ opcode: UInt8) throws(DecodeError) -> Bool {
        if opcode == 0xf0 || opcode == 0xf1 {
            guard repeatPrefix == 0xf2 else { return false }
            return try decodeChecksum(opcode)
        }
        if let handler = Vectors.supplemental(opcode) {
            switch mandatoryPrefix {
            case .x66:
                try modRM()
                return emitVector(handler)
            case .none:
                try modRM()
                if opcode == 0 { return emitMMX(Vectors.shuffleBytes64) }
                return emitMMX(
                    handler, joined: (1...3).contains(opcode) || (5...7).contains(opcode))
            default: throw .invalidOpcode
            }
        }
        if let handler = Vectors.sse4(opcode) {
            guard mandatoryPrefix == .x66 else { throw .invalidOpcode }
            try modRM()
            return emitVector(handler)
        }
        if let (handler, bytes) = Vectors.widening(opcode) {
            guard mandatoryPrefix == .x66 else { throw .invalidOpcode }
            try modRM()
            return emitVector(handler, load: vectorLoad(bytes: bytes))
        }
        guard opcode == 0x2a else { return false }
        // MOVNTDQA.
        guard mandatoryPrefix == .x66 else { throw .invalidOpcode }
        try modRM()
        guard isMemory else { throw .invalidOpcode }
        requireVectors()
        finishOperand()
        emit(Vectors.load128, reg: vectorReg)
        return true
    }

    // MARK: General registers

    private mutating func decodePopulationCount() throws(DecodeError) -> Bool {
        guard repeatPrefix == 0xf3 else { return false }
        try modRM()
        let load = vectorLoad(bytes: 1 << size)
        let target = register(reg, size: size)
        let source = isMemory ? vectorSource(load) : register(rm, size: size)
        emit(Vectors.populationCount(size: size, memory: isMemory), reg: target, rm: source)
        return true
    }

    private mutating func decodeChecksum(_ opcode: UInt8) throws(DecodeError) -> Bool {
        try modRM()
        let size = opcode == 0xf0 ? 0 : size
        let load = vectorLoad(bytes: 1 << size)
        let source = isMemory ? vectorSource(load) : register(rm, size: size)
        emit(
            Vectors.checksum(size: size, memory: isMemory), reg: register(reg, size: 2), rm: source)
        return true
    }

    private mutating func decodeStoreGeneral() throws(DecodeError) -> Bool {
        guard mandatoryPrefix == .none else { throw .invalidOpcode }
        try modRM()
        guard isMemory else { throw .invalidOpcode }
        finishOperand()
        emit(rexW ? Vectors.storeGeneral64 : Vectors.storeGeneral32, reg: register(reg, size: 2))
        return true
    }
}
