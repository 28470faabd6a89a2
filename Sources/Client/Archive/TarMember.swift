// SPDX-License-Identifier: Apache-2.0
import Agent

/// A file, directory or link of an archive.
struct TarMember: Equatable {
    enum Kind: Equatable {
        case file
        case directory
        case link(target: [UInt8])
        /// Names from the archive's root to a file that came before.
        case hardLink(names: [[UInt8]])
        /// A device or FIFO.
        case other
    }

    var kind: Kind
    /// From the archive's root, which has none.
    var names: [[UInt8]]
    var mode: UInt16
    var owner: UInt32
    var group: UInt32
    var seconds: Int64
    var nanoseconds: UInt32

    /// As it travels: under the last of its names.
    var entry: TreeEntry {
        let kind: TreeEntry.Kind =
            switch self.kind {
            case .file: .file
            case .directory: .directory
            case .link: .link
            case .hardLink: .hardLink
            case .other: .other
            }
        var entry = TreeEntry(kind, name: names.last ?? [], mode: mode)
        entry.owner = owner
        entry.group = group
        entry.seconds = seconds
        entry.nanoseconds = nanoseconds
        switch self.kind {
        case .link(let target): entry.target = target
        case .hardLink(let names):
            entry.target = Array(names.joined(separator: [UInt8(ascii: "/")]))
        default: break
        }
        return entry
    }

    /// The names of an archive's path. Slashes in front, twice or behind and single dots mean
    /// nothing, as with every program that unpacks below a place.
    static func names(_ path: [UInt8]) throws(TarFault) -> [[UInt8]] {
        var names: [[UInt8]] = []
        for part in path.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
            let name = Array(part)
            guard name != Array("..".utf8) else { throw .outside(path) }
            guard TreeEntry.isName(name) else { throw .name(path) }
            guard names.count < TreeEntry.depthLimit else { throw .depth(path) }
            names.append(name)
        }
        return names
    }
}
