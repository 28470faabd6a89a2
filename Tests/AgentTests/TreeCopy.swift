// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Agent

/// A reader's tree made by a writer, without anybody between them.
enum TreeCopy {
    /// Copies the tree at `source` to `destination`; throws what either says.
    @discardableResult
    static func run(
        _ source: String, to destination: TreeDestination, policy: TreePolicy = TreePolicy()
    ) throws -> TreeWriter {
        let reader = TreeReader(path: Array(source.utf8))
        let writer = TreeWriter(destination, policy: policy)
        var decoder = FrameDecoder()
        var bytes: [UInt8] = []
        while !reader.isComplete {
            bytes.removeAll()
            try reader.read(into: &bytes)
            var rest = bytes[...]
            while !rest.isEmpty {
                rest = rest.dropFirst(decoder.append(rest))
                while let frame = try decoder.next() { try give(frame, to: writer) }
            }
        }
        #expect(writer.isComplete)
        #expect(writer.entryCount == reader.entryCount)
        #expect(writer.byteCount == reader.byteCount)
        #expect(writer.omittedCount == reader.omittedCount)
        return writer
    }

    /// Copies the tree at `source` to `path`, where it is called `name` in a directory.
    @discardableResult
    static func run(
        _ source: String, to path: String, name: String = "name", isContents: Bool = false,
        policy: TreePolicy = TreePolicy()
    ) throws -> TreeWriter {
        let destination = TreeDestination(
            path: Array(path.utf8), name: Array(name.utf8), isContents: isContents)
        return try run(source, to: destination, policy: policy)
    }

    /// Gives a writer what may come in a tree.
    static func give(_ frame: Frame, to writer: TreeWriter) throws {
        switch frame {
        case .entry(let entry): try writer.take(entry)
        case .data(let data): try writer.take(data)
        case .endOfEntry: try writer.end()
        default: Issue.record("\(frame) in a tree")
        }
    }
}
