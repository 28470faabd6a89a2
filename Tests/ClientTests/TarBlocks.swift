// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

/// Archives made by hand, byte by byte, so that they can be wrong.
enum TarBlocks {
    /// A header with a right sum.
    static func header(
        _ path: String, type: Character = "0", size: String = "00000000000", target: String = "",
        mode: String = "0000644", owner: String = "0000000", time: String = "00000000000",
        prefix: String = "", magic: String = "ustar\u{0}00"
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        let fields = [
            (0, path), (100, mode), (108, owner), (116, "0000000"), (124, size), (136, time),
            (156, String(type)), (157, target), (257, magic), (345, prefix),
        ]
        for (start, text) in fields {
            block.replaceSubrange(start..<start + text.utf8.count, with: text.utf8)
        }
        return summed(block)
    }

    /// The block with its sum put right.
    static func summed(_ block: [UInt8]) -> [UInt8] {
        var block = block
        block.replaceSubrange(148..<156, with: "        ".utf8)
        let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        let field = String(repeating: "0", count: 6 - sum.count) + sum + "\0 "
        block.replaceSubrange(148..<156, with: field.utf8)
        return block
    }

    /// Data, filled to whole blocks.
    static func data(_ text: String) -> [UInt8] {
        let count = text.utf8.count
        return Array(text.utf8) + [UInt8](repeating: 0, count: (512 - count % 512) % 512)
    }

    static func octal(_ number: Int) -> String {
        let digits = String(number, radix: 8)
        return String(repeating: "0", count: 11 - digits.count) + digits
    }

    static func file(_ path: String, _ text: String) -> [UInt8] {
        header(path, size: octal(text.utf8.count)) + data(text)
    }

    /// A member in front of another, such as records.
    static func front(_ type: Character, _ text: String) -> [UInt8] {
        header("front", type: type, size: octal(text.utf8.count)) + data(text)
    }

    /// Records, each with its length in front.
    static func records(_ type: Character, _ values: KeyValuePairs<String, String>) -> [UInt8] {
        var text = ""
        for (keyword, value) in values {
            let rest = " \(keyword)=\(value)\n"
            let length = (1...).first { $0 == rest.utf8.count + String($0).utf8.count } ?? 0
            text += "\(length)" + rest
        }
        return front(type, text)
    }

    static let end = [UInt8](repeating: 0, count: 1024)

    /// What a reader says of an archive that comes in pieces of so many bytes.
    static func pieces(_ archive: [UInt8], piece: Int = .max) throws -> [TarReader.Piece] {
        var reader = TarReader()
        var rest = archive[...]
        var pieces: [TarReader.Piece] = []
        while true {
            while let next = try reader.next() {
                if next == .end { return pieces }
                pieces.append(next)
            }
            guard !rest.isEmpty else {
                reader.finish()
                continue
            }
            reader.append(Array(rest.prefix(piece)))
            rest = rest.dropFirst(piece)
        }
    }

    /// The members of an archive.
    static func members(_ archive: [UInt8]) throws -> [TarMember] {
        try pieces(archive).compactMap { piece in
            if case .member(let member) = piece { member } else { nil }
        }
    }

    /// Makes the members of an archive below `path`, as an agent does.
    @discardableResult
    static func unpack(
        _ archive: [UInt8], to path: String, piece: Int = .max
    ) throws -> TreeWriter {
        var tree = MemberTree(now: 1_000_000_000)
        var bytes: [UInt8] = []
        for piece in try pieces(archive, piece: piece) {
            switch piece {
            case .member(let member): try tree.add(member, into: &bytes)
            case .data(let data): try Frame.data(data).encode(into: &bytes)
            case .endOfFile: try Frame.endOfEntry.encode(into: &bytes)
            case .end: break
            }
        }
        try tree.end(into: &bytes)
        var policy = TreePolicy()
        policy.takesHardLinks = true
        let writer = TreeWriter(
            TreeDestination(path: Array(path.utf8), name: [], isContents: true), policy: policy)
        try frames(bytes) { frame in
            switch frame {
            case .entry(let entry): try writer.take(entry)
            case .data(let data): try writer.take(data)
            case .endOfEntry: try writer.end()
            default: Issue.record("\(frame) in a tree")
            }
        }
        #expect(writer.isComplete)
        #expect(writer.entryCount == tree.entryCount)
        return writer
    }

    /// Gives `body` the frames that `bytes` are.
    static func frames(_ bytes: [UInt8], _ body: (Frame) throws -> Void) throws {
        var decoder = FrameDecoder()
        var rest = bytes[...]
        while !rest.isEmpty {
            rest = rest.dropFirst(decoder.append(rest))
            while let frame = try decoder.next() { try body(frame) }
        }
    }

    static func names(_ path: String) -> [[UInt8]] {
        path.split(separator: "/").map { Array($0.utf8) }
    }
}
