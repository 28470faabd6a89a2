// SPDX-License-Identifier: Apache-2.0

/// A JSON value, and where it stood in the text it was parsed from. RFC 8259.
///
/// Two values are equal if they say the same, wherever they stood.
package struct JSON: Sendable {
    package enum Value: Hashable, Sendable {
        case null
        case bool(Bool)
        /// A number without fraction and exponent; exact.
        case integer(Int128)
        /// Any other number; finite.
        case real(Double)
        case string(String)
        case array([JSON])
        /// In the order of the text; no name twice.
        case object([Member])
    }

    /// One name and value of an object.
    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSON

        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    package var value: Value
    /// Where its first byte stood; nil for a value that was not parsed.
    package var position: Position?
    /// Where its last byte stood.
    package var end: Position?

    package init(_ value: Value, at position: Position? = nil, end: Position? = nil) {
        self.value = value
        self.position = position
        self.end = end
    }

    /// Where it is wrong, if it is: Firecracker's parser has read it by then, but of a list and an
    /// object no more than the beginning.
    var place: Position? {
        switch value {
        case .array, .object: position
        case .null, .bool, .integer, .real, .string: end
        }
    }

    package static var null: JSON { JSON(.null) }
    package static func bool(_ value: Bool) -> JSON { JSON(.bool(value)) }
    package static func string(_ value: String) -> JSON { JSON(.string(value)) }
    package static func array(_ values: [JSON]) -> JSON { JSON(.array(values)) }
    package static func integer(_ value: some BinaryInteger) -> JSON {
        JSON(.integer(Int128(truncatingIfNeeded: value)))
    }

    /// An object; members without a value are left out.
    package static func object(_ members: [(String, JSON?)]) -> JSON {
        JSON(
            .object(
                members.compactMap { name, value in
                    value.map { Member(name, $0) }
                }))
    }

    /// The member `name` of an object.
    package subscript(_ name: String) -> JSON? {
        guard case .object(let members) = value else { return nil }
        return members.first { $0.name == name }?.value
    }
}

extension JSON: Hashable {
    package static func == (left: JSON, right: JSON) -> Bool { left.value == right.value }
    package func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// A place in a text. Both numbers begin at 1; columns are bytes.
package struct Position: Hashable, Sendable {
    /// Half as wide as numbers usually are: each value of a text has two places.
    package let line: UInt32
    package let column: UInt32

    package init(line: Int, column: Int) {
        self.line = UInt32(clamping: line)
        self.column = UInt32(clamping: column)
    }
}

extension Position: CustomStringConvertible {
    package var description: String { "line \(line) column \(column)" }
}
