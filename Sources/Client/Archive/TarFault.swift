// SPDX-License-Identifier: Apache-2.0
import Control

/// Why bytes are not an archive, or one that is not taken.
enum TarFault: Error, Equatable {
    /// Nothing came.
    case empty
    /// The first block is no header.
    case noArchive
    /// As ``noArchive``, but it is known what it is and which program makes an archive of it.
    case compressed(String)
    /// A later block is no header.
    case sum
    /// The end came before the archive's own.
    case cut
    /// A number of a member's header is none, or too large.
    case number(String, [UInt8])
    /// What a member is.
    case kind(UInt8, [UInt8])
    /// A file with holes.
    case sparse([UInt8])
    /// Records are not what they have to be, or longer than ``TarReader/recordLimit``.
    case records
    /// A path with `..` leads out of the place that the archive is for.
    case outside([UInt8])
    /// A path has more names than any tree that travels.
    case depth([UInt8])
    /// A path has a name that no file has.
    case name([UInt8])
    /// What a link leads to is no path.
    case target([UInt8])

    /// One sentence.
    var message: String {
        switch self {
        case .empty: "standard input ended before an archive began"
        case .noArchive: "standard input is no tar archive"
        case .compressed(let program):
            "standard input is compressed; put '\(program) -dc |' in front of swiftlet"
        case .sum: "the archive is damaged: a header's sum is wrong"
        case .cut: "the archive is cut: standard input ended before it"
        case .number(let field, let path):
            "the archive's \(field) of \(Self.quoted(path)) is no number"
        case .kind(let kind, let path):
            "the archive has \(Self.quoted(path)), whose type \(Self.quoted([kind])) is not known"
        case .sparse(let path):
            "the archive has \(Self.quoted(path)) with holes; make it without --sparse"
        case .records: "the archive is damaged: an extended header is not as it has to be"
        case .outside(let path):
            "the archive has \(Self.quoted(path)), which leads out of its place"
        case .depth(let path): "the archive has \(Self.quoted(path)), which lies too deep"
        case .name(let path):
            "the archive has \(Self.quoted(path)), which no file can be called"
        case .target(let path):
            "the archive has a link \(Self.quoted(path)) that leads nowhere"
        }
    }

    private static func quoted(_ bytes: [UInt8]) -> String {
        "\"" + JSONError.printable(String(decoding: bytes, as: UTF8.self), limit: 512) + "\""
    }
}
