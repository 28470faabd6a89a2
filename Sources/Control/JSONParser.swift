// SPDX-License-Identifier: Apache-2.0

/// Reads one JSON text, strictly as RFC 8259 has it, from bytes that may be hostile.
package struct JSONParser {
    /// Most values that stand inside one another.
    package static var depthLimit: Int { 64 }

    /// Most bytes of a text, unless the caller says otherwise.
    package static var byteLimit: Int { 1 << 20 }

    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    /// Index of the first byte of `line`.
    private var lineStart = 0

    /// The one value in `bytes`; white space may surround it. At most `limit` bytes.
    package static func parse(
        _ bytes: [UInt8], limit: Int = byteLimit
    ) throws(JSONError) -> JSON {
        guard bytes.count <= limit else { throw JSONError(.tooLong(limit), at: nil) }
        var parser = JSONParser(bytes: bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.peek == nil else { throw parser.syntax("trailing characters") }
        return value
    }

    /// As ``parse(_:limit:)``, of a text.
    package static func parse(_ text: String) throws(JSONError) -> JSON {
        try parse(Array(text.utf8))
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private var position: Position { Position(line: line, column: index - lineStart + 1) }

    /// Where the byte stood that was read last, if that was no line's end.
    private var end: Position { Position(line: line, column: index - lineStart) }

    private func syntax(_ text: String) -> JSONError { JSONError(.syntax(text), at: position) }

    private mutating func skipSpace() {
        while let byte = peek {
            switch byte {
            case 0x20, 0x09, 0x0d: index += 1
            case 0x0a:
                index += 1
                line += 1
                lineStart = index
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        skipSpace()
        let start = position
        guard let byte = peek else { throw syntax("EOF while parsing a value") }
        let value: JSON.Value
        switch byte {
        case UInt8(ascii: "{"): value = .object(try object(depth: depth))
        case UInt8(ascii: "["): value = .array(try array(depth: depth))
        case UInt8(ascii: "\""): value = .string(try string())
        case UInt8(ascii: "t"): value = try word("true", .bool(true))
        case UInt8(ascii: "f"): value = try word("false", .bool(false))
        case UInt8(ascii: "n"): value = try word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: value = try number()
        default: throw syntax("expected value")
        }
        return JSON(value, at: start, end: end)
    }

    private mutating func word(
        _ text: StaticString, _ value: JSON.Value
    ) throws(JSONError) -> JSON.Value {
        for expected in "\(text)".utf8 {
            guard let byte = peek else { throw syntax("EOF while parsing a value") }
            guard byte == expected else { throw syntax("expected ident") }
            index += 1
        }
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
        guard depth < Self.depthLimit else { throw syntax("recursion limit exceeded") }
        index += 1
        var elements: [JSON] = []
        skipSpace()
        if peek == UInt8(ascii: "]") {
            index += 1
            return elements
        }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            switch peek {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "]"):
                index += 1
                return elements
            case nil: throw syntax("EOF while parsing a list")
            default: throw syntax("expected `,` or `]`")
            }
            skipSpace()
            if peek == UInt8(ascii: "]") { throw syntax("trailing comma") }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> [JSON.Member] {
        guard depth < Self.depthLimit else { throw syntax("recursion limit exceeded") }
        index += 1
        var members: [JSON.Member] = []
        var names = MemberNames()
        skipSpace()
        if peek == UInt8(ascii: "}") {
            index += 1
            return members
        }
        while true {
            let start = position
            guard let byte = peek else { throw syntax("EOF while parsing an object") }
            guard byte == UInt8(ascii: "\"") else { throw syntax("key must be a string") }
            let name = try string()
            guard names.insert(name, after: members) else {
                throw JSONError(.duplicateField(name), at: start)
            }
            try colon()
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            skipSpace()
            switch peek {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "}"):
                index += 1
                return members
            case nil: throw syntax("EOF while parsing an object")
            default: throw syntax("expected `,` or `}`")
            }
            skipSpace()
            if peek == UInt8(ascii: "}") { throw syntax("trailing comma") }
        }
    }

    private mutating func colon() throws(JSONError) {
        skipSpace()
        guard let byte = peek else { throw syntax("EOF while parsing an object") }
        guard byte == UInt8(ascii: ":") else { throw syntax("expected `:`") }
        index += 1
    }
}

// MARK: - Numbers

extension JSONParser {
    private mutating func number() throws(JSONError) -> JSON.Value {
        let start = index
        if peek == UInt8(ascii: "-") { index += 1 }
        let first = peek
        guard digits() > 0 else { throw syntax("invalid number") }
        if first == UInt8(ascii: "0"), index - start > (bytes[start] == first ? 1 : 2) {
            throw syntax("invalid number")
        }
        var isInteger = true
        if peek == UInt8(ascii: ".") {
            isInteger = false
            index += 1
            guard digits() > 0 else { throw syntax("invalid number") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            isInteger = false
            index += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { index += 1 }
            guard digits() > 0 else { throw syntax("invalid number") }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isInteger {
            guard let value = Int128(text) else { throw syntax("number out of range") }
            return .integer(value)
        }
        guard let value = Double(text), value.isFinite else { throw syntax("number out of range") }
        return .real(value)
    }

    /// Passes over digits; how many.
    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, (0x30...0x39).contains(byte) { index += 1 }
        return index - start
    }
}

// MARK: - Strings

extension JSONParser {
    /// Nil: it is no UTF-8. Most text is ASCII, and to have that validated the runtime looks up what
    /// the encoding conforms to, which a start would pay for.
    private static func string(_ bytes: [UInt8]) -> String? {
        bytes.allSatisfy { $0 < 0x80 }
            ? String(decoding: bytes, as: UTF8.self) : String(validating: bytes, as: UTF8.self)
    }

    private mutating func string() throws(JSONError) -> String {
        index += 1
        var text: [UInt8] = []
        while true {
            guard let byte = peek else { throw syntax("EOF while parsing a string") }
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = Self.string(text) else {
                    throw syntax("invalid unicode code point")
                }
                index += 1
                return string
            case UInt8(ascii: "\\"):
                index += 1
                try escape(into: &text)
            case 0..<0x20:
                throw syntax("control character (\\u0000-\\u001F) found while parsing a string")
            default:
                text.append(byte)
                index += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = peek else { throw syntax("EOF while parsing a string") }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            index += 1
            let scalar = try escapedScalar()
            text.append(contentsOf: String(Character(scalar)).utf8)
            return
        default: throw syntax("invalid escape")
        }
        index += 1
    }

    /// The scalar after `\u`; a high surrogate wants a low one behind it.
    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        let first = try hexadecimal()
        guard (0xd800...0xdfff).contains(first) else {
            guard let scalar = Unicode.Scalar(first) else { throw syntax("invalid escape") }
            return scalar
        }
        guard first < 0xdc00, peek == UInt8(ascii: "\\") else {
            throw syntax("lone leading surrogate in hex escape")
        }
        index += 1
        guard peek == UInt8(ascii: "u") else { throw syntax("unexpected end of hex escape") }
        index += 1
        let second = try hexadecimal()
        guard (0xdc00...0xdfff).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw syntax("lone leading surrogate in hex escape") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek else { throw syntax("EOF while parsing a string") }
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw syntax("invalid escape")
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}

/// Tells the names of one object apart. Few are compared one by one: a table of them would cost a
/// monitor's start more than all the rest of the file. Many, which somebody hostile may have sent,
/// are in a table.
private struct MemberNames {
    private static var few: Int { 16 }

    /// Empty as long as there are few.
    private var keys: Set<String.UnicodeScalarKey> = []

    /// Whether `name` is none of those of `members`, which is all that were inserted before.
    mutating func insert(_ name: String, after members: [JSON.Member]) -> Bool {
        guard members.count >= Self.few else {
            return !members.contains { $0.name.hasSameScalars(as: name) }
        }
        if keys.isEmpty {
            for member in members { keys.insert(member.name.scalarKey) }
        }
        return keys.insert(name.scalarKey).inserted
    }
}

extension String {
    /// Swift's strings are equal if they are canonically equivalent; names are not.
    typealias UnicodeScalarKey = [UInt8]
    var scalarKey: UnicodeScalarKey { Array(utf8) }

    /// Whether both have the same ``scalarKey``.
    func hasSameScalars(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
