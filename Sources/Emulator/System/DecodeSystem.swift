// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// The one-byte opcodes of the system: segments, far transfers, interrupts, flags, ports.
/// Intel SDM 2, table A-2.
extension Decoder {
    /// True if `opcode` was one of them.
    mutating func decodeSystem(_ opcode: UInt8) throws(DecodeError) -> Bool {
        switch opcode {
        case 0x06, 0x0e, 0x16, 0x1e, 0x07, 0x17, 0x1f: try decodeSegmentStack(opcode)
        case 0x62, 0x63, 0xc4, 0xc5: try decodeLegacyMemory(opcode)
        case 0x6c...0x6f: decodePortString(opcode)
        case 0x8c, 0x8e: try decodeMoveSegment(opcode)
        case 0x9a, 0xea: try decodeFarDirect(call: opcode == 0x9a)
        case 0x9c: emit({ Processor($0).pushFlags(Op($1)) }, extra: UInt16(stackSize))
        case 0x9d: emit({ Processor($0).popFlags(Op($1)) }, extra: UInt16(stackSize))
        case 0x9e: emit { Processor($0).storeFlags(Op($1)) }
        case 0x9f: emit { Processor($0).loadFlags(Op($1)) }
        case 0xca, 0xcb:
            let dropped = opcode == 0xca ? try immediate16() : 0
            emit(
                { Processor($0).returnFar(Op($1)) }, immediate: dropped, extra: UInt16(size))
            endsBlock = true
        case 0xcc...0xcf, 0xf1: try decodeInterrupt(opcode)
        case 0xe4...0xe7, 0xec...0xef: try decodePort(opcode)
        case 0xf4:
            emit { Processor($0).halt(Op($1)) }
            endsBlock = true
        case 0xfa: emit { Processor($0).clearInterrupts(Op($1)) }
        case 0xfb: emit { Processor($0).setInterrupts(Op($1)) }
        default: return false
        }
        return true
    }

    /// PUSH and POP of ES, CS, SS, DS; there is no POP CS.
    private mutating func decodeSegmentStack(_ opcode: UInt8) throws(DecodeError) {
        if is64 { throw .invalidOpcode }
        emitSegmentStack(Int(opcode >> 3), isPop: opcode & 1 != 0)
    }

    mutating func emitSegmentStack(_ segment: Int, isPop: Bool) {
        let number = UInt8(truncatingIfNeeded: segment)
        if isPop {
            emit(
                { Processor($0).popSegment(Op($1)) }, reg: number, extra: UInt16(stackSize))
            if segment == 2 { endsBlock = true }
        } else {
            emit({ Processor($0).pushSegment(Op($1)) }, reg: number, extra: UInt16(stackSize))
        }
    }

    /// BOUND, ARPL, LES, LDS: not in 64-bit code.
    private mutating func decodeLegacyMemory(_ opcode: UInt8) throws(DecodeError) {
        if is64 { throw .invalidOpcode }
        try modRM()
        guard isMemory || opcode == 0x63 else { throw .invalidOpcode }
        let throughCode: UInt16 = operandSegment == 1 ? 1 : 0
        finishOperand()
        switch opcode {
        case 0x62:
            emit(
                { Processor($0).checkBounds(Op($1)) }, reg: Register.general(reg),
                extra: UInt16(size))
        case 0x63:
            emit(
                { Processor($0).adjustLevel(Op($1)) }, reg: Register.general(reg),
                rm: Register.general(rm), extra: memoryFlag | throughCode)
        default: emitFarLoad(segment: opcode == 0xc4 ? 0 : 3)
        }
    }

    /// For ``Processor/word(_:)``.
    var memoryFlag: UInt16 { isMemory ? 0x8000 : 0 }

    /// LES, LDS, LSS, LFS, LGS on the finished operand.
    mutating func emitFarLoad(segment: UInt8) {
        emit(
            { Processor($0).loadFarPointer(Op($1)) }, reg: Register.general(reg), rm: segment,
            extra: UInt16(size))
        if segment == 2 { endsBlock = true }
    }

