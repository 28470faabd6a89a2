// SPDX-License-Identifier: Apache-2.0
import Linux

/// What a detached machine's command has written: records in the file `log`, the older ones in
/// `log.1`. Both together are bounded, so a guest cannot fill the host's disk.
///
/// A record is 16 bytes of header, little-endian: nanoseconds since 1970 (8), bytes that follow (4),
/// stream (1), zero (3).
package enum MachineLog {
    package enum Stream: UInt8, CaseIterable, Sendable {
        case output = 1
        case errorOutput = 2
    }

    package struct Record: Hashable, Sendable {
        /// Nanoseconds since 1970.
        package var time: UInt64
        package var stream: Stream
        package var bytes: [UInt8]

        package init(time: UInt64, stream: Stream, bytes: [UInt8]) {
            self.time = time
            self.stream = stream
            self.bytes = bytes
        }
    }

    static var file: String { "log" }
    static var olderFile: String { "log.1" }
    static var headerSize: Int { 16 }
    /// Bytes of one record at most; a longer piece becomes several.
    static var recordLimit: Int { 1 << 20 }
    /// Bytes after which a file counts as full.
    package static var fileLimit: Int { 8 << 20 }
}

extension MachineLog.Record {
    var encoded: [UInt8] {
        var all: [UInt8] = []
        all.reserveCapacity(MachineLog.headerSize + bytes.count)
        for shift in stride(from: 0, to: 64, by: 8) {
            all.append(UInt8(truncatingIfNeeded: time >> UInt64(shift)))
        }
        let count = UInt32(truncatingIfNeeded: bytes.count)
        for shift in stride(from: 0, to: 32, by: 8) {
            all.append(UInt8(truncatingIfNeeded: count >> UInt32(shift)))
        }
        all += [stream.rawValue, 0, 0, 0]
        return all + bytes
    }
}

/// The end of a log that is written to.
package struct MachineLogWriter: ~Copyable {
    private let directory: PrivateDirectory
    private var target: FileDescriptor
    private var count = 0
    private let limit: Int
    /// Bytes that the disk had no room for.
    package private(set) var lost = 0

    /// Makes an empty log in the directory at `path`.
    package init(in path: String, limit: Int = MachineLog.fileLimit) throws(Errno) {
        let directory = try PrivateDirectory(path)
        let target = try directory.make(MachineLog.file)
        self.directory = directory
        self.target = target
        self.limit = limit
    }

    /// Adds a record. What the disk has no room for is lost and counted.
    package mutating func append(_ bytes: [UInt8], to stream: MachineLog.Stream) {
        let now = Clock.realtime
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(MachineLog.recordLimit))
            rest = rest.dropFirst(piece.count)
            append(MachineLog.Record(time: now, stream: stream, bytes: piece))
        }
    }

    private mutating func append(_ record: MachineLog.Record) {
        if count >= limit { turn() }
        let bytes = record.encoded
        var rest = bytes[...]
        do throws(Errno) {
            while !rest.isEmpty { rest = rest.dropFirst(try target.write(rest)) }
            count += bytes.count
        } catch {
            // No reader takes half a record for a whole one, but the next must follow a whole one.
            lost += record.bytes.count
            try? target.truncate(to: count)
        }
    }

    /// The file is full: it becomes the older one.
    private mutating func turn() {
        do throws(Errno) {
            let fresh = MachineLog.file + ".new"
            let next = try directory.make(fresh)
            try directory.rename(MachineLog.file, to: MachineLog.olderFile)
            try directory.rename(fresh, to: MachineLog.file)
            target = next
            count = 0
        } catch {
            // Without room for another file this one begins again.
            try? target.truncate(to: 0)
            count = 0
        }
    }
}

/// A log that is read, record by record, while it may grow.
package struct MachineLogReader: ~Copyable {
    private let directory: PrivateDirectory
    private var source: FileDescriptor?
    /// What was read, and how much of its beginning has been taken.
    private var pending: [UInt8] = []
    private var taken = 0

    /// Begins at the oldest record that is kept.
    package init(in path: String) throws(Errno) {
        let directory = try PrivateDirectory(path)
        let source = try directory.openIfThere(MachineLog.olderFile)
        self.directory = directory
        self.source = source
    }

    /// The next record; nil: there is none yet.
    package mutating func next() throws(Errno) -> MachineLog.Record? {
        while true {
            if let record = takeRecord() { return record }
            if try fill() { continue }
            guard try moveOn() else { return nil }
        }
    }

    /// False: the file has no more for now.
    private mutating func fill() throws(Errno) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        guard let count = try source?.read(into: &buffer), count > 0 else { return false }
        // Once a piece, not once a record: a piece may hold thousands.
        pending.removeFirst(taken)
        taken = 0
        pending += buffer[..<count]
        return true
    }

    /// Goes on with the file that was begun after this one; false: this is the newest.
    private mutating func moveOn() throws(Errno) -> Bool {
        guard let newest = try directory.openIfThere(MachineLog.file) else { return false }
        guard let current = source?.fileIdentity else {
            source = consume newest
            return true
        }
        if current == newest.fileIdentity { return false }
        // What was added before the turn; nothing is added after it.
        if try fill() { return true }
        drop()
        // Several turns may have gone by: then the older file has not been seen either.
        if let older = try directory.openIfThere(MachineLog.olderFile),
            older.fileIdentity != current
        {
            source = consume older
        } else {
            source = consume newest
        }
        return true
    }

    /// What was read is of no use.
    private mutating func drop() {
        pending.removeAll()
        taken = 0
    }

    private mutating func takeRecord() -> MachineLog.Record? {
        let rest = pending[taken...]
        let start = rest.startIndex + MachineLog.headerSize
        guard start <= rest.endIndex else { return nil }
        let time = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let length = rest.dropFirst(8).prefix(4)
        let count = Int(length.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        guard count <= MachineLog.recordLimit,
            let stream = MachineLog.Stream(rawValue: rest[rest.startIndex + 12])
        else {
            // Not what a supervisor writes: the rest of this file cannot be told apart.
            drop()
            return nil
        }
        guard start + count <= rest.endIndex else { return nil }
        taken = start + count
        return MachineLog.Record(
            time: time, stream: stream, bytes: Array(rest[start..<start + count]))
    }
}
