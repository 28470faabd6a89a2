// SPDX-License-Identifier: Apache-2.0
import Linux

/// Bytes on their way from one socket to another, no more than 64 KiB of them; ends on its own.
struct ForwardFlow {
    static var capacity: Int { 64 << 10 }
    /// Reads before it is another connection's turn.
    private static var turns: Int { 4 }

    enum Result {
        /// Nothing more can be moved until a socket is ready again.
        case waiting
        /// More could be moved at once.
        case hasMore
        /// A socket is broken.
        case broken
    }

    private var storage: [UInt8] = []
    private var start = 0
    private var end = 0
    private var hasEnded = false
    /// All has been passed on, the end too.
    private(set) var isOver = false

    /// Puts bytes in front that came another way.
    mutating func load(_ bytes: [UInt8]) {
        storage = bytes
        start = 0
        end = bytes.count
    }

    /// Moves what can be moved.
    mutating func move(from source: CInt, to sink: CInt) -> Result {
        for _ in 0..<Self.turns {
            while start < end {
                do throws(Errno) {
                    start += try UnixSocket.send(storage[start..<end], to: sink)
                } catch {
                    return error == .again || error == .interrupted ? .waiting : .broken
                }
            }
            if hasEnded {
                if !isOver { UnixSocket.shutdown(sink, .writing) }
                isOver = true
                return .waiting
            }
            if storage.count < Self.capacity {
                storage = [UInt8](repeating: 0, count: Self.capacity)
            }
            do throws(Errno) {
                end = try Stream.read(source, into: &storage)
            } catch {
                return error == .again || error == .interrupted ? .waiting : .broken
            }
            start = 0
            hasEnded = end == 0
        }
        return .hasMore
    }
}
