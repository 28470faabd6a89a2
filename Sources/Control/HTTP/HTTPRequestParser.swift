// SPDX-License-Identifier: Apache-2.0

/// Makes requests of bytes as they come, however they are cut. RFC 9112, for HTTP/1.0 and 1.1.
///
/// It is strict, as whoever stands in front of the socket may be hostile: lines end with CR LF, a
/// length is given at most once, and no transfer coding is taken. Once it has thrown, the
/// connection is of no use any more.
package struct HTTPRequestParser: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Most bytes of a body.
        package var payload = 51_200
        /// Most bytes of request line and headers together.
        package var head = 16 << 10
        /// Most header fields.
        package var fields = 64

        package init() {}
    }

    package enum Event: Hashable, Sendable {
        case request(HTTPRequest)
        /// The client waits for ``HTTPReply/goOn``.
        case expectsContinue
    }

    private let limits: Limits
    private var bytes: [UInt8] = []
    /// Of ``bytes``, what has been used up.
    private var start = 0
    /// Of ``bytes``, how far the end of the head has been looked for.
    private var seen = 0
    /// The request whose body is still to come, and the length of that.
    private var pending: (request: HTTPRequest, length: Int)?

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Bytes that are kept: at most a head, a body and what was received last.
    package var bufferedCount: Int { bytes.count - start }

    /// In the middle of a request.
    package var isMidway: Bool { pending != nil || bufferedCount > 0 }

    package mutating func receive(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// The next event, or nil until more bytes have come.
    package mutating func next() throws(HTTPError) -> Event? {
        if pending == nil, let event = try readHead() { return event }
        guard let (request, length) = pending else { return nil }
        guard bytes.count - start >= length else {
            compact()
            return nil
        }
        var whole = request
        if length > 0 { whole.body = Array(bytes[start..<start + length]) }
        consume(length)
        pending = nil
        return .request(whole)
    }

    private mutating func consume(_ count: Int) {
        start += count
        seen = start
        if start == bytes.count { compact() }
    }

    private mutating func compact() {
        guard start > 0 else { return }
        bytes.removeSubrange(..<start)
        seen -= start
        start = 0
    }

    // MARK: Head

    /// Looks for a whole head; sets ``pending`` from it.
    private mutating func readHead() throws(HTTPError) -> Event? {
        // An empty line or two in front of a request is a habit of old clients. RFC 9112, 2.2.
        while bytes.count - start >= 2, bytes[start] == 0x0d, bytes[start + 1] == 0x0a { consume(2) }
        guard let end = endOfHead() else {
            guard bytes.count - start <= limits.head else {
                throw .headTooLong(limit: limits.head)
            }
            compact()
            return nil
        }
        guard end - start <= limits.head else { throw .headTooLong(limit: limits.head) }
        let head = Array(bytes[start..<end])
        consume(end - start)
        let (request, length, expects) = try HTTPHead(head, limits).request()
        pending = (request, length)
        return expects && length > 0 && bytes.count - start < length ? .expectsContinue : nil
    }

    /// The index behind the empty line.
    private mutating func endOfHead() -> Int? {
        var index = max(start, seen - 3)
        while index + 3 < bytes.count {
            if bytes[index] == 0x0d, bytes[index + 1] == 0x0a, bytes[index + 2] == 0x0d,
                bytes[index + 3] == 0x0a
            {
                return index + 4
            }
            index += 1
        }
        seen = bytes.count
        return nil
    }
}
