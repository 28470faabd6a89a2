// SPDX-License-Identifier: Apache-2.0

/// Decoding of floating-point arithmetic, comparisons and conversions.
extension Decoder {
    /// The load of an operand that the mandatory prefix gives its width: PS, PD, SS, SD.
    private var loadByPrefix: Handler {
        switch mandatoryPrefix {
        case .none, .x66: Vectors.load128
        case .xF3: Vectors.load32
        case .xF2: Vectors.load64
        }
    }

    mutating func decodeVectorFloat(_ opcode: UInt8) throws(DecodeError) -> Bool {
        let prefix = mandatoryPrefix
        try modRM()
        let isPacked = prefix == .none || prefix == .x66
        switch opcode {
        case 0x2e, 0x2f:
            guard isPacked else { throw .invalidOpcode }
            let handler = Vectors.compareIntoFlags(
                doubles: prefix == .x66, signalling: opcode == 0x2f)
            return emitVector(handler, load: prefix == .x66 ? Vectors.load64 : Vectors.load32)
        case 0x52, 0x53:
            guard prefix == .none || prefix == .xF3 else { throw .invalidOpcode }
            let root = opcode == 0x52
            let handler =
                isPacked
                ? root ? Vectors.reciprocalRoots : Vectors.reciprocals
                : root ? Vectors.reciprocalRoot : Vectors.reciprocal
            return emitVector(handler, load: loadByPrefix)
        case 0x54...0x57:
            guard isPacked else { throw .invalidOpcode }
            let handlers = (Vectors.and, Vectors.andNot, Vectors.or, Vectors.exclusiveOr)
            switch opcode {
            case 0x54: return emitVector(handlers.0)
            case 0x55: return emitVector(handlers.1)
            case 0x56: return emitVector(handlers.2)
            default: return emitVector(handlers.3)
            }
        case 0x7c, 0x7d, 0xd0:
            guard prefix == .x66 || prefix == .xF2,
                let handler = Vectors.arithmetic(opcode, prefix == .x66 ? .x66 : .none)
            else { throw .invalidOpcode }
            return emitVector(handler)
        case 0xc2:
            let predicate = try immediate8() & 7
            return emitVector(Vectors.compare(prefix), load: loadByPrefix, immediate: predicate)
        default:
            guard let handler = Vectors.arithmetic(opcode, prefix) else { throw .invalidOpcode }
            return emitVector(handler, load: loadByPrefix)
        }
    }

    mutating func decodeVectorConvert(_ opcode: UInt8) throws(DecodeError) -> Bool {
        let prefix = mandatoryPrefix
        try modRM()
        switch (opcode, prefix) {
        case (0x2a, .none): return emitConvertFromMMX(Vectors.twoLongsToSingles)
        case (0x2a, .x66): return emitConvertFromMMX(Vectors.longsToDoubles)
        case (0x2a, _): return emitFromInteger(doubles: prefix == .xF2)
        case (0x2c, .none):
            return emitConvertToMMX(Vectors.twoSinglesToLongsTruncating, load: Vectors.load64)
        case (0x2d, .none): return emitConvertToMMX(Vectors.twoSinglesToLongs, load: Vectors.load64)
        case (0x2c, .x66):
            return emitConvertToMMX(Vectors.doublesToLongsTruncating, load: Vectors.load128)
        case (0x2d, .x66): return emitConvertToMMX(Vectors.doublesToLongs, load: Vectors.load128)
        case (0x2c, _), (0x2d, _):
            return emitToInteger(doubles: prefix == .xF2, truncating: opcode == 0x2c)
        case (0x5a, .none): return emitVector(Vectors.singlesToDoubles, load: Vectors.load64)
        case (0x5a, .x66): return emitVector(Vectors.doublesToSingles)
        case (0x5a, .xF3): return emitVector(Vectors.singleToDouble, load: Vectors.load32)
        case (0x5a, .xF2): return emitVector(Vectors.doubleToSingle, load: Vectors.load64)
        case (0x5b, .none): return emitVector(Vectors.longsToSingles)
        case (0x5b, .x66): return emitVector(Vectors.singlesToLongs)
        case (0x5b, .xF3): return emitVector(Vectors.singlesToLongsTruncating)
        case (0xe6, .xF3): return emitVector(Vectors.longsToDoubles, load: Vectors.load64)
        case (0xe6, .x66): return emitVector(Vectors.doublesToLongsTruncating)
        case (0xe6, .xF2): return emitVector(Vectors.doublesToLongs)
        default: throw .invalidOpcode
        }
    }

    private mutating func emitFromInteger(doubles: Bool) -> Bool {
        requireVectors()
        let source =
            isMemory
            ? vectorSource(rexW ? Vectors.load64 : Vectors.load32) : register(rm, size: 3)
        emit(
            Vectors.fromInteger(doubles: doubles, wide: rexW, memory: isMemory), reg: vectorReg,
            rm: source)
        return true
    }

    private mutating func emitToInteger(doubles: Bool, truncating: Bool) -> Bool {
        requireVectors()
        let source = vectorSource(doubles ? Vectors.load64 : Vectors.load32)
        emit(
            Vectors.toInteger(doubles: doubles, wide: rexW, truncating: truncating),
            reg: register(reg, size: 3), rm: source)
        return true
    }
}
