// SPDX-License-Identifier: Apache-2.0
import Agent

/// Reads a tar archive as its bytes come: ustar and pax, GNU's long names and large numbers, and
/// what was there before POSIX.
///
/// Whoever made it is not trusted: it holds a block, some data or a bounded record at a time, and
/// after an error it is of no more use.
struct TarReader {
    /// What comes of an archive, one after the other.
    enum Piece: Equatable {
        /// For a file, its data and `endOfFile` follow.
        case member(TarMember)
        /// At most ``AgentProtocol/payloadLimit`` bytes.
        case data([UInt8])
        case endOfFile
        /// What comes behind it is no part of the archive.
        case end
    }

    /// Most bytes of records or of a long name. As other programs have it.
    static var recordLimit: UInt64 { 1 << 20 }

    private enum Phase {
        case header
        /// Data of a file, of which so many bytes are to come, and those that fill its last block.
        case file(UInt64, padding: Int)
        /// Bytes that nobody wants.
        case skip(UInt64)
        /// Records or a long name.
        case record(TarHeader.Kind, Int)
        case ended
    }

    private var phase = Phase.header
    private var storage: [UInt8] = []
    private var start = 0
    private var isFirst = true
    private var hasFirstEnd = false
    private var isAtEnd = false
    /// For the next member.
    private var records: [PaxRecord] = []
    /// For all that follow.
    private var globalRecords: [PaxRecord] = []

    /// Bytes that wait to be read.
    private var rest: ArraySlice<UInt8> { storage[start...] }

    /// Takes more of the archive.
    mutating func append(_ bytes: [UInt8]) {
        if start == storage.count {
            storage = bytes
        } else {
            storage.removeSubrange(..<start)
            storage += bytes
        }
        start = 0
    }

    /// Says that nothing more comes.
    mutating func finish() { isAtEnd = true }

    /// What comes next; nil: it needs more.
    mutating func next() throws(TarFault) -> Piece? {
        if let piece = try step() { return piece }
        guard isAtEnd else { return nil }
        if isFirst { throw rest.isEmpty ? .empty : Self.stranger(rest) }
        // One block of zeros says that it was to end here.
        guard hasFirstEnd, rest.isEmpty else { throw .cut }
        phase = .ended
        return .end
    }

    private mutating func step() throws(TarFault) -> Piece? {
        while true {
            switch phase {
            case .header:
                guard rest.count >= TarHeader.blockSize else { return nil }
                if let piece = try takeHeader(take(TarHeader.blockSize)) { return piece }
            case .file(0, let padding):
                phase = .skip(UInt64(padding))
                return .endOfFile
            case .file(let left, let padding): return takeData(left, padding)
            case .skip(let left):
                guard !rest.isEmpty || left == 0 else { return nil }
                let count = min(left, UInt64(rest.count))
                start += Int(count)
                phase = left == count ? .header : .skip(left - count)
            case .record(let kind, let count):
                let padded = count + Self.padding(UInt64(count))
                guard rest.count >= padded else { return nil }
                try takeRecord(kind, take(padded).prefix(count))
                phase = .header
            case .ended: return .end
            }
        }
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        defer { start += count }
        return storage[start..<start + count]
    }

    /// Bytes from `size` to the end of its last block.
    private static func padding(_ size: UInt64) -> Int {
        let block = UInt64(TarHeader.blockSize)
        return Int((block - size % block) % block)
    }
}

extension TarReader {
    private mutating func takeHeader(_ block: ArraySlice<UInt8>) throws(TarFault) -> Piece? {
        guard !TarHeader.isEnd(block) else {
            isFirst = false
            if hasFirstEnd { phase = .ended }
            hasFirstEnd = true
            return nil
        }
        let header: TarHeader
        do throws(TarFault) {
            header = try TarHeader(block)
        } catch {
            throw isFirst && error == .sum ? Self.stranger(block) : error
        }
        isFirst = false
        hasFirstEnd = false
        switch header.kind {
        case .records, .globalRecords, .longPath, .longTarget:
            guard header.size <= Self.recordLimit else { throw .records }
            phase = .record(header.kind, Int(header.size))
            return nil
        case .label:
            skip(header.size)
            return nil
        default: return .member(try member(header))
        }
    }

