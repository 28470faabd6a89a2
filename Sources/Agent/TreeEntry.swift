// SPDX-License-Identifier: Apache-2.0

/// One file, directory or link of a tree on its way from one side to the other.
///
/// Trees go depth first: a directory's entries follow it up to its end. So a name is never a path,
/// and there is none with which a sender could leave the directory that it is in.
package struct TreeEntry: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// Its data and its end follow.
        case file = 1
        /// Its entries and its end follow.
        case directory = 2
        /// A symbolic link.
        case link = 3
        /// A device, a FIFO or a socket: not copied, but not passed over in silence either.
        case other = 4
        /// One more name of a file that came before, in the same tree.
        case hardLink = 5
    }

    /// Longest name in bytes. limits.h, `NAME_MAX`.
    package static var nameLimit: Int { 255 }
    /// Longest path in bytes, also that to which a link leads. limits.h, `PATH_MAX`.
    package static var pathLimit: Int { 4095 }
    /// Most directories one in another; each costs the two sides a descriptor.
    package static var depthLimit: Int { 200 }

    package var kind: Kind
    /// Permissions, and the three bits above them.
    package var mode: UInt16
    package var owner: UInt32 = 0
    package var group: UInt32 = 0
    /// The last change of its contents, in seconds since 1970-01-01 00:00 UTC.
    package var seconds: Int64 = 0
    /// Nanoseconds of it, below a thousand million.
    package var nanoseconds: UInt32 = 0
    /// Empty for the tree's own first entry, which gets its name where it goes.
    package var name: [UInt8]
    /// What a link leads to; for a hard link the names from the tree's root to the file, with
    /// slashes between them; else empty.
    package var target: [UInt8] = []

    package init(_ kind: Kind, name: [UInt8], mode: UInt16 = 0) {
        self.kind = kind
        self.name = name
        self.mode = mode
    }

    /// Whether a directory can have an entry of that name.
    package static func isName(_ name: [UInt8]) -> Bool {
        guard !name.isEmpty, name.count <= nameLimit else { return false }
        let dot = UInt8(ascii: ".")
        guard name != [dot], name != [dot, dot] else { return false }
        return !name.contains(0) && !name.contains(UInt8(ascii: "/"))
    }

    /// The path to which `names` lead from `path`.
    package static func path(_ path: [UInt8], _ names: [[UInt8]]) -> [UInt8] {
        var path = path
        for name in names {
            if path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
            path += name
        }
        return path
    }

    /// The names of a path that stays below where it begins; nil if it is none.
    package static func names(_ path: [UInt8]) -> [[UInt8]]? {
        guard isPath(path) else { return nil }
        let names = path.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
        ).map { Array($0) }
        return names.allSatisfy(isName) ? names : nil
    }

    /// Whether Linux could take it as a path.
    package static func isPath(_ path: [UInt8]) -> Bool {
        !path.isEmpty && path.count <= pathLimit && !path.contains(0)
    }
}

/// Layout: kind, a zero byte, mode (2), owner (4), group (4), seconds (8), nanoseconds (4); then name
/// and target, each as four bytes of length and its bytes.
extension TreeEntry {
    static var permissionMask: UInt16 { 0o7777 }

    init(payload: ArraySlice<UInt8>, kind number: UInt16) throws(FrameError) {
        var reader = ByteReader(payload, kind: number)
        let tag = try reader.integer(UInt8.self)
        guard let kind = Kind(rawValue: tag) else {
            throw .value(kind: number, value: UInt32(tag))
        }
        let zero = try reader.integer(UInt8.self)
        guard zero == 0 else { throw .value(kind: number, value: UInt32(zero)) }
        self.kind = kind
        mode = try reader.integer()
        owner = try reader.integer()
        group = try reader.integer()
        seconds = Int64(bitPattern: try reader.integer())
        nanoseconds = try reader.integer()
        name = try reader.bytes(try reader.integer(UInt32.self))
        target = try reader.bytes(try reader.integer(UInt32.self))
        try reader.end()
        try check()
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(kind.rawValue)
        bytes.append(0)
        bytes.append(integer: mode)
        bytes.append(integer: owner)
        bytes.append(integer: group)
        bytes.append(integer: UInt64(bitPattern: seconds))
        bytes.append(integer: nanoseconds)
        for string in [name, target] {
            bytes.append(integer: UInt32(truncatingIfNeeded: string.count))
            bytes.append(contentsOf: string)
        }
    }

    var encodedLength: Int { 32 &+ name.count &+ target.count }

    /// Throws for an entry that no tree has.
    func check() throws(FrameError) {
        let number = FrameKind.entry.rawValue
        guard mode & ~Self.permissionMask == 0 else {
            throw .value(kind: number, value: UInt32(mode))
        }
        guard nanoseconds < 1_000_000_000 else { throw .value(kind: number, value: nanoseconds) }
        guard name.isEmpty || Self.isName(name) else { throw .text }
        let hasTarget =
            switch kind {
            case .link: Self.isPath(target)
            case .hardLink: Self.names(target) != nil
            default: target.isEmpty
            }
        guard hasTarget else { throw .text }
    }
}
