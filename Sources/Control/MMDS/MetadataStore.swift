// SPDX-License-Identifier: Apache-2.0

/// The machine's metadata: one JSON tree of limited size.
package struct MetadataStore: Hashable, Sendable {
    /// Why a change or a question is refused.
    package enum Fault: Error, Hashable, Sendable {
        case tooLarge, notInitialized, notFound, unsupportedValue

        package var message: String {
            switch self {
            case .tooLarge: "The MMDS patch request doesn't fit."
            case .notInitialized: "The MMDS data store is not initialized."
            case .notFound: "The MMDS resource does not exist."
            case .unsupportedValue: "Cannot retrieve value. The value has an unsupported type."
            }
        }
    }

    /// How a part of the tree is shown.
    package enum Format: Hashable, Sendable {
        case json
        /// Names of members one a line, as EC2 shows them; a value is its text.
        case imds
    }

    /// Most bytes of the tree as JSON.
    package let limit: Int
    /// Nil until it is first put.
    package private(set) var tree: JSON?

    package init(limit: Int) { self.limit = limit }

    /// Replaces the whole tree.
    package mutating func put(_ tree: JSON) throws(Fault) {
        guard tree.bytes.count <= limit else { throw .tooLarge }
        self.tree = tree
    }

    /// Merges `patch` into the tree. RFC 7396.
    package mutating func patch(_ patch: JSON) throws(Fault) {
        guard let tree else { throw .notInitialized }
        let merged = tree.merged(with: patch)
        guard merged.bytes.count <= limit else { throw .tooLarge }
        self.tree = merged
    }

    /// The part at a path such as `/latest/meta-data/`, as text. RFC 6901, 4.
    package func value(at path: String, _ format: Format) throws(Fault) -> String {
        guard var part = tree else { throw .notFound }
        var names = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        // A directory may be asked for with a slash behind it.
        if names.last?.isEmpty == true { names.removeLast() }
        for name in names {
            guard let next = part.part(Self.unescaped(name)) else { throw .notFound }
            part = next
        }
        return format == .json ? part.text : try Self.listing(of: part)
    }

    private static func unescaped(_ name: Substring) -> String {
        guard name.contains("~") else { return String(name) }
        var result = ""
        var rest = name
        while let character = rest.popFirst() {
            if character == "~", let next = rest.first, next == "0" || next == "1" {
                rest.removeFirst()
                result += next == "0" ? "~" : "/"
            } else {
                result.append(character)
            }
        }
        return result
    }

    private static func listing(of part: JSON) throws(Fault) -> String {
        switch part.value {
        case .string(let text): return text
        case .object(let members):
            return members.map { member in
                if case .object = member.value.value { return member.name + "/" }
                return member.name
            }.joined(separator: "\n")
        default: throw .unsupportedValue
        }
    }
}

extension JSON {
    /// The member or, for a sequence, the element called `name`.
    fileprivate func part(_ name: String) -> JSON? {
        switch value {
        case .object(let members):
            return members.first { $0.name.scalarKey == name.scalarKey }?.value
        case .array(let elements):
            // No sign and no zero in front. RFC 6901, 4.
            guard name == "0" || name.first != "0",
                name.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let index = Int(name),
                elements.indices.contains(index)
            else { return nil }
            return elements[index]
        default: return nil
        }
    }

    /// This value changed by `patch`. RFC 7396, 2.
    package func merged(with patch: JSON) -> JSON {
        guard case .object(let changes) = patch.value else { return patch }
        var members: [Member] = []
        if case .object(let present) = value { members = present }
        var places: [String.UnicodeScalarKey: Int] = [:]
        for (index, member) in members.enumerated() { places[member.name.scalarKey] = index }
        var removed: Set<Int> = []
        for change in changes {
            let key = change.name.scalarKey
            if change.value.value == .null {
                if let index = places[key] { removed.insert(index) }
            } else if let index = places[key] {
                members[index].value = members[index].value.merged(with: change.value)
            } else {
                places[key] = members.count
                members.append(Member(change.name, JSON.null.merged(with: change.value)))
            }
        }
        return JSON(
            .object(members.enumerated().filter { !removed.contains($0.offset) }.map(\.element)))
    }
}
