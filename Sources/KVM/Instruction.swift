// SPDX-License-Identifier: Apache-2.0

/// The bytes of an instruction, for people.
enum Instruction {
    static func text(_ bytes: [UInt8]) -> String {
        bytes.isEmpty ? "(bytes unknown)" : hex(bytes)
    }

    /// What the instruction is counted as: its opcode, with the prefixes that select it before it.
    ///
    /// However often the guest writes prefixes, and in whatever order, there are a few thousand.
    static func opcode(_ bytes: [UInt8]) -> String {
        var size: [UInt8] = []
        var selector: [UInt8] = []
        var rest = bytes[...]
        while let prefix = rest.first, isPrefix(prefix) {
            if prefix == 0x66 { size = [prefix] }
            // The last of these two counts.
            if prefix == 0xf2 || prefix == 0xf3 { selector = [prefix] }
            rest = rest.dropFirst()
        }
        var words = size + selector
        let place = rest.startIndex
        switch rest.first {
        case 0xc5 where rest.count > 2: return "vex " + hex([rest[place + 2]])
        case 0xc4 where rest.count > 3: return "vex " + hex([rest[place + 3]])
        case 0x62 where rest.count > 4: return "evex " + hex([rest[place + 4]])
        case 0x0f:
            let isLong = rest.dropFirst().first.map { $0 == 0x38 || $0 == 0x3a } ?? false
            words += rest.prefix(isLong ? 3 : 2)
        default: words += rest.prefix(1)
        }
        return words.isEmpty ? "unknown" : hex(words)
    }

    /// Legacy prefixes, and REX: the code is a 64-bit kernel's.
    private static func isPrefix(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x26, 0x2e, 0x36, 0x3e, 0x64...0x67, 0xf0, 0xf2, 0xf3, 0x40...0x4f: true
        default: false
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}
