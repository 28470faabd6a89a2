// SPDX-License-Identifier: Apache-2.0

/// An answer to a request. RFC 9112, 4.
package struct HTTPReply: Hashable, Sendable {
    package enum Status: Int, Sendable {
        case ok = 200
        case noContent = 204
        case badRequest = 400
        case unauthorized = 401
        case notFound = 404
        case methodNotAllowed = 405
        case contentTooLarge = 413
        case notImplemented = 501
        case unavailable = 503

        package var reason: String {
            switch self {
            case .ok: "OK"
            case .noContent: "No Content"
            case .badRequest: "Bad Request"
            case .unauthorized: "Unauthorized"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .contentTooLarge: "Content Too Large"
            case .notImplemented: "Not Implemented"
            case .unavailable: "Service Unavailable"
            }
        }
    }

    package static var json: String { "application/json" }
    package static var plainText: String { "text/plain" }

    package var status: Status
    package var contentType: String
    package var body: [UInt8]
    /// Besides those that every reply has.
    package var fields: [HTTPField] = []

    package init(_ status: Status, _ contentType: String = Self.json, body: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package static var empty: HTTPReply { HTTPReply(.noContent) }

    package static func object(_ json: JSON) -> HTTPReply { HTTPReply(.ok, body: json.bytes) }

    /// A refusal with its reason.
    package static func fault(_ status: Status, _ message: String) -> HTTPReply {
        HTTPReply(status, body: JSON.object([("fault_message", .string(message))]).bytes)
    }

    /// True for 4xx and 5xx.
    package var isFault: Bool { status.rawValue >= 400 }

    /// The bytes for the wire.
    ///
    /// - Parameters:
    ///   - keepsAlive: Whether another request may follow.
    ///   - omitsBody: The request was a HEAD.
    package func serialized(
        server: String, keepsAlive: Bool, omitsBody: Bool = false
    ) -> [UInt8] {
        var head = "HTTP/1.1 \(status.rawValue) \(status.reason)\r\nServer: \(server)\r\n"
        head += "Connection: \(keepsAlive ? "keep-alive" : "close")\r\n"
        for field in fields { head += "\(field.name): \(field.value)\r\n" }
        if status != .noContent {
            head += "Content-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n"
        }
        var bytes = Array((head + "\r\n").utf8)
        if status != .noContent, !omitsBody { bytes += body }
        return bytes
    }

    /// What a client waits for before it sends a body. RFC 9110, 10.1.1.
    package static var goOn: [UInt8] { Array("HTTP/1.1 100 Continue\r\n\r\n".utf8) }
}
