// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct HTTPParserTests {
    /// All events of `bytes`, given in one piece.
    static func events(
        _ text: String, _ limits: HTTPRequestParser.Limits = .init()
    ) throws(HTTPError) -> [HTTPRequestParser.Event] {
        var parser = HTTPRequestParser(limits)
        parser.receive(Array(text.utf8))
        var events: [HTTPRequestParser.Event] = []
        while let event = try parser.next() { events.append(event) }
        return events
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let text: String
        let requests: [HTTPRequest]
        var testDescription: String { text }
    }

    static let host = HTTPField("host", "localhost")

    static let rows = [
        Row(
            text: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            requests: [HTTPRequest(.get, "/", fields: [host])]),
        Row(
            text: "PUT /vm HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            requests: [
                HTTPRequest(
                    .put, "/vm", fields: [HTTPField("content-length", "2")],
                    body: Array("{}".utf8))
            ]),
        Row(
            text: "PUT /vm HTTP/1.1\r\nCONTENT-LENGTH:\t0 \r\n\r\n",
            requests: [HTTPRequest(.put, "/vm", fields: [HTTPField("content-length", "0")])]),
        Row(
            text: "GET http://localhost/vm/config HTTP/1.1\r\n\r\n",
            requests: [HTTPRequest(.get, "/vm/config")]),
        Row(
            text: "GET http://localhost HTTP/1.1\r\n\r\n",
            requests: [HTTPRequest(.get, "/")]),
        Row(
            text: "\r\n\r\nGET /a HTTP/1.1\r\n\r\nDELETE /b HTTP/1.1\r\n\r\n",
            requests: [HTTPRequest(.get, "/a"), HTTPRequest(.delete, "/b")]),
        Row(
            text: "GET / HTTP/1.0\r\n\r\n", requests: [HTTPRequest(.get, "/", keepsAlive: false)]),
        Row(
            text: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            requests: [HTTPRequest(.get, "/", fields: [HTTPField("connection", "Keep-Alive")])]),
        Row(
            text: "GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n",
            requests: [
                HTTPRequest(
                    .get, "/", fields: [HTTPField("connection", "x, close")], keepsAlive: false)
            ]),
        Row(
            text: "PROPFIND / HTTP/1.1\r\n\r\n",
            requests: [HTTPRequest(.other("PROPFIND"), "/")]),
        Row(text: "GET / HTTP/1.1\r\n", requests: []),
        Row(text: "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", requests: []),
    ]

    @Test(arguments: rows)
    func `Bytes are the requests they say`(_ row: Row) throws {
        #expect(try Self.events(row.text) == row.requests.map { .request($0) })
    }

    @Test(arguments: rows)
    func `It makes no difference where the bytes are cut`(_ row: Row) throws {
        let bytes = Array(row.text.utf8)
        var random = Random(seed: UInt64(bytes.count))
        for _ in 0..<200 {
            var parser = HTTPRequestParser()
            var events: [HTTPRequestParser.Event] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = min(rest.count, Int(random.next() % 7) + 1)
                parser.receive(rest.prefix(count))
                rest = rest.dropFirst(count)
                while let event = try parser.next() { events.append(event) }
            }
            #expect(events == row.requests.map { .request($0) })
        }
    }

    @Test func `Whoever waits for a word before the body gets it once`() throws {
        var parser = HTTPRequestParser()
        parser.receive(
            "PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n".utf8)
        #expect(try parser.next() == .expectsContinue)
        #expect(try parser.next() == nil)
        parser.receive("{".utf8)
        #expect(try parser.next() == nil)
        parser.receive("}".utf8)
        guard case .request(let request) = try parser.next() else {
            Issue.record("no request")
            return
        }
        #expect(request.body == Array("{}".utf8))
        #expect(try parser.next() == nil)
        #expect(!parser.isMidway)
    }

    @Test func `A body that came along needs no word`() throws {
        let text = "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
        #expect(try Self.events(text).count == 1)
    }

    @Test(arguments: [
        ("GET /\r\n\r\n", "Invalid request line: it is a method, a path and a version."),
        ("GET  / HTTP/1.1\r\n\r\n", "Invalid request line: it is a method, a path and a version."),
        ("GET / HTTP/2.0\r\n\r\n", "Unsupported HTTP version."),
        ("GET / http/1.1\r\n\r\n", "Unsupported HTTP version."),
        ("G\u{1}T / HTTP/1.1\r\n\r\n", "Invalid HTTP method."),
        ("GET x HTTP/1.1\r\n\r\n", "Invalid URI."),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "Invalid header."),
        ("GET / HTTP/1.1\r\n: empty\r\n\r\n", "Invalid header."),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", "Invalid header."),
        ("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "Invalid header."),
        (
            "GET / HTTP/1.1\nA: b\r\n\r\n",
            "Invalid request: a line does not end with CR LF."
        ),
        (
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "Invalid request: a control character in its head."
        ),
        (
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding is not supported; send Content-Length."
        ),
        ("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "Invalid Content-Length."),
        ("PUT / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", "Invalid Content-Length."),
        ("PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", "Invalid Content-Length."),
        (
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "Invalid Content-Length."
        ),
        ("PUT / HTTP/1.1\r\nExpect: more\r\n\r\n", "Unsupported Expect header."),
        (
            "PUT / HTTP/1.1\r\nContent-Length: 51201\r\n\r\n",
            "Request payload with size 51201 is larger than the limit of 51200 allowed by"
                + " server.\nAll previous unanswered requests will be dropped."
        ),
        (
            "PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            "Request payload with size 18446744073709551615 is larger than the limit of 51200"
                + " allowed by server.\nAll previous unanswered requests will be dropped."
        ),
    ])
    func `What is no request is refused with the reason`(_ text: String, _ message: String) {
        let error = #expect(throws: HTTPError.self) { try Self.events(text) }
        #expect(error?.message == message)
        #expect(error?.reply.status == .badRequest)
    }

    @Test func `A head has a limit, complete or not`() {
        let long = String(repeating: "a", count: 17 << 10)
        for text in ["GET /\(long)", "GET /\(long) HTTP/1.1\r\n\r\n"] {
            #expect(throws: HTTPError.headTooLong(limit: 16 << 10)) { try Self.events(text) }
        }
        let many = String(repeating: "a: b\r\n", count: 65)
        let error = #expect(throws: HTTPError.self) {
            try Self.events("GET / HTTP/1.1\r\n\(many)\r\n")
        }
        #expect(error?.message == "The request has more than 64 headers.")
    }

    @Test func `A body as large as the limit is taken`() throws {
        var limits = HTTPRequestParser.Limits()
        limits.payload = 3
        let head = "PUT / HTTP/1.1\r\nContent-Length: "
        #expect(try Self.events(head + "3\r\n\r\nabc", limits).count == 1)
        #expect(throws: HTTPError.payloadTooLarge(size: 4, limit: 3)) {
            try Self.events(head + "4\r\n\r\nabcd", limits)
        }
    }

    @Test func `Noise never traps, and never makes more than was sent`() {
        var random = Random(seed: 7)
        let alphabet = Array("GET / HTTP/1.1\r\n:\r\n\r\nContent-Length: 12\u{0}\u{ff}".utf8)
        for _ in 0..<3000 {
            var parser = HTTPRequestParser()
            var sent = 0
            rounds: for _ in 0..<20 {
                let chunk = (0..<Int(random.next() % 40)).map { _ in
                    random.next() % 8 == 0
                        ? UInt8(truncatingIfNeeded: random.next())
                        : alphabet[Int(random.next() % UInt64(alphabet.count))]
                }
                sent += chunk.count
                parser.receive(chunk)
                do throws(HTTPError) {
                    while let event = try parser.next() {
                        guard case .request(let request) = event else { continue }
                        #expect(request.body?.count ?? 0 <= sent)
                    }
                } catch {
                    #expect(!error.message.isEmpty)
                    break rounds
                }
                #expect(parser.bufferedCount <= sent)
            }
        }
    }

    @Test func `A reply has what the wire needs`() {
        let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
        #expect(
            text(HTTPReply.empty.serialized(server: "S", keepsAlive: true))
                == "HTTP/1.1 204 No Content\r\nServer: S\r\nConnection: keep-alive\r\n\r\n")
        var reply = HTTPReply.fault(.badRequest, "no \"x\"")
        reply.fields.append(HTTPField("Deprecation", "true"))
        let head =
            "HTTP/1.1 400 Bad Request\r\nServer: S\r\nConnection: close\r\nDeprecation: true\r\n"
            + "Content-Type: application/json\r\nContent-Length: 28\r\n\r\n"
        #expect(
            text(reply.serialized(server: "S", keepsAlive: false))
                == head + #"{"fault_message":"no \"x\""}"#)
        #expect(
            text(reply.serialized(server: "S", keepsAlive: false, omitsBody: true)) == head)
    }
}

/// The same numbers each time. A linear congruence, whose high bits are good enough.
struct Random {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 2 &+ 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
