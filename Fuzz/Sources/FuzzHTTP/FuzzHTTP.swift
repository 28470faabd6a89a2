// SPDX-License-Identifier: Apache-2.0
import Driver

@testable import Control

/// Clients of the API of libFuzzer's choice: bytes in pieces of any size, and a controller that
/// answers what they turn out to ask.
///
///     FuzzHTTP -max_total_time=600 -max_len=8192 CORPUS
@main enum FuzzHTTP {
    static let router = APIRouter()

    static func main() { Fuzzer.run(check) }

    /// How a run of the parser ends: its requests, and the error behind them.
    struct Reading: Equatable {
        var events: [HTTPRequestParser.Event] = []
        var error: HTTPError?
    }

    static var limits: HTTPRequestParser.Limits {
        var limits = HTTPRequestParser.Limits()
        limits.payload = 2048
        limits.head = 1024
        return limits
    }

    /// The first byte says into how large pieces the others are cut.
    static func check(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let text = bytes.dropFirst()
        let whole = read(text, pieces: text.count)
        let cut = read(text, pieces: Int(first % 32) + 1)
        precondition(whole == cut, "how bytes are cut changes what they say")
        answer(whole)
    }

    static func read(_ bytes: ArraySlice<UInt8>, pieces size: Int) -> Reading {
        var parser = HTTPRequestParser(limits)
        var reading = Reading()
        var rest = bytes
        while !rest.isEmpty {
            let piece = rest.prefix(max(size, 1))
            rest = rest.dropFirst(piece.count)
            parser.receive(piece)
            do throws(HTTPError) {
                while let event = try parser.next() {
                    // Who has sent the body already is not told to go on.
                    if event != .expectsContinue { reading.events.append(event) }
                }
            } catch {
                reading.error = error
                return reading
            }
            precondition(
                parser.bufferedCount <= limits.payload + limits.head + piece.count,
                "bytes are kept without bound")
        }
        return reading
    }

    /// Every request gets an answer that HTTP and JSON allow.
    static func answer(_ reading: Reading) {
        let metadata = Metadata(limit: 4096)
        let info = InstanceInfo(id: "fuzz", version: Version.api, application: "Fuzz")
        var controller = Controller(info, metadata: metadata, host: NoHost())
        let service = MetadataService(
            MMDSConfig(interfaces: []),
            tokens: MetadataTokens(key: [UInt8](repeating: 7, count: 32), id: "i"),
            metadata: metadata)
        for case .request(let request) in reading.events {
            check(reply(to: request, &controller))
            check(service.answer(request, now: 1000, salt: 1).reply)
        }
        if let error = reading.error { check(error.reply) }
    }

    static func reply(to request: HTTPRequest, _ controller: inout Controller) -> HTTPReply {
        do throws(APIFault) {
            let match = try router.match(request)
            return controller.answer(try router.parse(match, request.body).request)
        } catch {
            return error.reply
        }
    }

    static func check(_ reply: HTTPReply) {
        precondition([200, 204, 400, 401, 404, 405, 413, 501, 503].contains(reply.status.rawValue))
        if reply.contentType == HTTPReply.json, !reply.body.isEmpty {
            precondition((try? JSONParser.parse(reply.body)) != nil, "an answer that is no JSON")
        }
        let bytes = reply.serialized(server: "Fuzz", keepsAlive: true, omitsBody: false)
        precondition(bytes.count >= reply.body.count)
    }
}

/// A host on which all goes well.
final class NoHost: MachineHost {
    func check(_ boot: BootSource) throws(APIFault) {}
    func checkFile(_ path: String, writable: Bool, _ subject: String) throws(APIFault) {}
    func attach(_ network: NetworkConfig) throws(APIFault) {}
    func configure(_ logger: LoggerConfig) throws(APIFault) {}
    func configure(_ metrics: MetricsConfig) throws(APIFault) {}
    func flushMetrics() throws(APIFault) {}
    var prometheusText: String { "" }
    func start(_ config: VMConfig) throws(APIFault) {
        precondition((try? VMConfig(config.json.bytes)) == config, "a configuration does not read")
    }
    func pause() throws(APIFault) {}
    func resume() throws(APIFault) {}
    func sendCtrlAltDel() throws(APIFault) {}
    func pressPowerButton() throws(APIFault) {}
    func change(_ change: DeviceChange) throws(APIFault) {}
    func ask(_ question: DeviceQuestion) throws(APIFault) -> JSON { .object([]) }
}
