// SPDX-License-Identifier: Apache-2.0
import Agent

/// A place that files are copied from or to: `PATH` here, or `MACHINE:PATH` in a guest.
package struct CopyPlace: Hashable, Sendable {
    /// Which machine; nil: none, the path is of this host.
    package var machine: String?
    package var path: String

    package init(machine: String? = nil, path: String) {
        self.machine = machine
        self.path = path
    }

    /// Reads what a person writes. A colon behind the first slash belongs to the path, so a file
    /// with a colon in its name is `./a:b`. Paths in a guest begin at its root.
    package init(_ text: String) throws(ClientError) {
        let colon = text.firstIndex(of: ":")
        if let colon, !text[..<colon].contains("/") {
            let name = String(text[..<colon])
            let rest = String(text[text.index(after: colon)...])
            guard !name.isEmpty else {
                throw Self.error("'\(text)' names no machine before its colon; write MACHINE:PATH")
            }
            guard !rest.isEmpty else {
                throw Self.error("'\(text)' has no path behind its colon; write \(text)/PATH")
            }
            self.init(machine: name, path: rest.hasPrefix("/") ? rest : "/" + rest)
        } else {
            self.init(path: text)
        }
        guard TreeEntry.isPath(Array(path.utf8)) else {
            throw Self.error("a path has from 1 to \(TreeEntry.pathLimit) bytes, and no zero byte")
        }
    }

    /// What the tree at this place is called in another directory.
    package var name: [UInt8] {
        let last = path.split(separator: "/").last.map { Array($0.utf8) } ?? []
        return TreeEntry.isName(last) ? last : []
    }

    /// The entries of the directory are meant, and not itself: the path ends in `/.`, or has no name
    /// that a copy could have.
    package var isContents: Bool { name.isEmpty }

    /// `-`, an archive on our own streams; a file of that name is `./-`.
    package var isStream: Bool { machine == nil && path == "-" }

    private static func error(_ text: String) -> ClientError {
        ClientError(.badConfiguration, text)
    }
}

/// How much was copied.
package struct CopySummary: Hashable, Sendable {
    /// Files, directories and links.
    package var entries: UInt64
    /// Bytes of files.
    package var bytes: UInt64
    /// Devices, FIFOs and sockets, which were left out.
    package var omitted: UInt64
    /// Files in an archive that became shorter while they were read, and end in zeros there.
    package var shortened: UInt64 = 0
}
