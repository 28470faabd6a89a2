// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Testing

@testable import Client

@Suite struct MachineLogTests {
    /// A directory that goes with this value.
    private final class Folder {
        let path: String

        init() throws {
            path =
                FileManager.default.temporaryDirectory
                .appending(path: "swiftlet-log-\(UUID().uuidString)").path
            try PrivateDirectory.make(path)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        var size: Int {
            ["log", "log.1"].reduce(0) { sum, name in
                let file = try? FileManager.default.attributesOfItem(atPath: path + "/" + name)
                return sum + ((file?[.size] as? Int) ?? 0)
            }
        }
    }

    /// All that is there, one text a stream.
    private func texts(_ reader: inout MachineLogReader) throws -> [MachineLog.Stream: String] {
        var texts: [MachineLog.Stream: String] = [:]
        while let record = try reader.next() {
            texts[record.stream, default: ""] += String(decoding: record.bytes, as: UTF8.self)
        }
        return texts
    }

    /// A reader is not copied, as the macro would.
    private func expect(
        _ record: MachineLog.Record?, at location: SourceLocation = #_sourceLocation,
        _ holds: (MachineLog.Record?) -> Bool
    ) {
        #expect(holds(record), "\(String(describing: record))", sourceLocation: location)
    }

    @Test func `What is written is read, each stream on its own`() throws {
        let folder = try Folder()
        var writer = try MachineLogWriter(in: folder.path)
        writer.append(Array("one\n".utf8), to: .output)
        writer.append(Array("two\n".utf8), to: .errorOutput)
        writer.append([], to: .output)
        writer.append([0, 255, 10], to: .output)
        var reader = try MachineLogReader(in: folder.path)
        let found = try reader.next()
        let first = try #require(found)
        #expect(first.bytes == Array("one\n".utf8))
        #expect(first.stream == .output)
        #expect(Clock.realtime - first.time < 60_000_000_000)
        expect(try reader.next()) { $0?.stream == .errorOutput }
        expect(try reader.next()) { $0?.bytes == [0, 255, 10] }
        expect(try reader.next()) { $0 == nil }
        writer.append(Array("more".utf8), to: .output)
        expect(try reader.next()) { $0?.bytes == Array("more".utf8) }
    }

    @Test func `A reader that keeps up sees every record across files`() throws {
        let folder = try Folder()
        var writer = try MachineLogWriter(in: folder.path, limit: 100)
        var reader = try MachineLogReader(in: folder.path)
        var expected = ""
        var seen = ""
        for number in 0..<200 {
            let line = "line \(number)\n"
            writer.append(Array(line.utf8), to: .output)
            expected += line
            if number.isMultiple(of: 3) { seen += try texts(&reader)[.output] ?? "" }
        }
        seen += try texts(&reader)[.output] ?? ""
        #expect(seen == expected)
        #expect(folder.size < 300)
    }

    /// Several pieces of the reader's, with records that end anywhere in them.
    @Test func `Many short records are read whole and in order`() throws {
        let folder = try Folder()
        let file = try PrivateDirectory(folder.path).make("log")
        let count: UInt64 = 20_000
        var bytes: [UInt8] = []
        for number in 0..<count {
            let text = [UInt8](repeating: UInt8(number % 251), count: Int(number % 5))
            bytes += MachineLog.Record(time: number, stream: .output, bytes: text).encoded
        }
        var reader = try MachineLogReader(in: folder.path)
        var seen: UInt64 = 0
        // Some come while others are read, so that a reader stops within a piece as well.
        for part in [bytes.prefix(100_003), bytes.dropFirst(100_003)] {
            _ = try file.write(part)
            while let record = try reader.next() {
                guard record.time == seen, record.bytes.count == Int(seen % 5),
                    record.bytes.allSatisfy({ $0 == UInt8(seen % 251) })
                else {
                    Issue.record("record \(seen) is \(record)")
                    return
                }
                seen += 1
            }
        }
        #expect(seen == count)
    }

    @Test func `A reader that comes late sees the end, and nothing twice`() throws {
        let folder = try Folder()
        var writer = try MachineLogWriter(in: folder.path, limit: 100)
        for number in 0..<200 { writer.append(Array("\(number),".utf8), to: .output) }
        var reader = try MachineLogReader(in: folder.path)
        let numbers = (try texts(&reader)[.output] ?? "").split(separator: ",").compactMap {
            Int($0)
        }
        let first = try #require(numbers.first)
        #expect(numbers == Array(first..<200))
        #expect(numbers.count >= 5)
    }

