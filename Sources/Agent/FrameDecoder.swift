// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into frames.
///
/// The other side is not trusted: the decoder holds one frame at most, allocates as bytes come in
/// and never beyond its limit, and after an error repeats that error. It is a plain value.
package struct FrameDecoder: Sendable {
    /// What is allocated before a frame asks for more, in bytes.
    private static var firstCapacity: Int { 4096 }

    /// Longest payload accepted, in bytes.
    private let payloadLimit: Int
    private var storage: [UInt8] = []
    /// The bytes of `storage` that wait to be decoded.
    private var start = 0
    private var end = 0
    private var error: FrameError?

    /// - Parameter payloadLimit: Bytes; a host leaves it at `AgentProtocol.payloadLimit`, as no
    ///   frame for it is longer. At least 8.
    package init(payloadLimit: Int = AgentProtocol.payloadLimit) {
        self.payloadLimit = max(payloadLimit, 8)
    }

    /// Bytes taken in but not yet part of a frame handed out.
    package var pendingCount: Int { end &- start }

    /// Lets `body` write bytes into the decoder's own storage, from index `start` to its end, and
    /// say how many it wrote.
    ///
    /// The room is never empty once `next()` has returned nil. Returns what `body` returned, so
    /// that zero and negative results of a read pass through; they add no bytes.
    package mutating func fill(_ body: (inout MutableSpan<UInt8>, _ start: Int) -> Int) -> Int {
        makeRoom()
        let start = end
        var room = storage.mutableSpan
        let count = body(&room, start)
        if count > 0 { end = min(end &+ count, storage.count) }
        return count
    }

    /// Takes out all bytes that are not part of a frame handed out: a stream goes on without frames.
    package mutating func takeRest() -> [UInt8] {
        let rest = Array(storage[start..<end])
        start = 0
        end = 0
        return rest
    }

    /// Takes as many of `bytes` as there is room for; returns how many.
    ///
    /// Takes at least one, unless `bytes` is empty or a whole frame waits in `next()`.
    package mutating func append(_ bytes: ArraySlice<UInt8>) -> Int {
        makeRoom()
        let count = min(bytes.count, storage.count &- end)
        storage.replaceSubrange(end..<end &+ count, with: bytes.prefix(count))
        end = end &+ count
        return count
    }

    /// The next whole frame, or nil until more bytes have come.
    package mutating func next() throws(FrameError) -> Frame? {
        if let error { throw error }
        do throws(FrameError) {
            return try decode()
        } catch {
            self.error = error
            throw error
        }
    }

    private mutating func decode() throws(FrameError) -> Frame? {
        guard let header = try header() else { return nil }
        let first = start &+ AgentProtocol.headerLength
        guard end &- first >= header.length else { return nil }
        let next = first &+ header.length
        let frame = try Frame(kind: header.kind, payload: storage[first..<next])
        start = next
        return frame
    }

    private func header() throws(FrameError) -> (length: Int, kind: UInt16)? {
        guard pendingCount >= AgentProtocol.headerLength else { return nil }
        var reader = ByteReader(storage[start..<start &+ AgentProtocol.headerLength], kind: 0)
        let length = try reader.integer(UInt32.self)
        let kind = try reader.integer(UInt16.self)
        let reserved = try reader.integer(UInt16.self)
        let limit = FrameKind(rawValue: kind)?.limit ?? AgentProtocol.payloadLimit
        guard let count = Int(exactly: length), count <= min(payloadLimit, limit) else {
            throw .tooLong(kind: kind, length: length)
        }
        guard reserved == 0 else { throw .reserved(reserved) }
        return (count, kind)
    }

    /// Moves what waits to the front and, if a frame needs it, grows the storage.
    private mutating func makeRoom() {
        if start == end {
            start = 0
            end = 0
        }
        let needed = neededCapacity()
        guard end == storage.count || needed > storage.count &- start else { return }
        if start > 0 {
            let waiting = Array(storage[start..<end])
            storage.replaceSubrange(0..<waiting.count, with: waiting)
            end = waiting.count
            start = 0
        }
        if needed > storage.count {
            storage.append(contentsOf: repeatElement(0, count: needed &- storage.count))
        }
    }

    /// Bytes from `start` that the frame at hand needs; grown step by step, so that a header alone
    /// does not make the decoder allocate all that it announces.
    private func neededCapacity() -> Int {
        guard error == nil, let header = try? header() else { return Self.firstCapacity }
        let whole = AgentProtocol.headerLength &+ header.length
        return min(max(whole, Self.firstCapacity), max(2 &* pendingCount, Self.firstCapacity))
    }
}

