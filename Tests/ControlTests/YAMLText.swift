// SPDX-License-Identifier: Apache-2.0

@testable import Control

/// As much of YAML as our documents are written in: mappings and sequences by indentation, plain
/// and quoted scalars, `[a, b]`, and `>-`.
struct YAMLText {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Line {
        let number: Int
        let indent: Int
        let text: Substring
    }

    private var lines: [Line]
    private var index = 0

    static func parse(_ text: String) throws -> JSON {
        var reader = YAMLText(text)
        let value = try reader.block(indent: 0)
        guard reader.index == reader.lines.count else { throw reader.failure("indentation") }
        return value
    }

    private init(_ text: String) {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .compactMap { number, line in
                let rest = line.drop { $0 == " " }
                guard !rest.isEmpty, !rest.hasPrefix("#") else { return nil }
                return Line(number: number + 1, indent: line.count - rest.count, text: rest)
            }
    }

    private func failure(_ what: String) -> Failure {
        let line = index < lines.count ? lines[index].number : 0
        return Failure(description: "line \(line): \(what)")
    }

    private mutating func block(indent: Int) throws -> JSON {
        guard index < lines.count, lines[index].indent == indent else {
            throw failure("nothing at indentation \(indent)")
        }
        return lines[index].text.hasPrefix("- ")
            ? try sequence(indent: indent) : try mapping(indent: indent)
    }

    private mutating func sequence(indent: Int) throws -> JSON {
        var elements: [JSON] = []
        while index < lines.count, lines[index].indent == indent,
            lines[index].text.hasPrefix("- ")
        {
            // What stands behind the dash is a block of its own, two further in.
            let line = lines[index]
            lines[index] = Line(
                number: line.number, indent: indent + 2, text: line.text.dropFirst(2))
            if Self.split(lines[index].text) != nil {
                elements.append(try mapping(indent: indent + 2))
            } else {
                elements.append(try scalar(lines[index].text))
                index += 1
            }
        }
        return .array(elements)
    }

    private mutating func mapping(indent: Int) throws -> JSON {
        var members: [JSON.Member] = []
        while index < lines.count, lines[index].indent == indent {
            guard let (key, value) = Self.split(lines[index].text) else {
                throw failure("no key")
            }
            let name = try scalar(key)
            guard let name = try? name.asString() else { throw failure("key") }
            guard !members.contains(where: { $0.name == name }) else {
                throw failure("\(name) twice")
            }
            index += 1
            members.append(JSON.Member(name, try self.value(value, indent: indent)))
        }
        return JSON(.object(members))
    }

    private mutating func value(_ text: Substring, indent: Int) throws -> JSON {
        if text == ">-" {
            var words: [String] = []
            while index < lines.count, lines[index].indent > indent {
                words.append(String(lines[index].text))
                index += 1
            }
            return .string(words.joined(separator: " "))
        }
        guard text.isEmpty else { return try scalar(text) }
        guard index < lines.count, lines[index].indent > indent else {
            throw failure("no value")
        }
        return try block(indent: lines[index].indent)
    }

    /// The key and what stands behind its colon.
    private static func split(_ text: Substring) -> (Substring, Substring)? {
        var start = text.startIndex
        if text.hasPrefix("'") {
            guard let end = text.dropFirst().firstIndex(of: "'") else { return nil }
            start = end
        }
        guard let colon = text[start...].firstIndex(of: ":") else { return nil }
        let rest = text[text.index(after: colon)...]
        guard rest.isEmpty || rest.hasPrefix(" ") else { return nil }
        return (text[..<colon], rest.drop { $0 == " " })
    }

    private func scalar(_ text: Substring) throws -> JSON {
        switch text.first {
        case "'":
            guard text.count >= 2, text.last == "'" else { throw failure("quotation") }
            return .string(String(text.dropFirst().dropLast()))
        case "\"":
            // Ours have no escapes.
            guard text.count >= 2, text.last == "\"", !text.contains("\\") else {
                throw failure("quotation")
            }
            return .string(String(text.dropFirst().dropLast()))
        case "[":
            guard text.last == "]" else { throw failure("list") }
            let inside = text.dropFirst().dropLast()
            return .array(
                try inside.split(separator: ",").map { try scalar($0.drop { $0 == " " }) })
        default: break
        }
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        default: return Int128(text).map { JSON.integer($0) } ?? .string(String(text))
        }
    }
}
