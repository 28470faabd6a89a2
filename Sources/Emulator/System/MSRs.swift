// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Numbers of model-specific registers. Intel SDM 4; AMD APM 2, appendix A.
enum MSR {
    static var tsc: UInt32 { 0x10 }
    static var tscAdjust: UInt32 { 0x3b }
    static var patchLevel: UInt32 { 0x8b }
    static var mtrrCapabilities: UInt32 { 0xfe }
    static var sysenterCS: UInt32 { 0x174 }
    static var sysenterESP: UInt32 { 0x175 }
    static var sysenterEIP: UInt32 { 0x176 }
    static var machineCheckCapabilities: UInt32 { 0x179 }
    static var machineCheckStatus: UInt32 { 0x17a }
    static var miscEnable: UInt32 { 0x1a0 }
    static var debugControl: UInt32 { 0x1d9 }
    static var pat: UInt32 { 0x277 }
    static var mtrrDefault: UInt32 { 0x2ff }
    static var efer: UInt32 { 0xc000_0080 }
    static var star: UInt32 { 0xc000_0081 }
    static var lstar: UInt32 { 0xc000_0082 }
    static var cstar: UInt32 { 0xc000_0083 }
    static var syscallMask: UInt32 { 0xc000_0084 }
    static var fsBase: UInt32 { 0xc000_0100 }
    static var gsBase: UInt32 { 0xc000_0101 }
    static var kernelGSBase: UInt32 { 0xc000_0102 }
    static var tscAux: UInt32 { 0xc000_0103 }
    static var systemConfiguration: UInt32 { 0xc001_0010 }
    static var hwcr: UInt32 { 0xc001_0015 }
    static var topOfMemory: UInt32 { 0xc001_001a }
    static var topOfMemory2: UInt32 { 0xc001_001d }
    static var decodeConfiguration: UInt32 { 0xc001_1029 }

    /// Index among the fixed-range MTRRs, or nil.
    static func fixedRange(_ number: UInt32) -> Int? {
        switch number {
        case 0x250: 0
        case 0x258, 0x259: Int(number &- 0x257)
        case 0x268...0x26f: Int(number &- 0x265)
        default: nil
        }
    }

    /// Registers of real processors that Linux reads and writes back: they hold zero here.
    /// IORR, NB_CFG, interrupt pending, MMIO configuration, OSVW, LS_CFG, IC_CFG, DC_CFG, BU_CFG.
    static func holdsZero(_ number: UInt32) -> Bool {
        switch number {
        case 0xc001_0016...0xc001_0019, 0xc001_001f, 0xc001_0055, 0xc001_0058,
            0xc001_0140, 0xc001_0141, 0xc001_1020...0xc001_1023, 0xc001_102a:
            true
        default: false
        }
    }

    /// True if all eight bytes are memory types that the PAT knows. Intel SDM 3, 12.12.2.
    static func isPAT(_ value: UInt64) -> Bool { areTypes(value, 0b1111_0011) }
    /// As ``isPAT(_:)`` for MTRRs, which lack UC−.
    static func areRangeTypes(_ value: UInt64) -> Bool { areTypes(value, 0b0111_0011) }

    private static func areTypes(_ value: UInt64, _ allowed: UInt8) -> Bool {
        for index in 0..<8 {
            let type = value >> (UInt64(index) &* 8) & 0xff
            guard type < 8, allowed >> UInt8(type) & 1 != 0 else { return false }
        }
        return true
    }
}

extension Processor {
    /// The value of an MSR at `op`'s instruction; nil: there is none.
    func modelSpecific(_ number: UInt32, _ op: Op) -> UInt64? {
        switch number {
        case MSR.tsc: timeStamp(op)
        default:
            storedMSR(number) ?? platformMSR(number)
                ?? atInstruction(op) { $0.readMSR(number) }
        }
    }

    /// Registers that are the processor's own state: also what a snapshot keeps.
    func storedMSR(_ number: UInt32) -> UInt64? {
        switch number {
        case MSR.tscAdjust: state.msrs.tscAdjust
        case MSR.sysenterCS: state.msrs.sysenterCS
        case MSR.sysenterESP: state.msrs.sysenterESP
        case MSR.sysenterEIP: state.msrs.sysenterEIP
        case MSR.machineCheckStatus: state.msrs.machineCheckStatus
        case MSR.miscEnable: state.msrs.miscEnable
        case MSR.pat: state.msrs.pat
        case MSR.mtrrDefault: state.msrs.mtrrDefault
        case 0x200...0x20f: state.msrs.mtrrVariable[Int(number &- 0x200)]
        case MSR.efer: state.msrs.efer
        case MSR.star: state.msrs.star
        case MSR.lstar: state.msrs.lstar
        case MSR.cstar: state.msrs.cstar
        case MSR.syscallMask: state.msrs.syscallMask
        case MSR.fsBase: state.segments[4].base
        case MSR.gsBase: state.segments[5].base
        case MSR.kernelGSBase: state.msrs.kernelGSBase
        case MSR.tscAux: state.msrs.tscAux
        case MSR.systemConfiguration: state.system.systemConfiguration
        case MSR.hwcr: state.msrs.hwcr
        case MSR.topOfMemory: state.system.topOfMemory
        case MSR.topOfMemory2: state.system.topOfMemory2
        case MSR.decodeConfiguration: state.system.decodeConfiguration
        default: MSR.fixedRange(number).map { state.msrs.mtrrFixed[$0] }
        }
    }

