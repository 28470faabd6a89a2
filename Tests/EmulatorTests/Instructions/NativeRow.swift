// SPDX-License-Identifier: Apache-2.0

/// What a processor (AMD Zen, at CPL 3) did with random integer instructions.
///
/// A row is `address:code`, then `i` registers before, `f` flags before, `o` registers that have
/// changed, `m` memory that has changed, `x` exception, `c` and `e` CR2 and error code of a page
/// fault, `k` the flags that are defined (all where missing), `F` those flags after. Addresses are
/// relative to ``NativeRig/code`` and ``NativeRig/data``. A token with `+` goes on with the code.
enum NativeTable: String, CaseIterable, Sendable {
    case single, more, several

    var rows: [NativeRow] {
        let text =
            switch self {
            case .single: Self.first
            case .more: Self.second
            case .several: Self.sequences
            }
        return text.split(separator: ";").map { NativeRow(String($0)) }.filter { !$0.code.isEmpty }
    }
}

struct NativeRow {
    let text: String
    var address: UInt64 = 0
    var code: [UInt8] = []
    var before = NativeRow.defaults
    var after = NativeRow.defaults
    var flagsBefore: UInt64 = 0
    var flagsAfter: UInt64 = 0
    var definedFlags = Self.allFlags
    var memory: [(offset: Int, bytes: [UInt8])] = []
    var exception: UInt8?
    var cr2: UInt64 = 0
    var errorCode: UInt64 = 0

    /// CF, PF, AF, ZF, SF, DF, OF.
    static let allFlags: UInt64 = 0xcd5
    /// Registers that a row does not name hold their number plus one in each byte.
    static let defaults = (1...16).map { UInt64($0) &* 0x0101_0101_0101_0101 }

    init(_ text: String) {
        self.text = text
        var changes: [(Int, UInt64)] = []
        for token in text.split(whereSeparator: \.isWhitespace) {
            let rest = token.dropFirst(1)
            if token.hasPrefix("+") {
                code += Self.bytes(rest)
                continue
            }
            if let colon = token.firstIndex(of: ":") {
                address = Self.number(token[..<colon])
                code = Self.bytes(token[token.index(after: colon)...])
                continue
            }
            guard let equals = token.firstIndex(of: "=") else { continue }
            let place = Int(Self.number(token[..<equals].dropFirst(1)))
            let digits = token[token.index(after: equals)...]
            if token.hasPrefix("m") {
                memory.append((place, Self.bytes(digits)))
                continue
            }
            let value = Self.number(digits)
            switch token.first {
            case "i": before[place] = value
            case "o": changes.append((place, value))
            case "f": flagsBefore = value
            case "F": flagsAfter = value
            case "k": definedFlags = value
            case "x": exception = UInt8(value)
            case "c": cr2 = value
            default: errorCode = value
            }
        }
        after = before
        for (place, value) in changes { after[place] = value }
    }

    private static func number(_ text: Substring) -> UInt64 { UInt64(text, radix: 16) ?? 0 }

    private static func bytes(_ text: Substring) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }
}
