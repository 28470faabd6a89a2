// SPDX-License-Identifier: Apache-2.0

/// Why a disk on the command line cannot be read; the text says what would be right.
package struct DiskArgumentError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

/// A file on the host for the guest, as people write it: `PATH[:ro][:id=NAME][:engine=NAME]`.
package struct DiskArgument: Hashable, Sendable {
    package let path: String
    package let isReadOnly: Bool
    /// Its name for host and guest; nil: by its place among its kind.
    package let id: String?
    /// Nil: whatever is usual.
    package let engine: DriveConfig.IOEngine?

    /// Words are taken from the end, so that a path may have colons.
    package init(_ text: String) throws(DiskArgumentError) {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var isReadOnly = false
        var id: String?
        var engine: DriveConfig.IOEngine?
        while parts.count > 1, let word = parts.last {
            if word == "ro" {
                isReadOnly = true
            } else if word.hasPrefix("id=") {
                id = try Self.identifier(word.dropFirst(3))
            } else if word == "engine=async" {
                engine = .concurrent
            } else if word == "engine=sync" {
                engine = .serial
            } else if word.hasPrefix("engine=") {
                throw DiskArgumentError(
                    description: "'\(JSONError.printable(String(word)))': a disk's engine is sync"
                        + " or async")
            } else {
                break
            }
            parts.removeLast()
        }
        path = parts.joined(separator: ":")
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw DiskArgumentError(
                description: "'\(JSONError.printable(text))' names no file; write PATH, PATH:ro or"
                    + " PATH:id=NAME")
        }
        self.isReadOnly = isReadOnly
        self.id = id
        self.engine = engine
    }

    private static func identifier(_ text: Substring) throws(DiskArgumentError) -> String {
        let isGood = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
            default: false
            }
        }
        guard isGood, (1...20).contains(text.utf8.count) else {
            throw DiskArgumentError(
                description: "'\(JSONError.printable(String(text)))' is no name of a disk: that has"
                    + " 1 to 20 letters, digits and underscores")
        }
        return String(text)
    }
}
