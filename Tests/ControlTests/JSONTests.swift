// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct JSONTests {
    struct Text: CustomTestStringConvertible, Sendable {
        let text: String
        let value: JSON.Value
        var testDescription: String { text }
        init(_ text: String, _ value: JSON.Value) {
            self.text = text
            self.value = value
        }
    }

    static let texts = [
        Text("null", .null),
        Text(" \t\r\n true \n", .bool(true)),
        Text("false", .bool(false)),
        Text("0", .integer(0)),
        Text("-0", .integer(0)),
        Text("18446744073709551615", .integer(Int128(UInt64.max))),
        Text("-9223372036854775808", .integer(Int128(Int64.min))),
        Text("1.5", .real(1.5)),
        Text("1e3", .real(1000)),
        Text("-2.5E-1", .real(-0.25)),
        Text("\"\"", .string("")),
        Text(#""a\"\\\/\b\f\n\r\tz""#, .string("a\"\\/\u{8}\u{c}\n\r\tz")),
        Text(#""\u0041\u00e9\u20AC\ud83d\ude00""#, .string("Aé€😀")),
        Text("\"é😀\"", .string("é😀")),
        Text(#""\u0000""#, .string("\0")),
        Text("[]", .array([])),
        Text("[1,[2]]", .array([.integer(1), .array([.integer(2)])])),
        Text("{}", .object([])),
        Text(
            #"{"a":null,"b":[true]}"#,
            .object([.init("a", .null), .init("b", .array([.bool(true)]))])),
        // Two names that Swift's strings would call equal.
        Text(
            "{\"\u{e9}\":1,\"e\u{301}\":2}",
            .object([.init("\u{e9}", .integer(1)), .init("e\u{301}", .integer(2))])),
    ]

    @Test(arguments: texts)
    func `A text is read as RFC 8259 has it`(_ text: Text) throws {
        #expect(try JSONParser.parse(text.text).value == text.value)
    }

    @Test(arguments: texts)
    func `A value is written as a text that reads the same`(_ text: Text) throws {
        let value = try JSONParser.parse(text.text)
        #expect(try JSONParser.parse(value.text) == value)
    }

    static let faults = [
        Fault("", "EOF while parsing a value at line 1 column 1"),
        Fault("nul", "EOF while parsing a value at line 1 column 4"),
        Fault("nope", "expected ident at line 1 column 2"),
        Fault("tru3", "expected ident at line 1 column 4"),
        Fault("1 2", "trailing characters at line 1 column 3"),
        Fault("01", "invalid number at line 1 column 3"),
        Fault("-01", "invalid number at line 1 column 4"),
        Fault("-", "invalid number at line 1 column 2"),
        Fault("1.", "invalid number at line 1 column 3"),
        Fault("1e", "invalid number at line 1 column 3"),
        Fault(".5", "expected value at line 1 column 1"),
        Fault("+1", "expected value at line 1 column 1"),
        Fault("NaN", "expected value at line 1 column 1"),
        Fault("1e999", "number out of range at line 1 column 6"),
        Fault(String(repeating: "9", count: 40), "number out of range at line 1 column 41"),
        Fault("[1,]", "trailing comma at line 1 column 4"),
        Fault("[1 2]", "expected `,` or `]` at line 1 column 4"),
        Fault("[1", "EOF while parsing a list at line 1 column 3"),
        Fault("{\"a\":1,}", "trailing comma at line 1 column 8"),
        Fault("{a:1}", "key must be a string at line 1 column 2"),
        Fault("{\"a\" 1}", "expected `:` at line 1 column 6"),
        Fault("{\"a\":1", "EOF while parsing an object at line 1 column 7"),
        Fault("{\"a\":1 \"b\":2}", "expected `,` or `}` at line 1 column 8"),
        Fault("{\n \"a\": 1,\n \"a\": 2}", "duplicate field `a` at line 3 column 2"),
        Fault("\"abc", "EOF while parsing a string at line 1 column 5"),
        Fault(#""\x""#, "invalid escape at line 1 column 3"),
        Fault(#""\u12g4""#, "invalid escape at line 1 column 6"),
        Fault(#""\ud800""#, "lone leading surrogate in hex escape at line 1 column 8"),
        Fault(#""\ud800\u0041""#, "lone leading surrogate in hex escape at line 1 column 14"),
        Fault(#""\udc00\ud800""#, "lone leading surrogate in hex escape at line 1 column 8"),
        Fault(
            "\"a\nb\"",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3"),
        Fault("// no", "expected value at line 1 column 1"),
        Fault(String(repeating: "[", count: 65), "recursion limit exceeded at line 1 column 65"),
    ]

    @Test(arguments: faults)
    func `A broken text is refused with reason and place`(_ fault: Fault) {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(fault.text) }
        #expect(error?.description == fault.message)
    }

    @Test(arguments: [1, 15, 16, 17, 40])
    func `No name stands twice in an object, however many there are`(count: Int) throws {
        let names = (0..<count).map { "n\($0)" }
        func text(_ names: [String]) -> String {
            "{" + names.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        }
        // Those two look the same, and are two names.
        let all = ["\u{e9}", "e\u{301}"] + names
        let members = all.map { JSON.Member($0, .integer(0)) }
        #expect(try JSONParser.parse(text(all)).value == .object(members))
        for name in [names[0], names[count - 1]] {
            let error = #expect(throws: JSONError.self) {
                try JSONParser.parse(text(names + [name]))
            }
            #expect(error?.reason == .duplicateField(name))
        }
    }

    @Test func `Bytes that are not UTF-8 are refused`() {
        let bytes: [UInt8] = [0x22, 0xc3, 0x28, 0x22]
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
        #expect(error?.reason == .syntax("invalid unicode code point"))
    }

    @Test func `A text beyond its limit is refused before it is read`() {
        let bytes = [UInt8](repeating: 0x20, count: 11)
        #expect(throws: JSONError(.tooLong(10), at: nil)) { try JSONParser.parse(bytes, limit: 10) }
    }

    @Test func `Control characters are written as escapes`() {
        #expect(JSON.string("\u{1}\"\\\n").text == #""\u0001\"\\\n""#)
    }

    /// Every single change of a byte of a good text either reads or is refused; nothing traps, and
    /// what reads is written and read to the same value.
    @Test func `Mutated texts are read or refused`() throws {
        let seed = Array(
            #"{"boot-source":{"kernel_image_path":"/k\u00e9\ud83d\ude00"},"n":[-1.5e+3,true,null]}"#
                .utf8)
        let bytes: [UInt8] = [
            0x00, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x3a, 0x5b, 0x5c, 0x5d, 0x65,
            0x75, 0x7b, 0x7d, 0x80, 0xd8, 0xff,
        ]
        for index in seed.indices {
            for byte in bytes {
                var changed = seed
                changed[index] = byte
                check(changed)
                changed.insert(byte, at: index)
                check(changed)
            }
            check(Array(seed[..<index]))
            check(Array(seed[index...]))
        }
    }

    private func check(_ bytes: [UInt8]) {
        guard let value = try? JSONParser.parse(bytes) else { return }
        #expect((try? JSONParser.parse(value.text)) == value)
    }
}
