// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Agent

@Suite struct FrameDecoderTests {
    /// Bytes nobody may send, and the error they must raise.
    struct Violation: CustomTestStringConvertible, Sendable {
        let rule: String
        let bytes: [UInt8]
        let error: FrameError
        var testDescription: String { rule }

        init(_ rule: String, kind: UInt8, payload: [UInt8], _ error: FrameError) {
            self.init(
                rule,
                [UInt8(payload.count & 255), UInt8(payload.count >> 8), 0, 0, kind, 0, 0, 0]
                    + payload, error)
        }

        init(_ rule: String, _ bytes: [UInt8], _ error: FrameError) {
            self.rule = rule
            self.bytes = bytes
            self.error = error
        }
    }

    static let magic: [UInt8] = [0x53, 0x57, 0x46, 0x54]
    /// A request's ten fixed bytes for no terminal, no input, so many strings.
    static func fixed(arguments: UInt8, environment: UInt8) -> [UInt8] {
        [0, 0, 0, 0, 0, 0, arguments, 0, environment, 0]
    }

    /// The payload of a tree's entry.
    static func entry(
        kind: UInt8 = 1, mode: UInt16 = 0, nanoseconds: UInt32 = 0, name: String,
        target: String = ""
    ) -> [UInt8] {
        var bytes = [kind, 0]
        bytes.append(integer: mode)
        bytes += Array(repeating: 0, count: 16)
        bytes.append(integer: nanoseconds)
        for string in [name, target] {
            bytes.append(integer: UInt32(string.utf8.count))
            bytes += Array(string.utf8)
        }
        return bytes
    }

