// SPDX-License-Identifier: Apache-2.0

/// Decoding of group 0F AE and of XGETBV, XSETBV.
extension Decoder {
    /// 0F AE: FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, XSAVE, XRSTOR, CLFLUSH, fences. With F3 in front and
    /// a register operand it belongs to others (RDFSBASE and kin): false.
    mutating func decodeVectorState() throws(DecodeError) -> Bool {
        var ahead = self
        try ahead.modRM()
        if repeatPrefix == 0xf3 && !ahead.isMemory && ahead.group < 4 { return false }
        guard mandatoryPrefix == .none else { throw .invalidOpcode }
        try modRM()
        guard isMemory else {
            switch group {
            case 5, 7: emit(Vectors.weakFence)
            case 6: emit(Vectors.fence)
            default: throw .invalidOpcode
            }
            return true
        }
        if group == 2 || group == 3 { requireVectors() }
        let place: UInt16 = is64 ? 2 : UInt16(operandSegment) << 2
        finishOperand()
        emit(stateHandler, extra: (rexW ? 1 : 0) | place)
        return true
    }

    private var stateHandler: Handler {
        switch group {
        case 0: Vectors.fxsave
        case 1: Vectors.fxrstor
        case 2: Vectors.loadControl
        case 3: Vectors.storeControl
        case 4, 6: Vectors.xsave
        case 5: Vectors.xrstor
        default: Vectors.flush
        }
    }

    /// 0F 01 D0 and D1; the rest of 0F 01 belongs to others: false.
    mutating func decodeExtendedControl() throws(DecodeError) -> Bool {
        var ahead = self
        try ahead.modRM()
        guard !ahead.isMemory, ahead.group == 2, ahead.rm & 7 < 2 else { return false }
        guard mandatoryPrefix == .none else { throw .invalidOpcode }
        try modRM()
        emit(rm & 7 == 0 ? Vectors.getExtendedControl : Vectors.setExtendedControl)
        return true
    }
}
