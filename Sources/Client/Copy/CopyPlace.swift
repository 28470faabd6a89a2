// SPDX-License-Identifier: Apache-2.0
import Agent
import Control

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

    /// Refuses `-`, which is an archive on our streams to Docker's users: the guest's tar does that.
    package static func refuseStreams(
        _ source: CopyPlace, _ destination: CopyPlace
    ) throws(ClientError) {
        let words: String
        switch (source.machine, destination.machine) {
        case (nil, let name?) where source.path == "-":
            words = "\(name) tar x -C \(destination.path)"
        case (let name?, nil) where destination.path == "-":
            words = "\(name) tar c \(source.path)"
        default: return
        }
        throw error(
            "cp neither reads nor writes archives: swiftlet exec "
                + JSONError.printable(words, limit: 512) + " does; a file called - is ./-")
    }

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
}