    static let violations = [
        Violation(
            "a payload stays within the limit", [1, 0, 1, 0, 20, 0, 0, 0],
            .tooLong(kind: 20, length: 65537)),
        Violation(
            "a length of 4 GiB is refused before it is believed",
            [255, 255, 255, 255, 16, 0, 0, 0], .tooLong(kind: 16, length: .max)),
        Violation(
            "an unknown kind has the common limit", [1, 0, 1, 0, 99, 0, 0, 0],
            .tooLong(kind: 99, length: 65537)),
        Violation("reserved bytes are zero", [0, 0, 0, 0, 5, 0, 1, 0], .reserved(1)),
        Violation("done is empty", kind: 5, payload: [0], .length(kind: 5, length: 1)),
        Violation("end of input is empty", kind: 18, payload: [0], .length(kind: 18, length: 1)),
        Violation(
            "a ping has eight bytes, not seven", kind: 3, payload: [0, 0, 0, 0, 0, 0, 0],
            .length(kind: 3, length: 7)),
        Violation(
            "a ping has eight bytes, not nine", kind: 3, payload: Array(repeating: 0, count: 9),
            .length(kind: 3, length: 9)),
        Violation("a signal has its byte", kind: 23, payload: [], .length(kind: 23, length: 0)),
        Violation("signal 0 is none", kind: 23, payload: [0], .value(kind: 23, value: 0)),
        Violation("signal 65 is none", kind: 23, payload: [65], .value(kind: 23, value: 65)),
        Violation("a shutdown is one of two", kind: 7, payload: [2], .value(kind: 7, value: 2)),
        Violation(
            "a size has two numbers", kind: 22, payload: [0, 0, 0], .length(kind: 22, length: 3)),
        Violation(
            "a hello has the magic number", kind: 1, payload: [0, 0, 0, 0, 1, 0, 0, 0], .magic(0)),
        Violation("a hello is whole", kind: 1, payload: magic, .length(kind: 1, length: 4)),
        Violation(
            "a hello ends in zeros", kind: 1, payload: magic + [1, 0, 1, 0],
            .value(kind: 1, value: 1)),
        Violation(
            "a refusal has a known reason", kind: 2, payload: [0, 0, 0, 0, 0, 0, 0, 0],
            .value(kind: 2, value: 0)),
        Violation(
            "an end is one of three", kind: 24, payload: [4, 0, 0, 0, 0, 0, 0, 0],
            .value(kind: 24, value: 4)),
        Violation(
            "an end by signal names one", kind: 24, payload: [2, 0, 0, 0, 0, 0, 0, 0],
            .value(kind: 24, value: 0)),
        Violation(
            "a start fails in a known step", kind: 24, payload: [3, 9, 0, 0, 0, 0, 0, 0],
            .value(kind: 24, value: 9)),
        Violation("port 0 is none", kind: 32, payload: [0, 0], .value(kind: 32, value: 0)),
        Violation("a path is not empty", kind: 48, payload: [], .text),
        Violation("a path has no zero byte", kind: 48, payload: [0x2f, 0], .text),
        Violation(
            "a tree's flags are known", kind: 49, payload: [2, 0, 0, 0], .value(kind: 49, value: 2)),
        Violation("a name is no path", kind: 50, payload: entry(name: "a/b"), .text),
        Violation("a name is no absolute path", kind: 50, payload: entry(name: "/etc"), .text),
        Violation("a name is not the directory above", kind: 50, payload: entry(name: ".."), .text),
        Violation("a name is not the directory itself", kind: 50, payload: entry(name: "."), .text),
        Violation("a name has no zero byte", kind: 50, payload: entry(name: "a\0"), .text),
        Violation(
            "a name is not longer than Linux takes", kind: 50,
            payload: entry(name: String(repeating: "a", count: 256)), .text),
        Violation(
            "a device is nothing that can be sent", kind: 50, payload: entry(kind: 6, name: "sda"),
            .value(kind: 50, value: 6)),
        Violation(
            "a hard link leads down only", kind: 50,
            payload: entry(kind: 5, name: "a", target: "../b"), .text),
        Violation("a link leads somewhere", kind: 50, payload: entry(kind: 3, name: "a"), .text),
        Violation(
            "a file leads nowhere", kind: 50, payload: entry(name: "a", target: "/etc/passwd"),
            .text),
        Violation(
            "a mode has twelve bits", kind: 50, payload: entry(mode: 0x8000, name: "a"),
            .value(kind: 50, value: 0x8000)),
        Violation(
            "a second has so many nanoseconds", kind: 50,
            payload: entry(nanoseconds: 1_000_000_000, name: "a"),
            .value(kind: 50, value: 1_000_000_000)),
        Violation(
            "the end of an entry is empty", kind: 52, payload: [0], .length(kind: 52, length: 1)),
        Violation(
            "an archive's flags are known", kind: 55, payload: [2, 0, 0, 0],
            .value(kind: 55, value: 2)),
        Violation("a size is a number", kind: 56, payload: [0], .length(kind: 56, length: 1)),
        Violation("an archive's path is not empty", kind: 54, payload: [], .text),
        Violation(
            "a fault is of a known kind", kind: 53, payload: Array(repeating: 0, count: 16),
            .value(kind: 53, value: 0)),
        Violation(
            "a status has no error number", kind: 24, payload: [1, 0, 0, 0, 5, 0, 0, 0],
            .value(kind: 24, value: 5)),
        Violation(
            "an end has zeros where they belong", kind: 24, payload: [1, 0, 1, 0, 0, 0, 0, 0],
            .value(kind: 24, value: 1)),
        Violation(
            "a request has known flags", kind: 16,
            payload: [4] + Array(repeating: 0, count: 13), .value(kind: 16, value: 4)),
        Violation(
            "a request has a zero byte behind its flags", kind: 16,
            payload: [0, 9] + Array(repeating: 0, count: 12), .value(kind: 16, value: 9)),
        Violation(
            "a request is whole", kind: 16, payload: [0, 0, 0], .length(kind: 16, length: 3)),
        Violation(
            "a request has a command", kind: 16,
            payload: fixed(arguments: 0, environment: 0) + [0, 0, 0, 0], .text),
        Violation(
            "a command has a name", kind: 16,
            payload: fixed(arguments: 1, environment: 0) + [0, 0, 0, 0, 0, 0, 0, 0], .text),
        Violation(
            "a string has no zero byte", kind: 16,
            payload: fixed(arguments: 1, environment: 0) + [0, 0, 0, 0, 1, 0, 0, 0, 0], .text),
        Violation(
            "a string ends within the request", kind: 16,
            payload: fixed(arguments: 1, environment: 0) + [255, 255, 255, 255, 0x2f],
            .length(kind: 16, length: 15)),
        Violation(
            "strings are all there", kind: 16,
            payload: fixed(arguments: 2, environment: 0) + [0, 0, 0, 0, 1, 0, 0, 0, 0x61],
            .length(kind: 16, length: 19)),
        Violation(
            "nothing follows a request's strings", kind: 16,
            payload: fixed(arguments: 1, environment: 0) + [0, 0, 0, 0, 1, 0, 0, 0, 0x61, 0],
            .length(kind: 16, length: 20)),
        Violation(
            "a request has a bounded number of strings", kind: 16,
            payload: [0, 0, 0, 0, 0, 0, 255, 255, 0, 0] + [0, 0, 0, 0], .tooMany(65535)),
    ]

