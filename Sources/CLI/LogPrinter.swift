// SPDX-License-Identifier: Apache-2.0
import Client
import Control
import Linux

/// Puts records of a log on our streams.
struct LogPrinter {
    let timestamps: Bool
    let json: Bool
    /// Streams of which a line has begun and not ended.
    private var unfinished: Set<MachineLog.Stream> = []

    init(timestamps: Bool, json: Bool) {
        self.timestamps = timestamps
        self.json = json
    }

    mutating func print(_ record: MachineLog.Record) {
        if json { return CurrentProcess.writeAll(Self.line(record), to: 1) }
        let descriptor: CInt = record.stream == .output ? 1 : 2
        CurrentProcess.writeAll(timestamps ? stamped(record) : record.bytes, to: descriptor)
    }

    private static func line(_ record: MachineLog.Record) -> [UInt8] {
        let stream = record.stream == .output ? "stdout" : "stderr"
        let object = JSON.object([
            ("time_ns", .integer(record.time)), ("stream", .string(stream)),
            ("text", .string(String(decoding: record.bytes, as: UTF8.self))),
        ])
        return object.bytes + [UInt8(ascii: "\n")]
    }

    /// The bytes with the time before each line that begins in them.
    private mutating func stamped(_ record: MachineLog.Record) -> [UInt8] {
        let stamp = Array((LogStyle.timestamp(record.time) + "Z ").utf8)
        var all: [UInt8] = []
        var begins = !unfinished.contains(record.stream)
        for byte in record.bytes {
            if begins { all += stamp }
            all.append(byte)
            begins = byte == UInt8(ascii: "\n")
        }
        if begins { unfinished.remove(record.stream) } else { unfinished.insert(record.stream) }
        return all
    }
}

/// The last lines of a log, whichever stream they were written to.
struct LogTail {
    private let lines: Int
    private var all: [MachineLog.Record] = []

    init(lines: Int) { self.lines = lines }

    mutating func add(_ record: MachineLog.Record) { all.append(record) }

    var records: [MachineLog.Record] {
        guard lines > 0 else { return [] }
        var missing = lines
        var isLastByte = true
        for index in all.indices.reversed() {
            for (position, byte) in all[index].bytes.enumerated().reversed() {
                defer { isLastByte = false }
                // The end of the last line begins none.
                guard byte == UInt8(ascii: "\n"), !isLastByte else { continue }
                missing -= 1
                if missing == 0 { return rest(from: index, behind: position) }
            }
        }
        return all
    }

    private func rest(from index: Int, behind position: Int) -> [MachineLog.Record] {
        var first = all[index]
        first.bytes.removeFirst(position + 1)
        return [first] + all[(index + 1)...]
    }
}
