// SPDX-License-Identifier: Apache-2.0

/// The members of one JSON object, read by name and type.
///
/// Made only if the object has no members but the expected ones. A member that is `null` counts
/// as absent.
package struct JSONFields {
    private let members: [JSON.Member]
    private let position: Position?
    private let end: Position?

    /// Throws if `json` is no object, or has a member that is not among `names`.
    package init(_ json: JSON, _ names: [String]) throws(JSONError) {
        guard case .object(let members) = json.value else {
            throw json.wrongType(expected: "an object")
        }
        // No name stands twice, so there are at most as many members as names before one is unknown.
        for member in members {
            guard names.contains(where: { $0.hasSameScalars(as: member.name) }) else {
                throw JSONError(
                    .unknownField(member.name, expected: names), at: member.value.position)
            }
        }
        self.members = members
        self.position = json.position
        self.end = json.end
    }

    /// The value of `name`, unless it is absent or null.
    package subscript(_ name: String) -> JSON? {
        let value = members.first { $0.name == name }?.value
        return value?.value == .null ? nil : value
    }

    /// Reads a member that must be there with `read`. That one is missing is known at the end of
    /// the object, which is the place that Firecracker's parser names.
    package func require<Value>(
        _ name: String, _ read: (JSON) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        guard let value = try optional(name, read) else {
            throw JSONError(.missingField(name), at: end)
        }
        return value
    }

    /// An error about a member, or all of them, that can be read and that no machine can have.
    package func unfit(_ name: String?, _ fault: ConfigFault) -> JSONError {
        guard let name, let json = self[name] else { return JSONError(.unfit(fault), at: position) }
        return JSONError(.unfit(fault), at: json.place).inside(name)
    }

    /// Reads a member that may be there with `read`.
    package func optional<Value>(
        _ name: String, _ read: (JSON) throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        guard let json = self[name] else { return nil }
        do throws(JSONError) {
            return try read(json)
        } catch {
            throw error.inside(name)
        }
    }
}

/// What a member's type alone says how to read.
package protocol JSONReadable {
    init(json: JSON) throws(JSONError)
}

extension Bool: JSONReadable {
    package init(json: JSON) throws(JSONError) { self = try json.asBool() }
}

extension FixedWidthInteger where Self: JSONReadable {
    package init(json: JSON) throws(JSONError) { self = try json.asInteger() }
}

extension Int: JSONReadable {}
extension Int32: JSONReadable {}
extension UInt8: JSONReadable {}
extension UInt16: JSONReadable {}
extension UInt32: JSONReadable {}
extension UInt64: JSONReadable {}

extension JSONReadable where Self: CaseIterable & RawRepresentable, RawValue == String {
    package init(json: JSON) throws(JSONError) { self = try json.asChoice() }
}

extension JSONFields {
    /// A member that must be there.
    package func require<Value: JSONReadable>(_ name: String) throws(JSONError) -> Value {
        try require(name) { json throws(JSONError) in try Value(json: json) }
    }

    /// A member that may be there.
    package func optional<Value: JSONReadable>(_ name: String) throws(JSONError) -> Value? {
        try optional(name) { json throws(JSONError) in try Value(json: json) }
    }

    /// A member that must be there, read as `kind` says.
    package func require<Value>(
        _ name: String, as kind: (JSON) -> () throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        try require(name) { json throws(JSONError) in try kind(json)() }
    }

    /// A member that may be there, read as `kind` says.
    package func optional<Value>(
        _ name: String, as kind: (JSON) -> () throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        try optional(name) { json throws(JSONError) in try kind(json)() }
    }
}

extension JSON {
    package func asString() throws(JSONError) -> String {
        guard case .string(let text) = value else { throw wrongType(expected: "a string") }
        return text
    }

    package func asBool() throws(JSONError) -> Bool {
        guard case .bool(let flag) = value else { throw wrongType(expected: "a boolean") }
        return flag
    }

    /// A whole number in `range`.
    ///
    /// - Parameter sensible: What an error names instead of `range`, if some of that is refused later.
    package func asInteger<Value: FixedWidthInteger>(
        in range: ClosedRange<Value> = Value.min...Value.max, sensible: ClosedRange<Value>? = nil
    ) throws(JSONError) -> Value {
        func expected() -> String {
            let range = sensible ?? range
            return "an integer from \(range.lowerBound) to \(range.upperBound)"
        }
        guard case .integer(let number) = value else { throw wrongType(expected: expected()) }
        guard let result = Value(exactly: number), range.contains(result) else {
            throw invalid("invalid value: integer `\(number)`, expected \(expected())")
        }
        return result
    }

    /// One of the texts that `Value` is made of.
    package func asChoice<Value: CaseIterable & RawRepresentable>(
        of type: Value.Type = Value.self
    ) throws(JSONError) -> Value where Value.RawValue == String {
        let text = try asString()
        if let choice = Value(rawValue: text) { return choice }
        let names = JSONError.choice(of: Value.allCases.map(\.rawValue))
        throw invalid("unknown variant `\(JSONError.printable(text))`, expected \(names)")
    }

    /// An error about this value's meaning.
    package func invalid(_ text: String) -> JSONError { JSONError(.invalid(text), at: place) }

    func wrongType(expected: String) -> JSONError {
        let found =
            switch value {
            case .null: "null"
            case .bool(let flag): "boolean `\(flag)`"
            case .integer(let number): "integer `\(number)`"
            case .real(let number): "floating point `\(number)`"
            case .string(let text): "string \"\(JSONError.printable(text))\""
            case .array: "sequence"
            case .object: "map"
            }
        return JSONError(.wrongType(found: found, expected: expected), at: place)
    }
}