extension Frame {
    /// Decodes a payload.
    init(kind number: UInt16, payload: ArraySlice<UInt8>) throws(FrameError) {
        guard let kind = FrameKind(rawValue: number) else {
            self = .unknown(kind: number)
            return
        }
        switch kind {
        case .execute: self = .execute(try ExecRequest(payload: payload, kind: number))
        case .input: self = .input(Array(payload))
        case .output: self = .output(Array(payload))
        case .errorOutput: self = .errorOutput(Array(payload))
        case .data: self = .data(Array(payload))
        case .sendTree, .sendArchive:
            let path = Array(payload)
            guard TreeEntry.isPath(path) else { throw .text }
            self = kind == .sendTree ? .sendTree(path: path) : .sendArchive(path: path)
        case .takeTree, .takeArchive:
            let destination = try TreeDestination(payload: payload, kind: number)
            self = kind == .takeTree ? .takeTree(destination) : .takeArchive(destination)
        case .entry: self = .entry(try TreeEntry(payload: payload, kind: number))
        default:
            var reader = ByteReader(payload, kind: number)
            self = try Self.fixed(kind, &reader)
            try reader.end()
        }
    }

    /// The kinds whose payload has a fixed length.
    private static func fixed(
        _ kind: FrameKind, _ reader: inout ByteReader
    ) throws(FrameError) -> Frame {
        switch kind {
        case .hello: try hello(&reader)
        case .refused: try refused(&reader)
        case .ping: .ping(try reader.integer())
        case .pong: .pong(try reader.integer())
        case .done: .done
        case .setClock: .setClock(nanoseconds: try reader.integer())
        case .shutDown: .shutDown(try shutdown(&reader))
        case .endOfInput: .endOfInput
        case .inputCredit: .inputCredit(try reader.integer())
        case .resize:
            .resize(TerminalSize(rows: try reader.integer(), columns: try reader.integer()))
        case .signal: .signal(try signal(&reader))
        case .ended: .ended(try CommandEnd(reader: &reader, kind: kind.rawValue))
        case .connect: .connect(port: try port(&reader))
        case .connected: .connected
        case .endOfEntry: .endOfEntry
        case .treeFault: .treeFault(try TreeFault(reader: &reader, kind: kind.rawValue))
        case .size: .size(try reader.integer())
        case .execute, .input, .output, .errorOutput, .data, .sendTree, .takeTree, .entry,
            .sendArchive, .takeArchive:
            .unknown(kind: kind.rawValue)
        }
    }

    private static func hello(_ reader: inout ByteReader) throws(FrameError) -> Frame {
        let magic = try reader.integer(UInt32.self)
        guard magic == AgentProtocol.magic else { throw .magic(magic) }
        let version = try reader.integer(UInt16.self)
        let zero = try reader.integer(UInt16.self)
        guard zero == 0 else { throw .value(kind: FrameKind.hello.rawValue, value: UInt32(zero)) }
        return .hello(version: version)
    }

    private static func refused(_ reader: inout ByteReader) throws(FrameError) -> Frame {
        let number = try reader.integer(UInt16.self)
        let zero = try reader.integer(UInt16.self)
        guard let reason = Refusal.Reason(rawValue: number), zero == 0 else {
            throw .value(kind: FrameKind.refused.rawValue, value: UInt32(number))
        }
        return .refused(Refusal(reason, detail: try reader.integer()))
    }

    private static func shutdown(_ reader: inout ByteReader) throws(FrameError) -> Shutdown {
        let number = try reader.integer(UInt8.self)
        guard let shutdown = Shutdown(rawValue: number) else {
            throw .value(kind: FrameKind.shutDown.rawValue, value: UInt32(number))
        }
        return shutdown
    }

    private static func port(_ reader: inout ByteReader) throws(FrameError) -> UInt16 {
        let number = try reader.integer(UInt16.self)
        guard number > 0 else { throw .value(kind: FrameKind.connect.rawValue, value: 0) }
        return number
    }

    private static func signal(_ reader: inout ByteReader) throws(FrameError) -> UInt8 {
        let number = try reader.integer(UInt8.self)
        guard (1...64).contains(number) else {
            throw .value(kind: FrameKind.signal.rawValue, value: UInt32(number))
        }
        return number
    }
}
