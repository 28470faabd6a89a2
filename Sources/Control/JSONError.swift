// SPDX-License-Identifier: Apache-2.0

/// Why a text is not the JSON that was asked for.
package struct JSONError: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// Not JSON; the text says what is wrong.
        case syntax(String)
        /// More bytes than the parser was told to take.
        case tooLong(Int)
        case unknownField(String, expected: [String])
        case duplicateField(String)
        case missingField(String)
        /// `found` and `expected` describe values.
        case wrongType(found: String, expected: String)
        /// The sentence says what is wrong with the value.
        case invalid(String)
        /// All of it can be read, and no machine can be so.
        case unfit(ConfigFault)
    }

    package var reason: Reason
    package var position: Position?
    /// Names of the members that lead to the place, outermost first.
    package var path: [String] = []

    package init(_ reason: Reason, at position: Position?) {
        self.reason = reason
        self.position = position
    }

    /// The same error, seen from one object further out.
    func inside(_ name: String) -> JSONError {
        var copy = self
        copy.path.insert(name, at: 0)
        return copy
    }
}

extension JSONError: CustomStringConvertible {
    /// One sentence in the words of Firecracker's parser, whole for who searches for it, and then
    /// the way to the place, which that parser does not tell.
    package var description: String {
        let text =
            switch reason {
            case .syntax(let text), .invalid(let text): text
            case .unfit(let fault): fault.text
            case .tooLong(let limit): "more than \(limit) bytes"
            case .unknownField(let name, let expected):
                "unknown field `\(Self.printable(name))`, expected \(Self.choice(of: expected))"
            case .duplicateField(let name): "duplicate field `\(Self.printable(name))`"
            case .missingField(let name): "missing field `\(name)`"
            case .wrongType(let found, let expected):
                "invalid type: \(found), expected \(expected)"
            }
        let way = path.isEmpty ? "" : ", in `\(path.joined(separator: "."))`"
        return text + (position.map { " at \($0)" } ?? "") + way
    }

    static func choice(of names: [String]) -> String {
        let quoted = names.map { "`\($0)`" }
        return switch quoted.count {
        case 0: "no fields"
        case 1: quoted[0]
        case 2: quoted.joined(separator: " or ")
        default: "one of " + quoted.joined(separator: ", ")
        }
    }

    /// `text` cut to at most `limit` scalars, without control characters.
    package static func printable(_ text: String, limit: Int = 64) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            result.unicodeScalars.append(isControl ? "\u{fffd}" : scalar)
        }
        return result
    }
}
