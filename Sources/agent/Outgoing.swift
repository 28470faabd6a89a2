// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// Frames on their way to the host, encoded.
///
/// Data is read from a command straight behind its header. The storage starts small, as each of
/// its pages costs the guest a fault, and grows while reads fill it.
struct Outgoing {
    private static var firstCapacity: Int { 4096 }
    private static var fullCapacity: Int {
        AgentProtocol.headerLength + AgentProtocol.payloadLimit
    }
    /// Least payload bytes worth a further frame behind others.
    private static var worthwhile: Int { 1024 }

    private var storage = [UInt8](repeating: 0, count: firstCapacity)
    private var start = 0
    private var end = 0
    private var grows = false

    /// Bytes not yet taken by the socket.
    var count: Int { end - start }
    var isEmpty: Bool { start == end }

    /// Whether data may be read now.
    var hasRoom: Bool { isEmpty || room >= Self.worthwhile }

    /// Payload bytes that fit behind what waits.
    private var room: Int { storage.count - end - AgentProtocol.headerLength }

    /// Adds a small frame; control frames always find room.
    mutating func append(_ frame: Frame) {
        guard let bytes = try? frame.encoded() else { return }
        rewind()
        let missing = end + bytes.count - storage.count
        if missing > 0 { storage.append(contentsOf: repeatElement(0, count: missing)) }
        storage.replaceSubrange(end..<end + bytes.count, with: bytes)
        end += bytes.count
    }

    /// Reads at most `limit` bytes from `source` into a new frame; returns what the read returned.
    mutating func read(
        _ kind: FrameKind, from source: borrowing Descriptor, limit: Int
    ) -> Int32 {
        rewind()
        if grows && storage.count < Self.fullCapacity {
            let capacity = min(storage.count * 4, Self.fullCapacity)
            storage.append(contentsOf: repeatElement(0, count: capacity - storage.count))
        }
        grows = false
        let most = min(room, AgentProtocol.payloadLimit)
        let first = end + AgentProtocol.headerLength
        let count = source.read(into: &storage, from: first, limit: min(most, limit))
        guard count > 0 else { return count }
        var header: [UInt8] = []
        Frame.encodeHeader(length: Int(count), kind: kind.rawValue, into: &header)
        storage.replaceSubrange(end..<first, with: header)
        end = first + Int(count)
        grows = Int(count) == most
        return count
    }

    /// Writes what the socket takes; returns 0, or a negated errno.
    mutating func flush(to socket: borrowing Descriptor) -> Int32 {
        while !isEmpty {
            let count = socket.write(storage, start..<end)
            guard count > 0 else { return count == 0 ? -Errno.again : count }
            start += Int(count)
        }
        rewind()
        return 0
    }

    private mutating func rewind() {
        guard isEmpty else { return }
        start = 0
        end = 0
    }
}
