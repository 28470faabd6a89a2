// SPDX-License-Identifier: Apache-2.0
import Agent

@testable import Client

/// An archive whose every byte is somebody else's choice, for fuzzers and tests that throw dice.
///
/// The first byte says whether the others are the archive, or a script that makes one and gets
/// further than most bytes do; the second says in what pieces the archive comes.
enum TarScript {
    /// Answers what is wrong with what the reader makes of it, or nil.
    ///
    /// - Parameter unpack: Takes the frames that travel to the guest.
    static func run(_ bytes: [UInt8], unpack: ([Frame]) -> Void = { _ in }) -> String? {
        guard bytes.count > 1 else { return nil }
        var archive = Array(bytes.dropFirst(2))
        if bytes[0] & 1 != 0 {
            var maker = TarMaker(archive[...])
            archive = maker.make()
        }
        let reading = TarReading(archive, piece: [1, 7, 511, 512, 513, 4096][Int(bytes[1]) % 6])
        if let wrong = reading.wrong { return wrong }
        guard reading == TarReading(archive, piece: .max) else { return "it depends on the pieces" }
        if let message = reading.fault?.message {
            let isPlain = message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
            guard isPlain, !message.isEmpty else { return "no sentence: \(message)" }
        }
        guard let frames = try? frames(reading) else { return "a member that cannot travel" }
        if let wrong = wrong(frames, isWhole: reading.fault == nil) { return wrong }
        unpack(frames)
        return nil
    }

    /// What travels to the guest: of an archive with a fault, what came before that.
    private static func frames(_ reading: TarReading) throws -> [Frame] {
        var tree = MemberTree(now: 1_000_000_000)
        var bytes: [UInt8] = []
        for piece in reading.pieces {
            switch piece {
            case .member(let member): try tree.add(member, into: &bytes)
            case .data(let data):
                var rest = data[...]
                while !rest.isEmpty {
                    let part = rest.prefix(AgentProtocol.payloadLimit)
                    try Frame.data(Array(part)).encode(into: &bytes)
                    rest = rest.dropFirst(part.count)
                }
            case .endOfFile: try Frame.endOfEntry.encode(into: &bytes)
            case .end: try tree.end(into: &bytes)
            }
        }
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        var frames: [Frame] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            rest = rest.dropFirst(decoder.append(rest))
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }

    /// What is wrong with `frames` as a tree, or nil.
    private static func wrong(_ frames: [Frame], isWhole: Bool) -> String? {
        var kinds: [TreeEntry.Kind] = []
        for (index, frame) in frames.enumerated() {
            switch frame {
            case .entry(let entry):
                guard entry.name.isEmpty == (index == 0), kinds.last == .directory || index == 0
                else { return "an entry out of place" }
                if entry.kind == .directory || entry.kind == .file { kinds.append(entry.kind) }
            case .data:
                guard kinds.last == .file else { return "data of no file" }
            case .endOfEntry:
                guard kinds.popLast() != nil else { return "an end of nothing" }
                guard !kinds.isEmpty || index == frames.count - 1 else {
                    return "entries behind the tree"
                }
            default: return "\(frame) in a tree"
            }
        }
        return isWhole && (frames.isEmpty || !kinds.isEmpty) ? "a tree without an end" : nil
    }
}

/// What a reader says of an archive that comes in pieces.
struct TarReading: Equatable {
    /// Data of a file is one piece.
    private(set) var pieces: [TarReader.Piece] = []
    private(set) var fault: TarFault?
    private(set) var wrong: String?
    private var isInFile = false

    init(_ archive: [UInt8], piece: Int) {
        var reader = TarReader()
        var rest = archive[...]
        var isAtEnd = false
        do throws(TarFault) {
            while wrong == nil {
                if let next = try reader.next() {
                    take(next)
                    if next == .end { return }
                } else if !rest.isEmpty {
                    reader.append(Array(rest.prefix(piece)))
                    rest = rest.dropFirst(piece)
                } else if isAtEnd {
                    wrong = "it waits for ever"
                } else {
                    reader.finish()
                    isAtEnd = true
                }
            }
        } catch {
            fault = error
        }
    }

    private mutating func take(_ piece: TarReader.Piece) {
        switch piece {
        case .member(let member):
            if isInFile || !Self.isSound(member) { wrong = "\(member)" }
            isInFile = member.kind == .file
        case .data(let data):
            let isSound = isInFile && !data.isEmpty && data.count <= AgentProtocol.payloadLimit
            if !isSound { wrong = "\(data.count) bytes" }
            if case .data(let before) = pieces.last {
                pieces[pieces.count - 1] = .data(before + data)
                return
            }
        case .endOfFile:
            if !isInFile { wrong = "an end of no file" }
            isInFile = false
        case .end:
            if isInFile { wrong = "the end in a file" }
        }
        pieces.append(piece)
    }

    /// Whether nothing of it leads anywhere.
    private static func isSound(_ member: TarMember) -> Bool {
        guard member.names.allSatisfy(TreeEntry.isName),
            member.names.count <= TreeEntry.depthLimit, member.nanoseconds < 1_000_000_000,
            member.mode <= 0o7777, !member.names.isEmpty || member.kind == .directory
        else { return false }
        return switch member.kind {
        case .link(let target): TreeEntry.isPath(target)
        case .hardLink(let names): !names.isEmpty && names.allSatisfy(TreeEntry.isName)
        default: true
        }
    }
}
