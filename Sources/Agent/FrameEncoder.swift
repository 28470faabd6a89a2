// SPDX-License-Identifier: Apache-2.0

/// Encoding: eight bytes of header (payload length, kind, zero), then the payload.
extension Frame {
    /// Appends the frame to `bytes`; leaves them alone when it throws.
    ///
    /// Throws if a payload is longer than its kind allows, or a request cannot be executed.
    package func encode(into bytes: inout [UInt8]) throws(FrameError) {
        let length = try payloadLength()
        Self.encodeHeader(length: length, kind: kind, into: &bytes)
        appendPayload(to: &bytes)
    }

    /// The frame alone.
    package func encoded() throws(FrameError) -> [UInt8] {
        var bytes: [UInt8] = []
        try encode(into: &bytes)
        return bytes
    }

    /// Appends a header for `length` payload bytes; they follow.
    package static func encodeHeader(length: Int, kind: UInt16, into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(truncatingIfNeeded: length))
        bytes.append(integer: kind)
        bytes.append(integer: 0 as UInt16)
    }

    /// Puts the payload's length, once it is known, into the header that begins at `header`.
    static func setLength(_ length: Int, at header: Int, in bytes: inout [UInt8]) {
        var rest = UInt32(truncatingIfNeeded: length)
        for index in header..<header &+ 4 {
            bytes[index] = UInt8(truncatingIfNeeded: rest)
            rest = rest >> 8
        }
    }

    private func payloadLength() throws(FrameError) -> Int {
        let length: Int
        switch self {
        case .done, .endOfInput, .connected, .endOfEntry, .unknown: length = 0
        case .shutDown, .signal: length = 1
        case .connect(let port):
            guard port > 0 else { throw .value(kind: kind, value: 0) }
            length = 2
        case .inputCredit, .resize: length = 4
        case .hello, .refused, .ping, .pong, .setClock, .ended, .size: length = 8
        case .treeFault: length = 16
        case .input(let data), .output(let data), .errorOutput(let data), .data(let data):
            length = data.count
        case .execute(let request):
            try request.check()
            length = request.encodedLength
        case .sendTree(let path), .sendArchive(let path):
            guard TreeEntry.isPath(path) else { throw .text }
            length = path.count
        case .takeTree(let destination), .takeArchive(let destination):
            try destination.check()
            length = destination.encodedLength
        case .entry(let entry):
            try entry.check()
            length = entry.encodedLength
        }
        guard length <= (FrameKind(rawValue: kind)?.limit ?? 0) else {
            throw .tooLong(kind: kind, length: UInt32(clamping: length))
        }
        return length
    }

    private func appendPayload(to bytes: inout [UInt8]) {
        switch self {
        case .done, .endOfInput, .connected, .endOfEntry, .unknown: break
        case .hello(let version):
            bytes.append(integer: AgentProtocol.magic)
            bytes.append(integer: version)
            bytes.append(integer: 0 as UInt16)
        case .refused(let refusal):
            bytes.append(integer: refusal.reason.rawValue)
            bytes.append(integer: 0 as UInt16)
            bytes.append(integer: refusal.detail)
        case .ping(let number), .pong(let number), .setClock(let number), .size(let number):
            bytes.append(integer: number)
        case .shutDown(let shutdown): bytes.append(shutdown.rawValue)
        case .execute(let request): request.encode(into: &bytes)
        case .input(let data), .output(let data), .errorOutput(let data), .data(let data):
            bytes.append(contentsOf: data)
        case .connect(let port): bytes.append(integer: port)
        case .sendTree(let path), .sendArchive(let path): bytes.append(contentsOf: path)
        case .takeTree(let destination), .takeArchive(let destination):
            destination.encode(into: &bytes)
        case .entry(let entry): entry.encode(into: &bytes)
        case .treeFault(let fault): fault.encode(into: &bytes)
        case .inputCredit(let count): bytes.append(integer: count)
        case .resize(let size):
            bytes.append(integer: size.rows)
            bytes.append(integer: size.columns)
        case .signal(let number): bytes.append(number)
        case .ended(let end): end.encode(into: &bytes)
        }
    }
}

/// Layout: tag (1 exited, 2 killed, 3 not started), status or signal or step, two zero bytes, and
/// the error number (four bytes, zero unless not started).
extension CommandEnd {
    func encode(into bytes: inout [UInt8]) {
        let fields: (tag: UInt8, value: UInt8, errno: UInt32) =
            switch self {
            case .exited(let status): (1, status, 0)
            case .killed(let signal): (2, signal, 0)
            case .notStarted(let failure): (3, failure.step.rawValue, failure.errno)
            }
        bytes.append(fields.tag)
        bytes.append(fields.value)
        bytes.append(integer: 0 as UInt16)
        bytes.append(integer: fields.errno)
    }

    init(reader: inout ByteReader, kind: UInt16) throws(FrameError) {
        let tag = try reader.integer(UInt8.self)
        let value = try reader.integer(UInt8.self)
        let zero = try reader.integer(UInt16.self)
        let errno = try reader.integer(UInt32.self)
        guard zero == 0 else { throw .value(kind: kind, value: UInt32(zero)) }
        guard tag == 3 || errno == 0 else { throw .value(kind: kind, value: errno) }
        switch tag {
        case 1: self = .exited(value)
        case 2:
            guard (1...64).contains(value) else { throw .value(kind: kind, value: UInt32(value)) }
            self = .killed(signal: value)
        case 3:
            guard let step = StartFailure.Step(rawValue: value) else {
                throw .value(kind: kind, value: UInt32(value))
            }
            self = .notStarted(StartFailure(step: step, errno: errno))
        default: throw .value(kind: kind, value: UInt32(tag))
        }
    }
}
