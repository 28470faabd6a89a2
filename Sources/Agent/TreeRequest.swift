// SPDX-License-Identifier: Apache-2.0

/// Where a tree goes.
///
/// As cp(1) has it: into `path` if that is a directory, under the name that it has where it comes
/// from; else it becomes `path` itself, in a directory that must be there.
package struct TreeDestination: Equatable, Sendable {
    package var path: [UInt8]

    /// What it is called in a directory; may be empty if `isContents`.
    package var name: [UInt8]

    /// A directory's entries, and not itself, go into the directory `path`.
    package var isContents: Bool

    package init(path: [UInt8], name: [UInt8], isContents: Bool = false) {
        self.path = path
        self.name = name
        self.isContents = isContents
    }
}

/// Layout: flags (1: contents), three zero bytes; then path and name, each as four bytes of length
/// and its bytes.
extension TreeDestination {
    static var contentsFlag: UInt8 { 1 }

    init(payload: ArraySlice<UInt8>, kind: UInt16) throws(FrameError) {
        var reader = ByteReader(payload, kind: kind)
        let flags = try reader.integer(UInt32.self)
        guard flags & ~UInt32(Self.contentsFlag) == 0 else {
            throw .value(kind: kind, value: flags)
        }
        isContents = flags != 0
        path = try reader.bytes(try reader.integer(UInt32.self))
        name = try reader.bytes(try reader.integer(UInt32.self))
        try reader.end()
        try check()
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: isContents ? UInt32(Self.contentsFlag) : 0)
        for string in [path, name] {
            bytes.append(integer: UInt32(truncatingIfNeeded: string.count))
            bytes.append(contentsOf: string)
        }
    }

    var encodedLength: Int { 12 &+ path.count &+ name.count }

    func check() throws(FrameError) {
        guard TreeEntry.isPath(path) else { throw .text }
        guard isContents && name.isEmpty || TreeEntry.isName(name) else { throw .text }
    }
}
