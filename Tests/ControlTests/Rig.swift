// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Control

/// A host that does nothing and remembers what it was asked for.
final class QuietHost: MachineHost {
    let calls = Mutex<[String]>([])
    let changes = Mutex<[DeviceChange]>([])
    /// Calls that fail.
    let failing: Set<String>

    init(failing: Set<String> = []) { self.failing = failing }

    private func note(_ call: String) throws(APIFault) {
        calls.withLock { $0.append(call) }
        if failing.contains(call) { throw APIFault("\(call) failed") }
    }

    var all: [String] { calls.withLock { $0 } }

    func check(_ boot: BootSource) throws(APIFault) { try note("check") }
    func checkFile(_ path: String, writable: Bool, _ subject: String) throws(APIFault) {
        try note("file \(path) \(writable)")
    }
    func attach(_ network: NetworkConfig) throws(APIFault) {
        try note("attach \(network.hostDevice)")
    }
    func configure(_ logger: LoggerConfig) throws(APIFault) { try note("logger") }
    func configure(_ metrics: MetricsConfig) throws(APIFault) { try note("metrics") }
    func flushMetrics() throws(APIFault) { try note("flush") }
    var prometheusText: String { "numbers" }
    func start(_ config: VMConfig) throws(APIFault) { try note("start") }
    func pause() throws(APIFault) { try note("pause") }
    func resume() throws(APIFault) { try note("resume") }
    func sendCtrlAltDel() throws(APIFault) { try note("keys") }
    func pressPowerButton() throws(APIFault) { try note("power") }
    func change(_ change: DeviceChange) throws(APIFault) {
        try note("change")
        changes.withLock { $0.append(change) }
    }
    func ask(_ question: DeviceQuestion) throws(APIFault) -> JSON {
        try note("ask")
        return .object([("asked", .bool(true))])
    }
}

/// A client without a wire.
struct Rig {
    let host: QuietHost
    let router = APIRouter()
    var controller: Controller

    init(failing: Set<String> = [], limit: Int = 100) {
        host = QuietHost(failing: failing)
        controller = Controller(
            InstanceInfo(id: "vm", version: "1", application: "A"),
            metadata: Metadata(limit: limit), host: host)
    }

    /// Status, body and whether the reply says that something is deprecated.
    mutating func send(
        _ method: HTTPMethod, _ path: String, _ body: String? = nil
    ) -> (status: Int, body: String, deprecation: String?) {
        var deprecation: String?
        var reply: HTTPReply
        do throws(APIFault) {
            let match = try router.match(
                HTTPRequest(method, path, body: body.map { Array($0.utf8) }))
            let parsed = try router.parse(match, body.map { Array($0.utf8) })
            deprecation = parsed.deprecation
            reply = controller.answer(parsed.request)
        } catch {
            reply = error.reply
        }
        return (reply.status.rawValue, String(decoding: reply.body, as: UTF8.self), deprecation)
    }

    /// The text of a refusal; an empty one if there was none.
    mutating func fault(
        _ method: HTTPMethod, _ path: String, _ body: String? = nil
    ) throws -> String {
        let reply = send(method, path, body)
        guard reply.status >= 400 else { return "" }
        let json = try JSONParser.parse(reply.body)
        return try #require(json["fault_message"]).asString()
    }

    mutating func start() {
        _ = send(.put, "/boot-source", #"{"kernel_image_path":"k"}"#)
        _ = send(.put, "/actions", #"{"action_type":"InstanceStart"}"#)
    }
}
