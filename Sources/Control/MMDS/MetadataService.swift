// SPDX-License-Identifier: Apache-2.0

/// Answers the guest's requests for its metadata, as EC2's service does.
package struct MetadataService: Sendable {
    /// What happened, for who counts it.
    package enum Event: Hashable, Sendable {
        case noToken, invalidToken
    }

    private static var tokenPath: String { "/latest/api/token" }
    private static var tokenFields: [String] { ["x-metadata-token", "x-aws-ec2-metadata-token"] }
    private static var lifeFields: [String] {
        ["x-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token-ttl-seconds"]
    }

    private let version: MMDSConfig.Version
    private let isIMDSCompatible: Bool
    private let tokens: MetadataTokens
    private let metadata: Metadata

    package init(_ config: MMDSConfig, tokens: MetadataTokens, metadata: Metadata) {
        version = config.version
        isIMDSCompatible = config.isIMDSCompatible
        self.tokens = tokens
        self.metadata = metadata
    }

    /// - Parameters:
    ///   - now: Milliseconds on a clock that never goes back.
    ///   - salt: Never the same twice.
    package func answer(
        _ request: HTTPRequest, now: UInt64, salt: UInt64
    ) -> (reply: HTTPReply, event: Event?) {
        let path = Self.sanitized(request.target)
        switch request.method {
        case .get: return get(request, path, now: now)
        case .put: return (put(request, path, now: now, salt: salt), nil)
        default:
            var reply = Self.text(.methodNotAllowed, "Not allowed HTTP method.")
            reply.fields = [HTTPField("Allow", "GET, PUT")]
            return (reply, nil)
        }
    }

    /// A path without slashes side by side, and without a query.
    private static func sanitized(_ target: String) -> String {
        var path = ""
        for character in target.prefix(while: { $0 != "?" })
        where character != "/" || path.last != "/" {
            path.append(character)
        }
        return path
    }

    private static func text(_ status: HTTPReply.Status, _ message: String) -> HTTPReply {
        HTTPReply(status, HTTPReply.plainText, body: Array(message.utf8))
    }

    private static func value(_ request: HTTPRequest, _ names: [String]) -> HTTPField? {
        request.fields.first { names.contains($0.name) }
    }

    // MARK: Reading

    private func get(
        _ request: HTTPRequest, _ path: String, now: UInt64
    ) -> (reply: HTTPReply, event: Event?) {
        var event: Event?
        if let token = Self.value(request, Self.tokenFields) {
            if !tokens.isValid(token.value, now: now) { event = .invalidToken }
        } else {
            event = .noToken
        }
        // Version 1 counts what version 2 refuses.
        guard version == .v2, let event else { return (tell(request, path), event) }
        let message =
            event == .noToken
            ? "No MMDS token provided. Use `X-metadata-token` or `X-aws-ec2-metadata-token` header"
                + " to specify the session token."
            : "MMDS token not valid."
        return (Self.text(.unauthorized, message), event)
    }

    private func tell(_ request: HTTPRequest, _ path: String) -> HTTPReply {
        let accepted = request["accept"] ?? ""
        let wantsJSON = !isIMDSCompatible && Self.prefersJSON(accepted)
        do throws(MetadataStore.Fault) {
            let value = try metadata.withStore { store throws(MetadataStore.Fault) in
                try store.value(at: path, wantsJSON ? .json : .imds)
            }
            return HTTPReply(
                .ok, wantsJSON ? HTTPReply.json : HTTPReply.plainText, body: Array(value.utf8))
        } catch {
            switch error {
            case .notFound, .notInitialized:
                return Self.text(.notFound, "Resource not found: \(request.target).")
            case .unsupportedValue: return Self.text(.notImplemented, error.message)
            case .tooLarge: return Self.text(.contentTooLarge, error.message)
            }
        }
    }

    private static func prefersJSON(_ accepted: String) -> Bool {
        accepted.lowercased().split(separator: ",").contains { part in
            part.drop { $0 == " " }.hasPrefix("application/json")
        }
    }

    // MARK: Tokens

    private func put(
        _ request: HTTPRequest, _ path: String, now: UInt64, salt: UInt64
    ) -> HTTPReply {
        if request["x-forwarded-for"] != nil {
            return Self.text(
                .badRequest,
                "Invalid header. Reason: Unsupported header name. Key: x-forwarded-for")
        }
        guard path == Self.tokenPath else {
            return Self.text(.notFound, "Resource not found: \(request.target).")
        }
        guard let field = Self.value(request, Self.lifeFields) else {
            return Self.text(
                .badRequest,
                "Token time to live value not found. Use `X-metadata-token-ttl-seconds` or"
                    + " `X-aws-ec2-metadata-token-ttl-seconds` header to specify the token's"
                    + " lifetime.")
        }
        guard let life = UInt32(field.value) else {
            return Self.text(
                .badRequest,
                "Invalid header. Reason: Invalid value. Key:\(field.name); Value:\(field.value)")
        }
        let range = MetadataTokens.lifeRange
        guard range.contains(life) else {
            return Self.text(
                .badRequest,
                "Invalid time to live value provided for token: \(life). Please provide a value"
                    + " between \(range.lowerBound) and \(range.upperBound).")
        }
        var reply = Self.text(.ok, tokens.make(life: life, now: now, salt: salt))
        reply.fields = [HTTPField(field.name, String(life))]
        return reply
    }
}

/// One connection of the guest to its metadata: bytes in, bytes out.
package struct MetadataSession: Sendable {
    /// Most bytes of a request's body, which nothing needs.
    private static var payloadLimit: Int { 1024 }

    /// Reply bytes above which the next request waits for the next call.
    private static var replyLimit: Int { 64 << 10 }

    private let service: MetadataService
    private var parser: HTTPRequestParser

    package init(_ service: MetadataService) {
        self.service = service
        var limits = HTTPRequestParser.Limits()
        limits.payload = Self.payloadLimit
        limits.head = 4096
        parser = HTTPRequestParser(limits)
    }

    /// The replies to what `bytes` complete, and whether the connection is over behind them. After
    /// long replies requests may be left; they are answered by the next call.
    package mutating func receive(
        _ bytes: [UInt8], now: UInt64, salt: () -> UInt64, count: (MetadataService.Event) -> Void
    ) -> (bytes: [UInt8], isOver: Bool) {
        parser.receive(bytes)
        var out: [UInt8] = []
        do throws(HTTPError) {
            while out.count < Self.replyLimit, let event = try parser.next() {
                guard case .request(let request) = event else {
                    out += HTTPReply.goOn
                    continue
                }
                let (reply, event) = service.answer(request, now: now, salt: salt())
                if let event { count(event) }
                out += reply.serialized(
                    server: "MMDS", keepsAlive: request.keepsAlive,
                    omitsBody: request.method == .other("HEAD"))
                if !request.keepsAlive { return (out, true) }
            }
            return (out, false)
        } catch {
            out += HTTPReply(.badRequest, HTTPReply.plainText, body: Array(error.message.utf8))
                .serialized(server: "MMDS", keepsAlive: false)
            return (out, true)
        }
    }
}
