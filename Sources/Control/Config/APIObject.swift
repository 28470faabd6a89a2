// SPDX-License-Identifier: Apache-2.0

/// An object of Firecracker's API, as a request or the configuration file carries it.
///
/// ``fields`` is what its reader accepts, so a document can be checked against it.
/// To read it fails with an error that names an unknown, missing or wrong member.
package protocol APIObject: JSONReadable, Hashable, Sendable {
    /// Names of all members that may be there.
    static var fields: [String] { get }
}

extension JSON {
    /// A text, or null.
    static func text(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    /// A whole number, or null.
    static func number(_ number: (some BinaryInteger)?) -> JSON {
        number.map { .integer($0) } ?? .null
    }

    /// Elements of an array, read with `read`; an error names the index.
    func asArray<Element>(
        limit: Int, _ read: (JSON) throws(JSONError) -> Element
    ) throws(JSONError) -> [Element] {
        guard case .array(let elements) = value else { throw wrongType(expected: "a sequence") }
        guard elements.count <= limit else {
            throw invalid("\(elements.count) elements; there can be at most \(limit)")
        }
        var result: [Element] = []
        result.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            do throws(JSONError) {
                result.append(try read(element))
            } catch {
                throw error.inside("\(index)")
            }
        }
        return result
    }

    /// A name that is a resource's identifier: letters, digits and `_`, at least one.
    func asIdentifier() throws(JSONError) -> String {
        let text = try asString()
        if let fault = ResourceID.fault(of: text) { throw invalid(fault) }
        return text
    }
}

extension JSONFields {
    /// A member that is true or false; absent means false.
    func flag(_ name: String) throws(JSONError) -> Bool {
        try optional(name) { json throws(JSONError) in try json.asBool() } ?? false
    }

    /// A whole number in `range`, if it is there.
    func integer<Value: FixedWidthInteger>(
        _ name: String, in range: ClosedRange<Value>
    ) throws(JSONError) -> Value? {
        try optional(name) { json throws(JSONError) in try json.asInteger(in: range) }
    }
}

/// The rule for names of drives, network interfaces and the like.
package enum ResourceID {
    /// What is wrong with `text` as an identifier, in Firecracker's words; nil: nothing.
    package static func fault(of text: some StringProtocol) -> String? {
        guard !text.isEmpty else { return "The ID cannot be empty." }
        let isGood = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isGood
            ? nil
            : "API Resource IDs can only contain alphanumeric characters and underscores."
    }
}