    private mutating func decodeMoveSegment(_ opcode: UInt8) throws(DecodeError) {
        try modRM()
        guard group < 6, opcode == 0x8c || group != 1 else { throw .invalidOpcode }
        finishOperand()
        let number = UInt8(group)
        if opcode == 0x8c {
            emit(
                { Processor($0).moveFromSegment(Op($1)) }, reg: number, rm: Register.general(rm),
                extra: memoryFlag | UInt16(size))
        } else {
            emit(
                { Processor($0).moveToSegment(Op($1)) }, reg: number, rm: Register.general(rm),
                extra: memoryFlag)
            if group == 2 { endsBlock = true }
        }
    }

    private mutating func decodeFarDirect(call: Bool) throws(DecodeError) {
        if is64 { throw .invalidOpcode }
        let offset =
            size == 1
            ? UInt64(UInt16(truncatingIfNeeded: try immediate16()))
            : UInt64(UInt32(truncatingIfNeeded: try immediate32()))
        let selector = UInt64(UInt16(truncatingIfNeeded: try immediate16()))
        emit(
            call
                ? { Processor($0).callFarDirect(Op($1)) }
                : { Processor($0).jumpFarDirect(Op($1)) },
            immediate: Int64(bitPattern: selector << 32 | offset), extra: UInt16(size))
        endsBlock = true
    }

    /// FF /3 and /5 once ModRM has been read and names memory.
    mutating func decodeFarIndirect(call: Bool) throws(DecodeError) {
        finishOperand()
        emit(
            call
                ? { Processor($0).callFarMemory(Op($1)) }
                : { Processor($0).jumpFarMemory(Op($1)) },
            extra: UInt16(size))
        endsBlock = true
    }

    /// INT3, INT n, INTO, IRET, INT1.
    private mutating func decodeInterrupt(_ opcode: UInt8) throws(DecodeError) {
        switch opcode {
        case 0xcc: emit({ Processor($0).softwareInterrupt(Op($1)) }, immediate: 3)
        case 0xcd:
            let vector = try immediate8()
            emit({ Processor($0).softwareInterrupt(Op($1)) }, immediate: vector & 0xff)
        case 0xce:
            if is64 { throw .invalidOpcode }
            // Goes on with the next instruction where OF is clear.
            emit({ Processor($0).overflowInterrupt(Op($1)) }, immediate: 4)
            return
        case 0xcf: emit({ Processor($0).interruptReturn(Op($1)) }, extra: UInt16(size))
        default: emit { Processor($0).debugInterrupt(Op($1)) }
        }
        endsBlock = true
    }

    /// IN and OUT: E4–E7 with an immediate port, EC–EF with DX (immediate −1).
    private mutating func decodePort(_ opcode: UInt8) throws(DecodeError) {
        let port = opcode & 8 == 0 ? try immediate8() & 0xff : -1
        let size = UInt16(opcode & 1 == 0 ? 0 : min(self.size, 2))
        if opcode & 2 == 0 {
            emit({ Processor($0).input(Op($1)) }, immediate: port, extra: size)
        } else {
            emit({ Processor($0).output(Op($1)) }, immediate: port, extra: size)
        }
    }

    /// INS and OUTS.
    private mutating func decodePortString(_ opcode: UInt8) {
        let size = UInt16(opcode & 1 == 0 ? 0 : min(self.size, 2))
        let extra = size | UInt16(addressSize) << 2 | (repeatPrefix != 0 ? 16 : 0)
        let isInput = opcode & 2 == 0
        // INS writes to ES whatever the prefixes say.
        let segment = isInput ? 0 : segmentOverride ?? 3
        operand.segment = is64 && segment < 4 ? Register.zero : Register.base(of: segment)
        if isInput {
            emit({ Processor($0).inputString(Op($1)) }, extra: extra)
        } else {
            emit({ Processor($0).outputString(Op($1)) }, extra: extra)
        }
    }
}
