// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// Answers requests: finds what they mean, asks the controller, counts and logs.
final class APIAnswerer: Sendable {
    let limits: HTTPRequestParser.Limits
    let logger: Logger
    private let metrics: Metrics
    private let server: String
    /// Made with the first request.
    private static let router = APIRouter()
    private let controller: Mutex<Controller>

    init(
        _ controller: sending Controller, payloadLimit: Int, product: String, logger: Logger,
        metrics: Metrics
    ) {
        var limits = HTTPRequestParser.Limits()
        limits.payload = payloadLimit
        self.limits = limits
        self.logger = logger
        self.metrics = metrics
        server = product + " API"
        self.controller = Mutex(controller)
    }

    /// Takes a whole configuration over and starts the machine.
    func start(_ config: VMConfig) throws(APIFault) {
        try controller.withLock { controller throws(APIFault) in try controller.start(config) }
    }

    func bytes(of reply: HTTPReply, keepsAlive: Bool, omitsBody: Bool = false) -> [UInt8] {
        reply.serialized(server: server, keepsAlive: keepsAlive, omitsBody: omitsBody)
    }

    /// What a client gets whose bytes are no request.
    func refuse(_ error: HTTPError) -> [UInt8] {
        logger.log(
            .error, "API Server error on retrieving incoming request: \(error.message)")
        return bytes(of: error.reply, keepsAlive: false)
    }

    func answer(_ request: HTTPRequest) -> HTTPReply {
        let start = Clock.monotonic
        logger.log(.info, "The API server received a \(description(of: request)).")
        var reply: HTTPReply
        do throws(APIFault) {
            reply = try answer(try Self.router.match(request), request.body, since: start)
        } catch {
            reply = error.reply
        }
        logOutcome(reply)
        let time = Clock.monotonic &- start
        metrics.recordCall(request.method, time)
        logger.log(.debug, "Total previous API call duration: \(time / 1000) us.")
        return reply
    }

    private func answer(
        _ match: APIRouter.Match, _ body: [UInt8]?, since start: UInt64
    ) throws(APIFault) -> HTTPReply {
        count(match.operation, "_count")
        var reply: HTTPReply
        var deprecation: String?
        var request: APIRequest?
        do throws(APIFault) {
            let parsed = try Self.router.parse(match, body)
            request = parsed.request
            deprecation = parsed.deprecation
            reply = controller.withLock { $0.answer(parsed.request) }
        } catch {
            reply = error.reply
        }
        if reply.isFault { count(match.operation, "_fails") }
        if let deprecation {
            metrics.counter("deprecated_api", "deprecated_http_api_calls")?.add()
            logger.log(.warn, deprecation)
            reply.fields.append(HTTPField("Deprecation", "true"))
        }
        if let request, !reply.isFault { timeTransition(request, since: start) }
        return reply
    }

    private func count(_ operation: APIOperation, _ suffix: String) {
        guard let metric = operation.metric else { return }
        metrics.counter(metric.group, metric.name + suffix)?.add()
    }

    private func timeTransition(_ request: APIRequest, since start: UInt64) {
        let name: String
        switch request {
        case .pause: name = "pause"
        case .resume: name = "resume"
        default: return
        }
        let time = (Clock.monotonic &- start) / 1000
        metrics.counter("latencies_us", name + "_vm")?.store(time)
        logger.log(.info, "'\(name) vm' API request took \(time) us.")
    }

    private func logOutcome(_ reply: HTTPReply) {
        let status = "Status code: \(reply.status.rawValue) \(reply.status.reason)."
        guard reply.isFault else {
            logger.log(.info, "The request was executed successfully. \(status)")
            return
        }
        let fault = (try? JSONParser.parse(reply.body))?["fault_message"]
        let message = (try? fault?.asString()) ?? ""
        logger.log(.error, "Received Error. \(status) Message: \(message)")
    }

    /// As Firecracker's log has it. Metadata may be secret and stay out; a configuration of
    /// processors is long, and only there for who asks.
    private func description(of request: HTTPRequest) -> String {
        let name = request.method.name
        let method = name.prefix(1) + name.dropFirst().lowercased()
        let what = "\(method) request on \(Self.quoted(request.target))"
        guard let body = request.body, !APIRouter.carriesMetadata(request.target) else {
            return what
        }
        guard request.target != "/cpu-config" || logger.isWanted(.debug) else {
            return what
                + ". To view the CPU template received by the API, configure log-level to DEBUG"
        }
        return what + " with body \(Self.quoted(String(decoding: body, as: UTF8.self)))"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars.prefix(LogStyle.messageLimit) {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