    @Test func `A guest that writes without end does not fill the disk`() throws {
        let folder = try Folder()
        var writer = try MachineLogWriter(in: folder.path, limit: 1 << 20)
        let piece = [UInt8](repeating: 65, count: 3 << 20)
        for _ in 0..<8 { writer.append(piece, to: .output) }
        #expect(folder.size <= 4 << 20)
        let lost = writer.lost
        #expect(lost == 0)
    }

    @Test func `Half a record is no record until it is whole`() throws {
        let folder = try Folder()
        let whole = MachineLog.Record(time: 1, stream: .output, bytes: [1, 2, 3]).encoded
        let file = try PrivateDirectory(folder.path).make("log")
        var reader = try MachineLogReader(in: folder.path)
        for byte in whole {
            expect(try reader.next()) { $0 == nil }
            _ = try file.write([byte][...])
        }
        expect(try reader.next()) { $0?.bytes == [1, 2, 3] }
    }

    @Test(arguments: [
        [UInt8](repeating: 0xff, count: 64), [UInt8](repeating: 0, count: 64),
        Array("no log at all, but a text that somebody put in its place".utf8),
    ])
    func `What no supervisor has written is not believed`(_ bytes: [UInt8]) throws {
        let folder = try Folder()
        _ = try PrivateDirectory(folder.path).make("log").write(bytes[...])
        var reader = try MachineLogReader(in: folder.path)
        expect(try reader.next()) { $0 == nil }
    }

    @Test func `A log is read while the machine's directory goes`() throws {
        let folder = try Folder()
        var writer = try MachineLogWriter(in: folder.path)
        writer.append([1], to: .output)
        var reader = try MachineLogReader(in: folder.path)
        expect(try reader.next()) { $0?.bytes == [1] }
        try FileManager.default.removeItem(atPath: folder.path)
        expect(try reader.next()) { $0 == nil }
    }
}

@Suite struct MonitorAnswerTests {
    @Test func `An answer is taken apart, and one that was cut short is none`() throws {
        let text = "HTTP/1.1 400 \r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
        let answer = try #require(HTTPAnswer(Array(text.utf8)))
        #expect(answer.status == 400)
        #expect(answer.body == Array("hello".utf8))
        #expect(!answer.isSuccess)
        for count in 0..<text.utf8.count {
            #expect(HTTPAnswer(Array(text.utf8.prefix(count))) == nil)
        }
        #expect(HTTPAnswer(Array("HTTP/1.1 204 \r\n\r\n".utf8))?.body == [])
        #expect(HTTPAnswer(Array("HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n".utf8)) == nil)
    }

    @Test func `Metrics are added up over their labels`() {
        let reading = PrometheusReading(
            "# TYPE a counter\na 3\nab 4\na{kind=\"x\"} 5\nbad\nb{} NaN\n")
        #expect(reading.sum("a") == 8)
        #expect(reading.sum("c") == nil)
        #expect(reading.sum("b") == nil)
    }

    /// A monitor that a guest has taken over must not end who asks it.
    @Test func `No metric is too large to count with`() {
        let reading = PrometheusReading("a 18446744073709549568\nb 1e300\nc -1\nd inf\n")
        #expect(reading.sum("a") == 1 << 60)
        for name in ["b", "c", "d"] { #expect(reading.sum(name) == nil) }
    }
}

@Suite struct ProcessIdentityTests {
    @Test func `A number alone does not make the same process`() throws {
        let here = try #require(ProcessIdentity(running: CurrentProcess.identifier))
        #expect(here.isRunning)
        let isOpened = here.open() != nil
        #expect(isOpened)
        let other = ProcessIdentity(number: here.number, start: here.start + 1)
        #expect(!other.isRunning)
        let isRefused = other.open() == nil
        #expect(isRefused)
        #expect(other.processorTime == nil)
        #expect(other.memory == nil)
        let time = try #require(here.processorTime)
        #expect(time > 0)
        #expect(ProcessIdentity(running: 0) == nil)
        #expect(ProcessIdentity(running: -1) == nil)
    }
}
