// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The API of a running monitor, seen from its client: one request a connection.
package struct MonitorAPI: Sendable {
    /// Longest answer in bytes; metrics are the longest by far.
    private static var answerLimit: Int { 4 << 20 }
    private let socket: String
    /// How long an answer may take, in nanoseconds.
    private let patience: UInt64

    /// By the name or path of its socket. A monitor answers within 700 ms; a busy host needs more.
    package init(socket: String, seconds: UInt64 = 10) {
        self.socket = socket
        patience = seconds * 1_000_000_000
    }

    package func pause() throws(ClientError) { try setState("Paused") }

    package func resume() throws(ClientError) { try setState("Resumed") }

    private func setState(_ state: String) throws(ClientError) {
        _ = try answer("PATCH", "/vm", .object([("state", .string(state))]))
    }

    package var isPaused: Bool {
        get throws(ClientError) {
            let body = try answer("GET", "/")
            return (try? JSONParser.parse(body))?["state"] == .string("Paused")
        }
    }

    /// What it counts.
    package func metrics() throws(ClientError) -> PrometheusReading {
        PrometheusReading(String(decoding: try answer("GET", "/metrics"), as: UTF8.self))
    }

    /// The body of the answer to a request; throws what the monitor says if it refuses.
    package func answer(
        _ method: String, _ path: String, _ body: JSON? = nil
    ) throws(ClientError) -> [UInt8] {
        let answer: [UInt8]
        do throws(Errno) {
            answer = try exchange(Self.request(method, path, body))
        } catch {
            throw ClientError(.machineEnded, "the monitor cannot be asked: \(error)")
        }
        guard let reply = HTTPAnswer(answer) else {
            throw ClientError(.agent, "the monitor's answer to \(method) \(path) is not whole")
        }
        guard reply.isSuccess else {
            let fault = (try? JSONParser.parse(reply.body))?["fault_message"]
            let text = (try? fault?.asString()) ?? "status \(reply.status)"
            throw ClientError(
                .agent, "the monitor refused: " + JSONError.printable(text, limit: 512))
        }
        return reply.body
    }

    private static func request(_ method: String, _ path: String, _ body: JSON?) -> [UInt8] {
        let bytes = body?.bytes ?? []
        var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if body != nil {
            head += "Content-Type: application/json\r\nContent-Length: \(bytes.count)\r\n"
        }
        return Array((head + "\r\n").utf8) + bytes
    }

    /// Sends `request` and reads to the end of the connection.
    private func exchange(_ request: [UInt8]) throws(Errno) -> [UInt8] {
        let deadline = Clock.monotonic &+ patience
        let connection = try UnixSocket.connect(to: socket)
        var rest = request[...]
        var answer: [UInt8] = []
        while answer.count < Self.answerLimit {
            var set = PollSet()
            set.add(connection.rawValue, rest.isEmpty ? .readable : [.readable, .writable])
            set.wait(until: deadline)
            if set.readiness(of: connection.rawValue).isEmpty { throw .timedOut }
            if !rest.isEmpty {
                rest = rest.dropFirst(try UnixSocket.send(rest, to: connection.rawValue))
            } else if set.isReadable(connection.rawValue) {
                let bytes = try Stream.read(connection.rawValue, limit: 64 << 10)
                if bytes.isEmpty { break }
                answer += bytes
            }
        }
        return answer
    }
}

/// One answer of an HTTP server that closes the connection behind it.
struct HTTPAnswer: Hashable, Sendable {
    let status: Int
    let body: [UInt8]

    var isSuccess: Bool { (200..<300).contains(status) }

    /// Nil: it is no answer, or it was cut short.
    init?(_ bytes: [UInt8]) {
        let blank = Array("\r\n\r\n".utf8)
        guard
            let end = bytes.indices.first(where: { bytes[$0...].starts(with: blank) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count > 1, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            return nil
        }
        var length = 0
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
            guard let number = Int(parts[1].filter { $0 != " " }), number >= 0 else { return nil }
            length = number
        }
        let rest = bytes[(end + blank.count)...]
        guard rest.count >= length else { return nil }
        self.status = status
        body = Array(rest.prefix(length))
    }
}