    private mutating func takeRecord(
        _ kind: TarHeader.Kind, _ bytes: ArraySlice<UInt8>
    ) throws(TarFault) {
        switch kind {
        case .longPath: records.set(PaxRecord("path", Array(bytes.prefix { $0 != 0 })))
        case .longTarget: records.set(PaxRecord("linkpath", Array(bytes.prefix { $0 != 0 })))
        default:
            guard let new = PaxRecord.all(bytes) else { throw .records }
            for record in new {
                if kind == .records { records.set(record) } else { globalRecords.set(record) }
            }
        }
    }

    /// What the archive says of a member; what follows it is known then.
    private mutating func member(_ raw: TarHeader) throws(TarFault) -> TarMember {
        var header = raw
        var nanoseconds: UInt32 = 0
        for record in globalRecords + records {
            try Self.apply(record, raw, &header, &nanoseconds)
        }
        records = []
        guard header.kind != .sparse else { throw .sparse(header.path) }
        let names = try TarMember.names(header.path)
        let kind = try Self.kind(header, names)
        guard let owner = UInt32(exactly: header.owner) else { throw .number("owner", header.path) }
        guard let group = UInt32(exactly: header.group) else { throw .number("group", header.path) }
        if kind == .file {
            guard header.size <= UInt64(Int64.max) else { throw .number("size", header.path) }
            phase = .file(header.size, padding: Self.padding(header.size))
        }
        return TarMember(
            kind: kind, names: names, mode: header.mode, owner: owner, group: group,
            seconds: header.seconds, nanoseconds: nanoseconds)
    }

    private static func kind(
        _ header: TarHeader, _ names: [[UInt8]]
    ) throws(TarFault) -> TarMember.Kind {
        // The archive's root is a directory.
        guard !names.isEmpty || header.kind == .directory else { throw .name(header.path) }
        switch header.kind {
        case .directory: return .directory
        case .characterDevice, .blockDevice, .fifo: return .other
        case .link:
            guard TreeEntry.isPath(header.target) else { throw .target(header.path) }
            return .link(target: header.target)
        case .hardLink:
            let target = try TarMember.names(header.target)
            let isPath = TreeEntry.isPath(Array(target.joined(separator: [UInt8(ascii: "/")])))
            guard isPath else { throw .target(header.path) }
            return .hardLink(names: target)
        default: return .file
        }
    }

    /// An empty value gives the header's own back.
    private static func apply(
        _ record: PaxRecord, _ raw: TarHeader, _ header: inout TarHeader,
        _ nanoseconds: inout UInt32
    ) throws(TarFault) {
        let isReset = record.value.isEmpty
        switch record.keyword {
        case "path": header.path = isReset ? raw.path : record.value
        case "linkpath": header.target = isReset ? raw.target : record.value
        case "size": header.size = isReset ? raw.size : try number(record, "size", header)
        case "uid": header.owner = isReset ? raw.owner : try number(record, "owner", header)
        case "gid": header.group = isReset ? raw.group : try number(record, "group", header)
        case "mtime":
            guard !isReset else {
                header.seconds = raw.seconds
                nanoseconds = 0
                return
            }
            guard let time = record.time else { throw .number("time", header.path) }
            (header.seconds, nanoseconds) = time
        case PaxRecord.holes: throw .sparse(header.path)
        default: break
        }
    }

    private static func number(
        _ record: PaxRecord, _ name: String, _ header: TarHeader
    ) throws(TarFault) -> UInt64 {
        guard let number = record.number else { throw .number(name, header.path) }
        return number
    }

    private mutating func takeData(_ left: UInt64, _ padding: Int) -> Piece? {
        guard !rest.isEmpty else { return nil }
        let count = Int(min(left, UInt64(min(rest.count, AgentProtocol.payloadLimit))))
        let data = Array(take(count))
        phase = .file(left - UInt64(count), padding: padding)
        return .data(data)
    }

    private mutating func skip(_ size: UInt64) {
        phase = .skip(size &+ UInt64(Self.padding(size)))
    }

    /// What bytes are that are no header.
    private static func stranger(_ bytes: ArraySlice<UInt8>) -> TarFault {
        let marks: [([UInt8], String)] = [
            ([0x1f, 0x8b], "gzip"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
            ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz"), (Array("BZh".utf8), "bzip2"),
            ([0x04, 0x22, 0x4d, 0x18], "lz4"),
        ]
        for (mark, program) in marks where bytes.starts(with: mark) { return .compressed(program) }
        return .noArchive
    }
}