    @Test(arguments: violations)
    func `Bytes that are no frame are refused, again and again`(_ violation: Violation) throws {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        #expect(decoder.append(violation.bytes[...]) == violation.bytes.count)
        #expect(throws: violation.error) { try decoder.next() }
        _ = decoder.append(try Frame.done.encoded()[...])
        #expect(throws: violation.error) { try decoder.next() }
    }

    @Test func `A host accepts no request to execute that is longer than its limit`() {
        var decoder = FrameDecoder()
        _ = decoder.append([1, 0, 1, 0, 16, 0, 0, 0])
        #expect(throws: FrameError.tooLong(kind: 16, length: 65537)) { try decoder.next() }
    }

    @Test func `An unknown kind is handed on without its payload, and the stream goes on`() throws {
        var decoder = FrameDecoder()
        let bytes = [3, 0, 0, 0, 200, 1, 0, 0, 7, 7, 7] + (try Frame.done.encoded())
        _ = decoder.append(bytes[...])
        #expect(try decoder.next() == .unknown(kind: 456))
        #expect(try decoder.next() == .done)
    }

    @Test(arguments: [1, 2, 3, 7, 8, 9, 100, 4095, 4096, 4097])
    func `Frames come out whole whatever the pieces they come in`(_ size: Int) throws {
        let frames: [Frame] = [
            .hello(version: 1), .output(Array(0...255)), .errorOutput([]), .ping(1),
            .output((0..<65536).map { UInt8(truncatingIfNeeded: $0 &* 7) }), .done,
            .execute(FrameTests.request),
        ]
        var bytes: [UInt8] = []
        for frame in frames { try frame.encode(into: &bytes) }
        var decoder = FrameDecoder()
        var decoded: [Frame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            var rest = bytes[start..<min(start + size, bytes.count)]
            while !rest.isEmpty {
                rest = rest.dropFirst(decoder.append(rest))
                while let frame = try decoder.next() { decoded.append(frame) }
            }
        }
        #expect(decoded == frames)
        #expect(decoder.pendingCount == 0)
    }

    @Test func `A header alone makes the decoder hold a few pages at most`() throws {
        var decoder = FrameDecoder()
        _ = decoder.append([0, 0, 1, 0, 20, 0, 0, 0])
        var room = 0
        _ = decoder.fill { span, start in
            room = span.count - start
            return 0
        }
        #expect(room > 0 && room <= 4096)
        #expect(try decoder.next() == nil)
    }

    @Test func `What a read puts into the decoder's storage becomes frames`() throws {
        var decoder = FrameDecoder()
        let bytes = try Frame.ping(42).encoded()
        let count = decoder.fill { span, start in
            for index in bytes.indices { span[start + index] = bytes[index] }
            return bytes.count
        }
        #expect(count == bytes.count)
        #expect(decoder.fill { _, _ in -11 } == -11)
        #expect(try decoder.next() == .ping(42))
    }

    @Test func `A read that claims more than there was room for is not believed`() throws {
        var decoder = FrameDecoder()
        _ = decoder.fill { _, _ in .max }
        #expect(decoder.pendingCount <= 4096)
    }
}
