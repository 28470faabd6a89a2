// SPDX-License-Identifier: Apache-2.0
import Agent

/// The block that is in front of each member of a tar archive: pax(1), "ustar Interchange Format",
/// and what GNU tar and older ones have in its place.
struct TarHeader: Equatable {
    static var blockSize: Int { 512 }

    /// What a member is. Numbers are ASCII.
    enum Kind: UInt8 {
        case oldFile = 0
        case file = 0x30
        case hardLink = 0x31
        case link = 0x32
        case characterDevice = 0x33
        case blockDevice = 0x34
        case directory = 0x35
        case fifo = 0x36
        case contiguousFile = 0x37
        /// Records for the next member.
        case records = 0x78
        /// Records for all that follow.
        case globalRecords = 0x67
        /// GNU: the path of the next member.
        case longPath = 0x4c
        /// GNU: what the next member leads to.
        case longTarget = 0x4b
        /// GNU: a name of the archive itself.
        case label = 0x56
        /// GNU: a file with holes.
        case sparse = 0x53
    }

    var kind: Kind
    var path: [UInt8]
    var target: [UInt8] = []
    var mode: UInt16
    var owner: UInt64 = 0
    var group: UInt64 = 0
    var size: UInt64 = 0
    var seconds: Int64 = 0
}

/// A field of the block: where it begins and how many bytes it has.
private struct Field {
    let start: Int
    let count: Int

    init(_ start: Int, _ count: Int) {
        self.start = start
        self.count = count
    }

    static let path = Field(0, 100)
    static let mode = Field(100, 8)
    static let owner = Field(108, 8)
    static let group = Field(116, 8)
    static let size = Field(124, 12)
    static let seconds = Field(136, 12)
    static let sum = Field(148, 8)
    static let kind = Field(156, 1)
    static let target = Field(157, 100)
    static let magic = Field(257, 8)
    static let prefix = Field(345, 155)
    /// A `prefix` that has times behind it, as star writes it.
    static let shortPrefix = Field(345, 131)
    static let starMark = Field(508, 4)

    func bytes(_ block: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        block.dropFirst(start).prefix(count)
    }

    /// Up to the first zero.
    func text(_ block: ArraySlice<UInt8>) -> [UInt8] { Array(bytes(block).prefix { $0 != 0 }) }
}

// MARK: - Reading

extension TarHeader {
    /// Whether a block is one of the two that end an archive.
    static func isEnd(_ block: ArraySlice<UInt8>) -> Bool { block.allSatisfy { $0 == 0 } }

    init(_ block: ArraySlice<UInt8>) throws(TarFault) {
        guard Self.isSummed(block) else { throw .sum }
        path = Field.path.text(block)
        let tag = Field.kind.bytes(block).first ?? 0
        guard let kind = Kind(rawValue: tag) else { throw .kind(tag, path) }
        let magic = Array(Field.magic.bytes(block))
        let prefix: Field =
            Array(Field.starMark.bytes(block)) == Array("tar\0".utf8) ? .shortPrefix : .prefix
        if magic.starts(with: Array("ustar\0".utf8)), !prefix.text(block).isEmpty {
            path = prefix.text(block) + [UInt8(ascii: "/")] + path
        }
        let mode = try Self.unsigned(.mode, block, "mode", path)
        // A program before POSIX has a directory as a file whose path ends in a slash.
        let isOldDirectory = kind == .oldFile && path.last == UInt8(ascii: "/")
        self.kind = isOldDirectory ? .directory : kind
        self.mode = UInt16(truncatingIfNeeded: mode) & 0o7777
        target = Field.target.text(block)
        owner = try Self.unsigned(.owner, block, "owner", path)
        group = try Self.unsigned(.group, block, "group", path)
        size = try Self.unsigned(.size, block, "size", path)
        guard let time = Self.number(Field.seconds.bytes(block)) else {
            throw .number("time", path)
        }
        seconds = time
    }

    private static func unsigned(
        _ field: Field, _ block: ArraySlice<UInt8>, _ name: String, _ path: [UInt8]
    ) throws(TarFault) -> UInt64 {
        guard let number = number(field.bytes(block)), number >= 0 else {
            throw .number(name, path)
        }
        return UInt64(number)
    }

    /// The sum of all bytes, those of the sum's own field as blanks; of signed ones in archives of
    /// programs that never knew better.
    private static func isSummed(_ block: ArraySlice<UInt8>) -> Bool {
        guard let sum = number(Field.sum.bytes(block)) else { return false }
        let sums = sums(block)
        return sum == sums.unsigned || sum == sums.signed
    }

