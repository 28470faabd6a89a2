// SPDX-License-Identifier: Apache-2.0

/// Request line and header fields, once all their bytes are there.
struct HTTPHead {
    private let lines: [ArraySlice<UInt8>]
    private let limits: HTTPRequestParser.Limits

    /// `bytes` end with the empty line.
    init(_ bytes: [UInt8], _ limits: HTTPRequestParser.Limits) throws(HTTPError) {
        self.limits = limits
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0a {
            guard index > start, bytes[index - 1] == 0x0d else {
                throw .malformed("Invalid request: a line does not end with CR LF.")
            }
            lines.append(bytes[start..<index - 1])
            start = index + 1
        }
        for line in lines where line.contains(where: { $0 == 0x0d || $0 == 0 }) {
            throw .malformed("Invalid request: a control character in its head.")
        }
        self.lines = lines.dropLast()
    }

    /// The request without its body, the body's length, and whether its sender waits for a word.
    func request() throws(HTTPError) -> (HTTPRequest, length: Int, expectsContinue: Bool) {
        guard let first = lines.first else { throw .malformed("Invalid request: it is empty.") }
        let words = first.split(separator: 0x20, omittingEmptySubsequences: false)
        guard words.count == 3 else {
            throw .malformed("Invalid request line: it is a method, a path and a version.")
        }
        let method = try Self.method(words[0])
        let target = try Self.target(words[1])
        let isOld = try Self.isVersion10(words[2])
        let fields = try fields()
        let length = try contentLength(fields)
        let expects = try Self.expectsContinue(fields)
        var request = HTTPRequest(method, target, fields: fields)
        request.keepsAlive = Self.keepsAlive(fields, isOld: isOld)
        return (request, length, expects && !isOld)
    }

    private static func method(_ word: ArraySlice<UInt8>) throws(HTTPError) -> HTTPMethod {
        guard (1...16).contains(word.count), word.allSatisfy(isTokenByte) else {
            throw .malformed("Invalid HTTP method.")
        }
        return HTTPMethod(String(decoding: word, as: UTF8.self))
    }

    /// Path and query of a target in origin or absolute form. RFC 9112, 3.2.
    private static func target(_ word: ArraySlice<UInt8>) throws(HTTPError) -> String {
        guard let text = String(validating: word, as: UTF8.self), !text.isEmpty,
            word.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { throw .malformed("Invalid URI.") }
        if text.hasPrefix("/") { return text }
        guard text.hasPrefix("http://") else { throw .malformed("Invalid URI.") }
        let rest = text.dropFirst("http://".count)
        guard let slash = rest.firstIndex(of: "/") else { return "/" }
        return String(rest[slash...])
    }

    private static func isVersion10(_ word: ArraySlice<UInt8>) throws(HTTPError) -> Bool {
        switch String(decoding: word, as: UTF8.self) {
        case "HTTP/1.1": return false
        case "HTTP/1.0": return true
        default: throw .malformed("Unsupported HTTP version.")
        }
    }

    private func fields() throws(HTTPError) -> [HTTPField] {
        guard lines.count - 1 <= limits.fields else {
            throw .malformed("The request has more than \(limits.fields) headers.")
        }
        var fields: [HTTPField] = []
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
                line[..<colon].allSatisfy(isTokenByte),
                let value = String(validating: line[(colon + 1)...], as: UTF8.self)
            else { throw .malformed("Invalid header.") }
            let name = String(decoding: line[..<colon].map(lowercased), as: UTF8.self)
            fields.append(HTTPField(name, trimmed(value)))
        }
        return fields
    }

    /// Length of the body. A request that says it twice or in another way is refused: two readers
    /// might disagree about where it ends. RFC 9112, 6.3.
    private func contentLength(_ fields: [HTTPField]) throws(HTTPError) -> Int {
        if fields.contains(where: { $0.name == "transfer-encoding" }) {
            throw .malformed("Transfer-Encoding is not supported; send Content-Length.")
        }
        let values = fields.filter { $0.name == "content-length" }.map(\.value)
        guard let text = values.first else { return 0 }
        guard values.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { throw .malformed("Invalid Content-Length.") }
        // A number beyond 64 bits is too large like any other.
        let size = UInt64(text) ?? .max
        guard let length = Int(exactly: size), length <= limits.payload else {
            throw .payloadTooLarge(size: size, limit: limits.payload)
        }
        return length
    }

    private static func expectsContinue(_ fields: [HTTPField]) throws(HTTPError) -> Bool {
        guard let field = fields.first(where: { $0.name == "expect" }) else { return false }
        guard field.value.lowercased() == "100-continue" else {
            throw .malformed("Unsupported Expect header.")
        }
        return true
    }

    private static func keepsAlive(_ fields: [HTTPField], isOld: Bool) -> Bool {
        let words = fields.filter { $0.name == "connection" }.flatMap { field in
            field.value.split(separator: ",").map { trimmed(String($0)).lowercased() }
        }
        return isOld ? words.contains("keep-alive") : !words.contains("close")
    }
}

/// A character of a method or a field's name. RFC 9110, 5.6.2.
private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}

private func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}

/// `text` without blanks at either end.
private func trimmed(_ text: String) -> String {
    let isBlank = { (character: Character) in character == " " || character == "\t" }
    var rest = text.drop(while: isBlank)
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    return String(rest)
}
