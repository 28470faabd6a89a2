// SPDX-License-Identifier: Apache-2.0

/// Which instruction it is: its opcode as manuals write it.
struct CompletedOpcode: Hashable, CustomStringConvertible {
    /// 0xF2, 0xF3, 0x66 or 0: the prefix that selects.
    private let prefix: UInt8
    private let isVEX: Bool
    /// 0 for the one-byte opcodes, else the table's bytes in order.
    private let map: UInt16
    private let opcode: UInt8
    /// ModRM.reg or all of ModRM, where they are part of the opcode.
    private let selector: UInt8?

    init(_ decoder: Decoder) {
        let map: UInt16 =
            switch decoder.opcodeMap {
            case nil: 0
            case .x0F: 0x0f
            case .x0F38: 0x0f38
            case .x0F3A: 0x0f3a
            }
        self.map = map
        opcode = decoder.opcode
        isVEX = decoder.isVEX
        prefix =
            decoder.repeatPrefix != 0 ? decoder.repeatPrefix : decoder.operandOverride ? 0x66 : 0
        selector =
            Self.isGroup(map, decoder.opcode)
            ? UInt8(truncatingIfNeeded: decoder.group) : nil
    }

    /// Opcodes whose ModRM.reg tells what they do.
    private static func isGroup(_ map: UInt16, _ opcode: UInt8) -> Bool {
        switch (map, opcode) {
        case (0, 0x80...0x83), (0, 0x8f), (0, 0xc0), (0, 0xc1), (0, 0xc6), (0, 0xc7),
            (0, 0xd0...0xd3), (0, 0xd8...0xdf), (0, 0xf6), (0, 0xf7), (0, 0xfe), (0, 0xff),
            (0x0f, 0x00), (0x0f, 0x01), (0x0f, 0x71...0x73), (0x0f, 0xae), (0x0f, 0xba),
            (0x0f, 0xc7), (0x0f38, 0xf3):
            true
        default: false
        }
    }

    /// On registers that the state given for completion does not hold: WRMSR, RDTSC, RDMSR, SYSCALL,
    /// SYSRET, SYSENTER, SYSEXIT, CPUID.
    var needsEngine: Bool {
        guard map == 0x0f else { return false }
        return switch opcode {
        case 0x05, 0x07, 0x30...0x35, 0xa2: true
        default: false
        }
    }

    var description: String {
        var words: [String] = []
        if isVEX { words.append("vex") }
        if prefix != 0 { words.append(Self.hex(prefix)) }
        if map > 0xff { words.append(Self.hex(UInt8(map >> 8))) }
        if map != 0 { words.append(Self.hex(UInt8(truncatingIfNeeded: map))) }
        words.append(Self.hex(opcode))
        if let selector { words.append("/\(selector)") }
        return words.joined(separator: " ")
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
}
