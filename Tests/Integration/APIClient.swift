// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Testing

/// An answer of the monitor's API.
struct APIReply: CustomStringConvertible {
    let status: Int
    /// Names in lower case.
    let fields: [String: String]
    let body: String

    var description: String { "\(status) \(body)" }

    /// The body as JSON.
    var json: [String: Any] {
        let object = try? JSONSerialization.jsonObject(with: Data(body.utf8))
        return object as? [String: Any] ?? [:]
    }

    var fault: String { json["fault_message"] as? String ?? "" }
}

/// One connection to the monitor's API.
final class APIClient {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let socket: FileDescriptor
    private var received: [UInt8] = []

    init(_ path: String) throws { socket = try UnixSocket.connect(to: path) }

    /// Sends bytes as they are.
    func send(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        let isSent = try RunningProgram.wait(seconds: 60) {
            do throws(Errno) {
                rest = rest.dropFirst(try UnixSocket.send(rest, to: socket.rawValue))
            } catch {
                guard error == .again else { throw error }
            }
            return rest.isEmpty
        }
        guard isSent else { throw Failure(description: "\(rest.count) bytes were not taken") }
    }

    /// Sends bytes as far as they are taken at once; false if none were.
    func sendAtOnce(_ text: String) throws -> Bool {
        do throws(Errno) {
            return try UnixSocket.send(Array(text.utf8)[...], to: socket.rawValue) > 0
        } catch {
            guard error == .again else { throw error }
            return false
        }
    }

    func send(_ method: String, _ path: String, _ body: String? = nil) throws {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        if let body {
            head += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        }
        try send(head + "\r\n" + (body ?? ""))
    }

    /// Says that nothing more will be sent.
    func endSending() { UnixSocket.shutdown(socket.rawValue, .writing) }

    /// Sends a request and waits for its answer.
    func ask(_ method: String, _ path: String, _ body: String? = nil) throws -> APIReply {
        try send(method, path, body)
        return try reply(hasBody: method != "HEAD")
    }

    /// The next answer. An interim one is passed over.
    func reply(hasBody: Bool = true) throws -> APIReply {
        while true {
            guard let end = Self.find(received) else {
                guard try readMore() else { throw Failure(description: "the connection ended") }
                continue
            }
            let head = String(decoding: received[..<end], as: UTF8.self)
            let lines = head.components(separatedBy: "\r\n")
            guard let status = Int(lines[0].split(separator: " ")[1]) else {
                throw Failure(description: head)
            }
            if status == 100 {
                received.removeFirst(end)
                continue
            }
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                fields[line[..<colon].lowercased()] =
                    line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
            let length = hasBody ? Int(fields["content-length"] ?? "0") ?? 0 : 0
            while received.count < end + length {
                guard try readMore() else { throw Failure(description: "half an answer") }
            }
            let body = String(decoding: received[end..<end + length], as: UTF8.self)
            received.removeFirst(end + length)
            return APIReply(status: status, fields: fields, body: body)
        }
    }

    /// Whether the other end ends the connection, with nothing more to say.
    func isEnded() throws -> Bool { try !readMore() }

    /// False at the end.
    private func readMore() throws -> Bool {
        var set = PollSet()
        set.add(socket.rawValue, .readable)
        set.wait(milliseconds: 30_000)
        guard set.isReadable(socket.rawValue) else { throw Failure(description: "no answer") }
        let bytes = try Stream.read(socket.rawValue, limit: 64 << 10)
        received += bytes
        return !bytes.isEmpty
    }

    /// The index behind the first empty line.
    private static func find(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4)
        where bytes[index..<index + 4].elementsEqual([13, 10, 13, 10]) { return index + 4 }
        return nil
    }
}

/// A monitor with an API, in a folder of its own.
final class APIMonitor {
    let folder: URL
    let process: RunningProgram
    let socket: String

    /// - Parameters:
    ///   - program: What it is started as.
    ///   - socket: Its API's; nil: one in its folder.
    init(
        _ arguments: [String] = [], program: String? = nil, engine: String = "soft",
        socket path: String? = nil
    ) throws {
        folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-api-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        socket = path ?? folder.appending(path: "s").path
        process = try RunningProgram(
            try program ?? Built.file("bin/swiftlet-vmm"),
            ["--api-sock", socket, "--engine", engine] + arguments)
        let socket = socket
        // The file is there a moment before anybody listens.
        let isThere = RunningProgram.wait(seconds: 60) { (try? APIClient(socket)) != nil }
        try #require(isThere, "\(String(decoding: process.error, as: UTF8.self))")
    }

    deinit {
        process.send(SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    func client() throws -> APIClient { try APIClient(socket) }

    /// How many descriptors are open.
    func descriptorCount() throws -> Int {
        let folder = "/proc/\(process.identifier)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count
    }

    /// Resident memory in KiB.
    func residentSize() throws -> Int {
        let status = try String(
            contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return try #require(line?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }
}
