// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// The two-byte opcodes of the system. Intel SDM 2, tables.
///
/// Not offered, hence #UD: virtualization (VMX, SVM), RSM, MONITOR and MWAIT, RDRAND, RDSEED, RDPID.
extension Decoder {
    /// True if `opcode` was one of them; if not, nothing behind it has been read.
    mutating func decodeSystem0F(_ opcode: UInt8) throws(DecodeError) -> Bool {
        switch opcode {
        case 0x00: try decodeGroup6()
        case 0x01: try decodeGroup7()
        case 0x02, 0x03: try decodeQuery(opcode)
        case 0x05...0x07, 0x30...0x35: decodeSystemCall(opcode)
        case 0x08, 0x09: emit { Processor($0).invalidateCaches(Op($1)) }
        case 0x0b, 0xaa: throw .invalidOpcode
        case 0xb9, 0xff:
            // UD1, UD0: with ModRM.
            try modRM()
            throw .invalidOpcode
        case 0x20...0x23: try decodeMoveControl(opcode)
        case 0xa0: emitSegmentStack(4, isPop: false)
        case 0xa1: emitSegmentStack(4, isPop: true)
        case 0xa8: emitSegmentStack(5, isPop: false)
        case 0xa9: emitSegmentStack(5, isPop: true)
        case 0xa2: emit { Processor($0).identify(Op($1)) }
        case 0xae: return try decodeBases()
        case 0xb2, 0xb4, 0xb5:
            try modRM()
            guard isMemory else { throw .invalidOpcode }
            finishOperand()
            emitFarLoad(segment: opcode & 7)
        default: return false
        }
        return true
    }

    /// SLDT, STR, LLDT, LTR, VERR, VERW.
    private mutating func decodeGroup6() throws(DecodeError) {
        try modRM()
        guard group < 6 else { throw .invalidOpcode }
        finishOperand()
        let handler: Handler =
            switch group {
            case 0, 1: { Processor($0).storeSystemSegment(Op($1)) }
            case 2, 3: { Processor($0).loadSystemSegment(Op($1)) }
            default: { Processor($0).verify(Op($1)) }
            }
        emit(
            handler, reg: UInt8(group & 1), rm: Register.general(rm),
            extra: memoryFlag | UInt16(size))
    }

    private mutating func decodeGroup7() throws(DecodeError) {
        try modRM()
        if !isMemory && group != 4 && group != 6 { return try decodeGroup7Register() }
        finishOperand()
        let kind: UInt16 = is64 ? 3 : UInt16(size)
        switch group {
        case 0, 1: emit({ Processor($0).storeTable(Op($1)) }, reg: UInt8(group & 1), extra: kind)
        case 2, 3: emit({ Processor($0).loadTable(Op($1)) }, reg: UInt8(group & 1), extra: kind)
        case 4:
            emit(
                { Processor($0).storeMachineStatus(Op($1)) }, rm: Register.general(rm),
                extra: memoryFlag | UInt16(size))
        case 6:
            emit(
                { Processor($0).loadMachineStatus(Op($1)) }, rm: Register.general(rm),
                extra: memoryFlag)
            endsBlock = true
        case 7:
            emit { Processor($0).invalidatePage(Op($1)) }
            endsBlock = true
        default: throw .invalidOpcode
        }
    }

    /// 0F 01 C0–FF.
    private mutating func decodeGroup7Register() throws(DecodeError) {
        guard !operandOverride, repeatPrefix == 0 else { throw .invalidOpcode }
        switch UInt8(group << 3 | rm & 7) {
        case 0o12: emit { Processor($0).changeAccess(Op($1)) }
        case 0o13: emit({ Processor($0).changeAccess(Op($1)) }, immediate: 1 << 18)
        case 0o20: emit { Processor($0).readExtendedControl(Op($1)) }
        case 0o21:
            emit { Processor($0).writeExtendedControl(Op($1)) }
            endsBlock = true
        case 0o70 where is64: emit { Processor($0).swapGS(Op($1)) }
        case 0o71: emit { Processor($0).readTimeStampAndProcessor(Op($1)) }
        default: throw .invalidOpcode
        }
    }

    /// LAR, LSL.
    private mutating func decodeQuery(_ opcode: UInt8) throws(DecodeError) {
        try modRM()
        finishOperand()
        emit(
            opcode == 2
                ? { Processor($0).loadAccessRights(Op($1)) }
                : { Processor($0).loadSegmentLimit(Op($1)) },
            reg: Register.general(reg), rm: Register.general(rm),
            extra: memoryFlag | UInt16(size))
    }

    /// What has no ModRM: SYSCALL, CLTS, SYSRET, WRMSR, RDTSC, RDMSR, RDPMC, SYSENTER, SYSEXIT.
    private mutating func decodeSystemCall(_ opcode: UInt8) {
        switch opcode {
        case 0x05: emit { Processor($0).systemCall(Op($1)) }
        case 0x06: emit { Processor($0).clearTaskSwitched(Op($1)) }
        case 0x07: emit({ Processor($0).systemReturn(Op($1)) }, extra: rexW ? 3 : 2)
        case 0x30: emit { Processor($0).writeMSR(Op($1)) }
        case 0x31: emit { Processor($0).readTimeStamp(Op($1)) }
        case 0x32: emit { Processor($0).readMSR(Op($1)) }
        case 0x33: emit { Processor($0).raise(Op($1), .generalProtection) }
        case 0x34: emit { Processor($0).systemEnter(Op($1)) }
        default: emit { Processor($0).systemExit(Op($1)) }
        }
        let goesOn = opcode == 0x30 || opcode == 0x31 || opcode == 0x32
        if !goesOn { endsBlock = true }
    }

    /// MOV to and from CRn and DRn: ModRM always names registers, whatever its mod is.
    private mutating func decodeMoveControl(_ opcode: UInt8) throws(DecodeError) {
        let modrm = try byte()
        let number = modrm >> 3 & 7 | (rex & 4 != 0 ? 8 : 0)
        let register = Register.general(Int(modrm & 7 | (rex & 1 != 0 ? 8 : 0)))
        let isDebug = opcode & 1 != 0
        let exists = isDebug ? number < 8 : number == 0 || number == 8 || 2...4 ~= number
        guard exists else { throw .invalidOpcode }
        let handler: Handler =
            switch opcode {
            case 0x20: { Processor($0).readControl(Op($1)) }
            case 0x21: { Processor($0).readDebug(Op($1)) }
            case 0x22: { Processor($0).writeControl(Op($1)) }
            default: { Processor($0).writeDebug(Op($1)) }
            }
        emit(handler, reg: number, rm: register, extra: is64 ? 3 : 2)
        if opcode >= 0x22 { endsBlock = true }
    }

    /// RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: F3 0F AE /0–/3 with a register, in 64-bit code.
    private mutating func decodeBases() throws(DecodeError) -> Bool {
        guard is64, repeatPrefix == 0xf3 else { return false }
        let modrm = try byte()
        unread()
        guard modrm >= 0xc0, modrm < 0xe0 else { return false }
        try modRM()
        emit(
            group < 2
                ? { Processor($0).readBase(Op($1)) } : { Processor($0).writeBase(Op($1)) },
            reg: UInt8(4 | group & 1), rm: Register.general(rm), extra: rexW ? 3 : 2)
        return true
    }
}
