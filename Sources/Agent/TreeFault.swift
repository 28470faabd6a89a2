// SPDX-License-Identifier: Apache-2.0

/// Why a tree could not be copied to its end.
///
/// The host makes the text: what a guest says never reaches a terminal in a message of ours.
package struct TreeFault: Error, Equatable, Sendable {
    /// What could not be done.
    package enum Step: UInt8, Sendable {
        /// Looking at an entry of the tree, or opening it.
        case open = 1
        /// Reading it.
        case read = 2
        /// Making it in its new place.
        case make = 3
        /// Writing its data.
        case write = 4
        /// Giving it its owner, permissions or time.
        case attributes = 5
        /// A directory is in the place of a file or link, or something else in that of a directory.
        case clash = 6
        /// More directories in one another than `TreeEntry.depthLimit`.
        case depth = 7
        /// Finding the place where the tree is to go.
        case destination = 8
        /// The place is a symbolic link, and this side does not follow those.
        case link = 9
        /// More bytes than this side takes.
        case bytes = 10
        /// More entries than this side takes.
        case entries = 11
        /// An entry, data or end that may not come now.
        case order = 12
        /// Finding the file that is to have one more name.
        case hardLink = 13
        /// A file that does not say how long it is, and is too long to find that out.
        case size = 14
    }

    package var step: Step

    /// Linux's error number, if that is what is wrong.
    package var errno: UInt32

    /// Which entry it is about: how many came before it.
    package var entry: UInt64

    package init(_ step: Step, errno: UInt32 = 0, entry: UInt64 = 0) {
        self.step = step
        self.errno = errno
        self.entry = entry
    }

    /// - Parameter result: A negated error number.
    init(_ step: Step, result: Int32, entry: UInt64) {
        self.init(step, errno: result.magnitude, entry: entry)
    }
}

/// Layout: step, three zero bytes, error number (4), entry (8).
extension TreeFault {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(step.rawValue))
        bytes.append(integer: errno)
        bytes.append(integer: entry)
    }

    init(reader: inout ByteReader, kind: UInt16) throws(FrameError) {
        let number = try reader.integer(UInt32.self)
        guard let tag = UInt8(exactly: number), let step = Step(rawValue: tag) else {
            throw .value(kind: kind, value: number)
        }
        self.step = step
        errno = try reader.integer()
        entry = try reader.integer()
    }
}

extension TreeFault {
    /// One sentence about the entry that is called `place`.
    package func message(_ place: String) -> String {
        let cause = ErrorText.text(errno)
        return switch step {
        case .open: "cannot open \(place): \(cause)"
        case .read: "cannot read \(place): \(cause)"
        case .make: "cannot make \(place): \(cause)"
        case .write: "cannot write \(place): \(cause)"
        case .attributes: "cannot set owner, permissions and time of \(place): \(cause)"
        case .clash where errno == ErrorText.isDirectory:
            "\(place) is a directory, and something else is to take its place"
        case .clash: "\(place) is no directory, and a directory is to take its place"
        case .depth:
            "\(place) is deeper than \(TreeEntry.depthLimit) directories in one another"
        case .destination: "cannot copy to \(place): \(cause)"
        case .link:
            "\(place) is a symbolic link, which is not followed: name the place it leads to"
        case .bytes: "there is more data than the limit allows; raise it with --limit"
        case .entries: "there are more files than can be copied at a time"
        case .hardLink: "cannot find the file that \(place) is a hard link to: \(cause)"
        case .size:
            "\(place) does not say how long it is, which an archive has to: copy it as a file"
        case .order: "the guest's agent broke the protocol: a tree out of order"
        }
    }
}
