// SPDX-License-Identifier: Apache-2.0
import Linux

/// Reads what another process writes, and keeps the end of it.
final class Collector {
    private let source: FileDescriptor
    private let limit: Int
    private var bytes: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 16 << 10)
    private(set) var isAtEnd = false

    /// Keeps at least the last `limit` bytes, and less than twice as many.
    init(_ source: consuming FileDescriptor, limit: Int) throws(Errno) {
        try source.setNonblocking()
        self.source = source
        self.limit = limit
    }

    func register(in set: inout PollSet) {
        if !isAtEnd { set.add(source.rawValue, .readable) }
    }

    /// Reads what is there.
    func collect() {
        while !isAtEnd {
            do throws(Errno) {
                let count = try source.read(into: &buffer)
                isAtEnd = count == 0
                bytes.append(contentsOf: buffer[..<count])
                if bytes.count >= 2 * limit { bytes.removeFirst(bytes.count - limit) }
            } catch .again {
                return
            } catch .interrupted {
                continue
            } catch {
                isAtEnd = true
            }
        }
    }

    /// The first line that came, whole, if all of it is still kept.
    var firstLine: [UInt8]? {
        bytes.firstIndex(of: UInt8(ascii: "\n")).map { Array(bytes[..<$0]) }
    }

    /// The last `count` lines, fit for a terminal: what controls one is left out.
    func lastLines(_ count: Int) -> String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            if !isControl || scalar == "\n" || scalar == "\t" { text.unicodeScalars.append(scalar) }
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        return lines.suffix(count).joined(separator: "\n")
    }
}
