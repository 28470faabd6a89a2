// SPDX-License-Identifier: Apache-2.0
import CGuest

/// Linux's error numbers that the agent tells apart; requests return them negated.
enum Errno {
    static var interrupted: Int32 { 4 }
    static var inputOutput: Int32 { 5 }
    static var again: Int32 { 11 }
    static var timedOut: Int32 { 110 }
    static var connectionReset: Int32 { 104 }

    /// Whether a negative result only says "not now".
    static func isTransient(_ result: Int32) -> Bool {
        result == -again || result == -interrupted
    }
}

/// An open file, closed when its owner lets go of it.
struct Descriptor: ~Copyable {
    let number: Int32

    /// Takes the result of a request; nil for an error.
    init?(_ result: Int32) {
        guard result >= 0 else { return nil }
        number = result
    }

    deinit { guest_close(number) }

    /// Writes `bytes[range]`; returns how many were taken, or a negated errno.
    func write(_ bytes: [UInt8], _ range: Range<Int>) -> Int32 {
        guest_write(number, bytes.span.extracting(range))
    }

    /// Reads at most `limit` bytes to `bytes[start...]`; returns how many, or a negated errno.
    func read(into bytes: inout [UInt8], from start: Int, limit: Int) -> Int32 {
        var span = bytes.mutableSpan
        return guest_read(number, &span, Int32(clamping: start), Int32(clamping: limit))
    }
}

/// A descriptor and what the event loop watches it for.
struct Watched: ~Copyable {
    let descriptor: Descriptor
    private let token: UInt64
    private var watched: UInt32 = 0

    init(_ descriptor: consuming Descriptor, token: UInt64) {
        self.descriptor = descriptor
        self.token = token
    }

    /// From now on reports `events`, or nothing if they are zero.
    mutating func watch(_ events: UInt32, on eventsDescriptor: Int32) {
        guard events != watched else { return }
        _ = guest_watch(eventsDescriptor, descriptor.number, events, watched == 0 ? 0 : 1, token)
        watched = events
    }
}

/// Strings as the C side takes them: bytes with a zero after each.
struct Strings {
    private(set) var bytes: [UInt8] = []
    private(set) var count: Int32 = 0

    init() {}

    init(_ strings: String...) {
        for string in strings {
            bytes.append(contentsOf: string.utf8)
            end()
        }
    }

    mutating func append(_ string: ArraySlice<UInt8>) {
        bytes.append(contentsOf: string)
        end()
    }

    mutating func append(_ string: [UInt8]) { append(string[...]) }

    private mutating func end() {
        bytes.append(0)
        count &+= 1
    }
}

/// A small file's bytes, at most `limit`; nil if it cannot be read.
func contents(of path: String, limit: Int = 64 * 1024) -> [UInt8]? {
    guard let file = Descriptor(guest_open(Strings(path).bytes.span, 0)) else { return nil }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while bytes.count < limit {
        let count = file.read(into: &block, from: 0, limit: block.count)
        guard count >= 0 else { return nil }
        guard count > 0 else { break }
        bytes.append(contentsOf: block[..<Int(count)])
    }
    return bytes
}
