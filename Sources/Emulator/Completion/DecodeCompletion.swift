// SPDX-License-Identifier: Apache-2.0

/// Instructions that the software engine does not offer its own guests, but completes for others:
/// BMI1, BMI2, ADX, MOVBE, the whole XSAVE family and random numbers. Intel SDM 2, 2.3 and A.
///
/// A guest whose user code runs natively sees the host's processor, and so may its kernel.
extension Decoder {
    /// Decodes one instruction, these or any other, into ``output``.
    mutating func decodeForCompletion() throws(DecodeError) {
        var ahead = self
        if try ahead.decodeBeyond() {
            self = ahead
            if lock { throw .invalidOpcode }
        } else {
            try decodeInstruction()
        }
    }

    /// False: none of these; then this copy is of no use.
    private mutating func decodeBeyond() throws(DecodeError) -> Bool {
        let opcode = try readPrefixes()
        self.opcode = opcode
        switch opcode {
        case 0xc4, 0xc5: return try decodeVEX(opcode)
        case 0x0f:
            opcodeMap = .x0F
            self.opcode = try byte()
            return try decodeBeyond0F()
        default: return false
        }
    }

    /// Reads prefixes as ``decodeInstruction()`` does, and the opcode's first byte.
    private mutating func readPrefixes() throws(DecodeError) -> UInt8 {
        rex = 0
        while true {
            let next = try byte()
            switch next {
            case 0x66: operandOverride = true
            case 0x67: addressOverride = true
            case 0xf0: lock = true
            case 0xf2, 0xf3: repeatPrefix = next
            case 0x26, 0x2e, 0x36, 0x3e: if !is64 { segmentOverride = Int(next >> 3 & 3) }
            case 0x64: segmentOverride = 4
            case 0x65: segmentOverride = 5
            case 0x40...0x4f where is64:
                rex = next
                continue
            default: return next
            }
            // REX counts only right before the opcode.
            rex = 0
        }
    }

    private mutating func decodeBeyond0F() throws(DecodeError) -> Bool {
        switch opcode {
        case 0x01: return try decodeExtendedRegister()
        case 0x38: return try decodeBeyond0F38()
        case 0xae: return try decodeExtendedArea()
        case 0xbc, 0xbd:
            guard repeatPrefix == 0xf3 else { return false }
            try modRM()
            finishOperand()
            emitManipulation(opcode == 0xbc ? .countTrailing : .countLeading, size: size)
            return true
        case 0xc7: return try decodeGroup9Beyond()
        default: return false
        }
    }

    /// XGETBV and XSETBV.
    private mutating func decodeExtendedRegister() throws(DecodeError) -> Bool {
        let modrm = try byte()
        guard modrm == 0xd0 || modrm == 0xd1, repeatPrefix == 0, !operandOverride else {
            return false
        }
        emit(modrm == 0xd0 ? ExtendedStateHandlers.get : ExtendedStateHandlers.set)
        return true
    }

    /// XSAVE, XRSTOR, XSAVEOPT; CLWB and CLFLUSHOPT.
    private mutating func decodeExtendedArea() throws(DecodeError) -> Bool {
        try modRM()
        guard isMemory, group >= 4, repeatPrefix == 0 else { return false }
        if operandOverride {
            guard group >= 6 else { throw .invalidOpcode }
            finishOperand()
            emit(Vectors.flush)
            return true
        }
        guard group < 7 else { return false }
        finishOperand()
        let form: ExtendedStateHandlers.Form = group == 6 ? .optimized : []
        emit(
            group == 5 ? ExtendedStateHandlers.restore : ExtendedStateHandlers.save,
            extra: extendedForm(form))
        return true
    }

    private func extendedForm(_ form: ExtendedStateHandlers.Form) -> UInt16 {
        (rexW ? form.union(.wide) : form).rawValue
    }

    /// XRSTORS, XSAVEC, XSAVES; RDRAND and RDSEED.
    private mutating func decodeGroup9Beyond() throws(DecodeError) -> Bool {
        try modRM()
        if isMemory {
            guard 3...5 ~= group else { return false }
            guard repeatPrefix == 0, !operandOverride else { throw .invalidOpcode }
            finishOperand()
            let form: ExtendedStateHandlers.Form =
                group == 4 ? .compacted : [.compacted, .supervisor]
            emit(
                group == 3 ? ExtendedStateHandlers.restore : ExtendedStateHandlers.save,
                extra: extendedForm(form))
            return true
        }
        guard group == 6 || group == 7, repeatPrefix == 0 else { return false }
        emit(
            BitManipulation.random, reg: Register.general(rm), extra: UInt16(size))
        return true
    }