    private static func sums(_ block: ArraySlice<UInt8>) -> (unsigned: Int64, signed: Int64) {
        var unsigned: Int64 = 0
        var signed: Int64 = 0
        for (index, byte) in block.enumerated() {
            let isOwn = (Field.sum.start..<Field.sum.start + Field.sum.count).contains(index)
            let byte = isOwn ? UInt8(ascii: " ") : byte
            unsigned &+= Int64(byte)
            signed &+= Int64(Int8(bitPattern: byte))
        }
        return (unsigned, signed)
    }

    /// Octal digits between blanks and a zero, or GNU's binary number, whose first bit is set. Nil:
    /// neither, or beyond 63 bits.
    static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 { return binary(field, isNegative: first & 0x40 != 0) }
        let digits = field.drop { $0 == UInt8(ascii: " ") }
            .prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit), value >> 60 == 0 else {
                return nil
            }
            value = value << 3 | Int64(digit & 7)
        }
        return value
    }

    private static func binary(_ field: ArraySlice<UInt8>, isNegative: Bool) -> Int64? {
        var value: Int64 = isNegative ? -1 : 0
        for (index, byte) in field.enumerated() {
            // The first bit says that it is binary; the sign is the second.
            let byte = index == 0 ? (isNegative ? byte : byte & 0x7f) : byte
            let (high, isOver) = value.multipliedReportingOverflow(by: 256)
            guard !isOver else { return nil }
            value = high | Int64(byte)
        }
        return value
    }
}

// MARK: - Writing

extension TarHeader {
    /// The header, in which path, target and numbers fit or are cut; with ``records(nanoseconds:)``
    /// in front if they are.
    func encode(into bytes: inout [UInt8]) {
        var block = [UInt8](repeating: 0, count: Self.blockSize)
        let (prefix, path) = Self.split(self.path) ?? ([], self.path)
        Self.put(path, .path, &block)
        Self.put(prefix, .prefix, &block)
        Self.put(target, .target, &block)
        Self.put(octal: UInt64(mode), .mode, &block)
        Self.put(octal: owner, .owner, &block)
        Self.put(octal: group, .group, &block)
        Self.put(octal: size, .size, &block)
        Self.put(octal: UInt64(max(seconds, 0)), .seconds, &block)
        block[Field.kind.start] = kind.rawValue
        Self.put(Array("ustar\u{0}00".utf8), .magic, &block)
        // Six digits, a zero and a blank, as every program has it.
        Self.put(octal: UInt64(Self.sums(block[...]).unsigned), Field(148, 7), &block)
        block[Field.sum.start + 7] = UInt8(ascii: " ")
        bytes += block
    }

    /// What does not fit into the header as records, which then hold.
    func records(nanoseconds: UInt32) -> [PaxRecord] {
        var records: [PaxRecord] = []
        if Self.split(path) == nil { records.append(PaxRecord("path", path)) }
        if target.count > Field.target.count { records.append(PaxRecord("linkpath", target)) }
        if size > Self.most(.size) { records.append(PaxRecord("size", "\(size)")) }
        if owner > Self.most(.owner) { records.append(PaxRecord("uid", "\(owner)")) }
        if group > Self.most(.group) { records.append(PaxRecord("gid", "\(group)")) }
        if nanoseconds > 0 || seconds < 0 || UInt64(max(seconds, 0)) > Self.most(.seconds) {
            records.append(PaxRecord("mtime", PaxRecord.time(seconds, nanoseconds)))
        }
        return records
    }

    /// A path as its two fields, between which a slash is thought; nil if it does not fit.
    private static func split(_ path: [UInt8]) -> (prefix: [UInt8], path: [UInt8])? {
        if path.count <= Field.path.count { return ([], path) }
        // A slash at the very end belongs to a directory's name.
        let slash = UInt8(ascii: "/")
        for index in path.indices.dropLast() where path[index] == slash && index > 0 {
            let rest = path.count - index - 1
            if index <= Field.prefix.count, rest <= Field.path.count {
                return (Array(path[..<index]), Array(path[(index + 1)...]))
            }
        }
        return nil
    }

    private static func most(_ field: Field) -> UInt64 { 1 << UInt64(3 * (field.count - 1)) - 1 }

    private static func put(_ bytes: [UInt8], _ field: Field, _ block: inout [UInt8]) {
        let bytes = bytes.prefix(field.count)
        block.replaceSubrange(field.start..<field.start + bytes.count, with: bytes)
    }

    /// Leading zeros, digits and a zero byte; nothing but zeros if it does not fit.
    private static func put(octal number: UInt64, _ field: Field, _ block: inout [UInt8]) {
        var rest = number <= most(field) ? number : 0
        for index in (field.start..<field.start + field.count - 1).reversed() {
            block[index] = UInt8(ascii: "0") + UInt8(rest & 7)
            rest >>= 3
        }
        block[field.start + field.count - 1] = 0
    }
}
