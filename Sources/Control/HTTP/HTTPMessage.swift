// SPDX-License-Identifier: Apache-2.0

/// What a request asks to be done. RFC 9110, 9.
package enum HTTPMethod: Hashable, Sendable {
    case get, put, patch, delete
    /// Any other word, as it was sent.
    case other(String)

    package init(_ text: String) {
        switch text {
        case "GET": self = .get
        case "PUT": self = .put
        case "PATCH": self = .patch
        case "DELETE": self = .delete
        default: self = .other(text)
        }
    }

    package var name: String {
        switch self {
        case .get: "GET"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .other(let text): text
        }
    }
}

/// One header field; names compare without case. RFC 9110, 5.
package struct HTTPField: Hashable, Sendable {
    /// In lower case.
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A whole request.
package struct HTTPRequest: Hashable, Sendable {
    package var method: HTTPMethod
    /// Path and query, as they were sent, without scheme and host.
    package var target: String
    package var fields: [HTTPField]
    /// Nil if no content came, or none of any length.
    package var body: [UInt8]?
    /// The connection stays open behind the reply.
    package var keepsAlive: Bool

    package init(
        _ method: HTTPMethod, _ target: String, fields: [HTTPField] = [], body: [UInt8]? = nil,
        keepsAlive: Bool = true
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.keepsAlive = keepsAlive
    }

    /// The first field called `name`, which is in lower case.
    package subscript(_ name: String) -> String? {
        fields.first { $0.name == name }?.value
    }
}

/// Why bytes are no request. The connection cannot go on.
package enum HTTPError: Error, Hashable, Sendable {
    /// The text says what is wrong.
    case malformed(String)
    case headTooLong(limit: Int)
    case payloadTooLarge(size: UInt64, limit: Int)

    package var message: String {
        switch self {
        case .malformed(let text): text
        case .headTooLong(let limit):
            "The request line and headers are larger than the limit of \(limit) bytes."
        case .payloadTooLarge(let size, let limit):
            "Request payload with size \(size) is larger than the limit of \(limit) allowed by"
                + " server.\nAll previous unanswered requests will be dropped."
        }
    }

    /// The answer to whoever sent it, behind which the connection ends.
    package var reply: HTTPReply { .fault(.badRequest, message) }
}