    /// MOVBE, ADCX, ADOX.
    private mutating func decodeBeyond0F38() throws(DecodeError) -> Bool {
        opcodeMap = .x0F38
        opcode = try byte()
        switch opcode {
        case 0xf0, 0xf1:
            guard repeatPrefix != 0xf2 else { return false }
            try modRM()
            guard isMemory, repeatPrefix == 0 else { throw .invalidOpcode }
            finishOperand()
            emit(
                opcode == 0xf0 ? BitManipulation.loadSwapped : BitManipulation.storeSwapped,
                reg: Register.general(reg), extra: UInt16(size))
        case 0xf6:
            guard repeatPrefix == 0xf3 || operandOverride else { return false }
            try modRM()
            finishOperand()
            emitManipulation(
                repeatPrefix == 0xf3 ? .addOverflow : .addCarry, size: rexW ? 3 : 2)
        default: return false
        }
        return true
    }

    // MARK: VEX

    /// C4 and C5. False: LES or LDS.
    private mutating func decodeVEX(_ first: UInt8) throws(DecodeError) -> Bool {
        let second = try byte()
        guard is64 || second >= 0xc0 else { return false }
        guard rex == 0, !operandOverride, repeatPrefix == 0, !lock,
            mode.has(CodeMode.protected)
        else { throw .invalidOpcode }
        isVEX = true
        var last = second
        var table: UInt8 = 1
        if first == 0xc4 {
            last = try byte()
            table = second & 31
        }
        // R, X and B are stored inverted, and mean nothing outside 64-bit code.
        rex = 0x40
        if is64 {
            rex |= ~second >> 5 & 4
            if first == 0xc4 { rex |= (~second >> 5 & 2) | (~second >> 5 & 1) | last >> 4 & 8 }
        }
        opcode = try byte()
        let other = Int(~last >> 3 & 15) & (is64 ? 15 : 7)
        guard last & 4 == 0, let kind = manipulation(table: table, prefix: last & 3) else {
            throw .invalidOpcode
        }
        try decodeManipulation(kind, other: other)
        return true
    }

    /// By VEX.pp: 0 none, 1 66, 2 F3, 3 F2. Nil: none of these instructions.
    private mutating func manipulation(table: UInt8, prefix: UInt8) -> BitManipulation.Kind? {
        opcodeMap = table == 3 ? .x0F3A : .x0F38
        switch (table, opcode, prefix) {
        case (2, 0xf2, 0): return .andNot
        case (2, 0xf3, 0): return .resetLowest
        case (2, 0xf5, 0): return .zeroHigh
        case (2, 0xf5, 2): return .gather
        case (2, 0xf5, 3): return .scatter
        case (2, 0xf6, 3): return .multiply
        case (2, 0xf7, 0): return .extract
        case (2, 0xf7, 1): return .shiftLeft
        case (2, 0xf7, 2): return .shiftRightSigned
        case (2, 0xf7, 3): return .shiftRight
        case (3, 0xf0, 3): return .rotate
        default: return nil
        }
    }

    private mutating func decodeManipulation(
        _ named: BitManipulation.Kind, other: Int
    ) throws(DecodeError) {
        try modRM()
        var kind = named
        if kind == .resetLowest {
            switch group {
            case 1: break
            case 2: kind = .maskLowest
            case 3: kind = .isolateLowest
            default: throw .invalidOpcode
            }
        }
        let count = kind == .rotate ? try immediate8() : 0
        if kind == .rotate && other != 0 { throw .invalidOpcode }
        finishOperand()
        emitManipulation(kind, size: rexW ? 3 : 2, other: other, immediate: count)
    }

    private mutating func emitManipulation(
        _ kind: BitManipulation.Kind, size: Int, other: Int = 0, immediate: Int64 = 0
    ) {
        let source = stageOperand(size: size)
        emit(
            BitManipulation.handlers[size - 1], reg: Register.general(reg), rm: source,
            immediate: immediate, extra: kind.rawValue | UInt16(Register.general(other)) << 8)
    }
}
