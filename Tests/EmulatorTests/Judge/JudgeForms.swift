// SPDX-License-Identifier: Apache-2.0

@testable import Emulator

/// A form of an instruction: what the coverage table has a row for.
struct JudgeForm: Hashable, BitwiseCopyable {
    /// 0 the one-byte map, 1 0F, 2 0F 38, 3 0F 3A.
    var map: UInt8
    var opcode: UInt8
    /// The prefix that selects among instructions: 0, 66, F3, F2. Always 0 in the one-byte map.
    var prefix: UInt8 = 0
    /// ModRM.reg where it selects.
    var group: UInt8?
    /// ModRM.rm where it selects (x87 instructions on registers).
    var low: UInt8?
    /// ModRM names memory; nil: there is no ModRM.
    var isMemory: Bool?
    /// 32-bit code.
    var is32 = false
}

extension JudgeForm: CustomStringConvertible {
    /// For example `66 0F 71 /2 register, 32-bit`.
    var description: String {
        var text = (prefix == 0 ? opcodeBytes : [prefix] + opcodeBytes).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16).uppercased()
        }.joined(separator: " ")
        if let group { text += " /\(group)" }
        if let low { text += " ST(\(low))" }
        if let isMemory { text += isMemory ? " memory" : " register" }
        return is32 ? text + ", 32-bit" : text
    }
}

/// What opcodes look like. Intel SDM 2, appendix A.
enum JudgeOpcodes {
    /// ModRM follows.
    static func hasModRM(_ map: UInt8, _ opcode: UInt8, is32: Bool) -> Bool {
        switch map {
        case 0:
            switch opcode {
            case 0x00...0x3f: opcode & 7 < 4
            case 0x62, 0xc4, 0xc5: is32
            case 0x63, 0x69, 0x6b, 0x80...0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xd3, 0xd8...0xdf,
                0xf6, 0xf7, 0xfe, 0xff:
                true
            default: false
            }
        case 1:
            switch opcode {
            case 0x04...0x0c, 0x0e, 0x30...0x37, 0x77, 0x80...0x8f, 0xa0...0xa2, 0xa8...0xaa,
                0xc8...0xcf:
                false
            default: true
            }
        default: true
        }
    }

    /// ModRM.reg selects the instruction.
    static func isGroup(_ map: UInt8, _ opcode: UInt8) -> Bool {
        switch (map, opcode) {
        case (0, 0x80...0x83), (0, 0x8c), (0, 0x8e), (0, 0x8f), (0, 0xc0), (0, 0xc1), (0, 0xc6),
            (0, 0xc7), (0, 0xd0...0xd3), (0, 0xd8...0xdf), (0, 0xf6), (0, 0xf7), (0, 0xfe),
            (0, 0xff), (1, 0x00), (1, 0x01), (1, 0x18), (1, 0x20...0x23), (1, 0x71...0x73),
            (1, 0xae), (1, 0xba), (1, 0xc7):
            true
        default: false
        }
    }

    /// A prefix of 66, F3 or F2 makes another instruction of it.
    static func isSelected(_ map: UInt8, _ opcode: UInt8) -> Bool {
        switch map {
        case 0: false
        case 1:
            switch opcode {
            case 0x10...0x17, 0x28...0x2f, 0x50...0x7f, 0xae, 0xb8, 0xc2...0xc6, 0xd0...0xfe: true
            default: false
            }
        default: true
        }
    }

    /// Why a form is not judged; nil: it is.
    static func exclusion(_ form: JudgeForm) -> String? {
        form.map == 0 ? excluded(form.opcode, form) : form.map == 1 ? excluded0F(form) : nil
    }

    private static func excluded(_ opcode: UInt8, _ form: JudgeForm) -> String? {
        switch opcode {
        case 0x9a, 0xea, 0xca, 0xcb, 0xcf: "far transfers go by the host's descriptors"
        case 0xff where form.group == 3 || form.group == 5:
            "far transfers go by the host's descriptors"
        case 0x07, 0x17, 0x1f, 0x8e, 0xc4, 0xc5: "segment loads go by the host's descriptors"
        default: nil
        }
    }

    private static func excluded0F(_ form: JudgeForm) -> String? {
        switch form.opcode {
        case 0x00: form.group == 0 || form.group == 1 ? "SLDT, STR: the host has UMIP" : descriptors
        case 0x01: excludedGroup7(form)
        case 0x02, 0x03: "LAR, LSL: they tell of the host's descriptors"
        case 0xa1, 0xa9, 0xb2, 0xb4, 0xb5: "segment loads go by the host's descriptors"
        case 0x05, 0x34: "SYSCALL, SYSENTER call the host's kernel"
        case 0x31: "RDTSC tells the time"
        case 0x33: "RDPMC tells of the host"
        case 0xa2: "CPUID tells of the host"
        case 0xae where form.group == 4 || form.group == 5 || form.group == 6:
            form.isMemory == true ? "XSAVE, XRSTOR: the host has more components" : nil
        default: nil
        }
    }

    private static var descriptors: String { "LLDT, LTR, VERR, VERW go by the host's descriptors" }

    private static func excludedGroup7(_ form: JudgeForm) -> String? {
        guard form.isMemory == true else {
            return "XGETBV, RDTSCP, SWAPGS and kin tell of the host"
        }
        switch form.group {
        case 0, 1, 4: return "SGDT, SIDT, SMSW: the host has UMIP and Linux answers for it"
        default: return nil
        }
    }
}

/// Instructions of hosts beyond x86-64-v2, and those that tell of a host: bytes that the software
/// processor refuses and another processor may well execute.
extension JudgeOpcodes {
    static func isForeign(_ form: JudgeForm) -> Bool {
        switch form.map {
        case 0:
            switch form.opcode {
            // VEX, EVEX, XOP; in 64-bit code or with registers.
            case 0x62, 0xc4, 0xc5, 0x8f: true
            default: exclusion(form) != nil
            }
        case 1:
            switch form.opcode {
            // 3DNow!, SSE4A, TZCNT and LZCNT, virtualization.
            case 0x01, 0x04, 0x0a, 0x0c, 0x0d, 0x0e, 0x0f, 0x24...0x27, 0x2b, 0x36...0x39, 0x3b,
                0x3c,
                0x3d, 0x3e, 0x3f, 0x78, 0x79, 0xa6, 0xa7, 0xae, 0xb8, 0xbc, 0xbd, 0xc7:
                true
            default: exclusion(form) != nil
            }
        // AES, SHA, MOVBE, ADX, INVPCID, PCLMULQDQ, GFNI.
        case 2: form.opcode >= 0x80
        default: form.opcode == 0x44 || form.opcode >= 0xc0
        }
    }
}