    /// Registers that never change.
    private func platformMSR(_ number: UInt32) -> UInt64? {
        switch number {
        // As of a processor with all fixes.
        case MSR.patchLevel: 0x0830_107c
        // Eight variable ranges, fixed ranges, write-combining.
        case MSR.mtrrCapabilities: 0x508
        // No banks.
        case MSR.machineCheckCapabilities, MSR.debugControl: 0
        // VM_CR: virtualization is disabled.
        case 0xc001_0114: 0x10
        default: MSR.holdsZero(number) ? 0 : nil
        }
    }

    /// Writes an MSR at `op`'s instruction. False: #GP(0), nothing has changed.
    func setModelSpecific(_ number: UInt32, _ value: UInt64, _ op: Op) -> Bool {
        switch number {
        case MSR.tsc:
            moveTimeStamp(by: value &- timeStamp(op))
            return true
        case MSR.tscAdjust:
            moveTimeStamp(by: value &- state.msrs.tscAdjust)
            return true
        case MSR.efer: return setEFER(value)
        case MSR.sysenterCS...MSR.sysenterEIP, MSR.star...MSR.syscallMask,
            MSR.fsBase...MSR.tscAux:
            return setTransferMSR(number, value)
        case MSR.pat, MSR.mtrrDefault, 0x200...0x20f, 0x250, 0x258, 0x259, 0x268...0x26f:
            return setMemoryTypeMSR(number, value)
        default:
            if setPlatformMSR(number, value) { return true }
            return atInstruction(op) { $0.writeMSR(number, value) }
        }
    }

    private func moveTimeStamp(by ticks: UInt64) {
        state.tscOffset &+= ticks
        state.msrs.tscAdjust &+= ticks
        host.timeStampMoved(offset: state.tscOffset)
    }

    /// Where SYSCALL and SYSENTER go, and the bases of FS and GS.
    func setTransferMSR(_ number: UInt32, _ value: UInt64) -> Bool {
        let low = value & 0xffff_ffff
        switch number {
        case MSR.sysenterCS: state.msrs.sysenterCS = low
        case MSR.star: state.msrs.star = value
        case MSR.syscallMask: state.msrs.syscallMask = low
        case MSR.tscAux: state.msrs.tscAux = low
        default:
            guard isCanonical(value) else { return false }
            switch number {
            case MSR.sysenterESP: state.msrs.sysenterESP = value
            case MSR.sysenterEIP: state.msrs.sysenterEIP = value
            case MSR.lstar: state.msrs.lstar = value
            case MSR.cstar: state.msrs.cstar = value
            case MSR.fsBase: setBase(4, value)
            case MSR.gsBase: setBase(5, value)
            default: state.msrs.kernelGSBase = value
            }
        }
        return true
    }

    /// PAT and MTRRs: kept, and of no effect, since no memory is cached.
    func setMemoryTypeMSR(_ number: UInt32, _ value: UInt64) -> Bool {
        switch number {
        case MSR.pat:
            guard MSR.isPAT(value) else { return false }
            state.msrs.pat = value
        case MSR.mtrrDefault:
            guard value & ~0xcff == 0, MSR.areRangeTypes(value & 0xff) else { return false }
            state.msrs.mtrrDefault = value
        case 0x200...0x20f:
            let isMask = number & 1 != 0
            guard value >> ControlBits.physicalBits == 0, value & (isMask ? 0x7ff : 0xf00) == 0,
                isMask || MSR.areRangeTypes(value & 0xff)
            else { return false }
            state.msrs.mtrrVariable[Int(number &- 0x200)] = value
        default:
            guard let index = MSR.fixedRange(number), MSR.areRangeTypes(value) else {
                return false
            }
            state.msrs.mtrrFixed[index] = value
        }
        return true
    }

    /// False: not a register of the platform, or not a value for it.
    func setPlatformMSR(_ number: UInt32, _ value: UInt64) -> Bool {
        switch number {
        case MSR.machineCheckStatus: state.msrs.machineCheckStatus = value & 7
        case MSR.miscEnable: state.msrs.miscEnable = value
        // Branch traces and single-stepping on branches are not offered.
        case MSR.debugControl: return value == 0
        case MSR.systemConfiguration: state.system.systemConfiguration = value
        case MSR.hwcr: state.msrs.hwcr = value
        case MSR.topOfMemory: state.system.topOfMemory = value
        case MSR.topOfMemory2: state.system.topOfMemory2 = value
        // LFENCE is always serializing.
        case MSR.decodeConfiguration: state.system.decodeConfiguration = value | 2
        case MSR.patchLevel: return true
        default: return MSR.holdsZero(number)
        }
        return true
    }
}
