// SPDX-License-Identifier: Apache-2.0
import Synchronization

@testable import Control
@testable import Devices

/// A guest that does what a script says.
struct LinkGuest {
    /// Of its first connection.
    private static let port: UInt16 = 40_000
    /// What clients say, so that libFuzzer need not find it.
    private static let requests = [
        "GET / HTTP/1.1\r\n\r\n", "GET /a/b HTTP/1.1\r\nAccept: application/json\r\n\r\n",
        "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 60\r\n\r\n",
        "GET /long HTTP/1.0\r\nX-metadata-token: x\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n",
        "GET / HT", "\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    ].map { Array($0.utf8) }

    private static let metadata: Metadata = {
        let metadata = Metadata(limit: 64 << 10)
        let long = JSON.string(String(repeating: "long ", count: 4000))
        try? metadata.withStore { store throws(MetadataStore.Fault) in
            try store.put(.object([("a", .object([("b", .string("c"))])), ("long", long)]))
        }
        return metadata
    }()

    /// What the guest knows of one of its connections.
    private struct Connection {
        var sequence: UInt32 = 1
        var acknowledgement: UInt32 = 0
    }

    private var script: ArraySlice<UInt8>
    private var stack: MetadataStack
    private var connections = [Connection](repeating: Connection(), count: 64)
    private var now: UInt64 = 1_000_000_000
    private let mtu: Int

    init(_ bytes: [UInt8]) {
        script = bytes[...]
        let choice = script.popFirst() ?? 0
        let mtu = [68, 576, 1500, 9000, 65_535][Int(choice >> 1) % 5]
        self.mtu = mtu
        var config = MMDSConfig(interfaces: [])
        config.version = choice & 1 == 0 ? .v1 : .v2
        let tokens = MetadataTokens(key: [UInt8](repeating: 7, count: 32), id: "fuzz")
        let service = MetadataService(config, tokens: tokens, metadata: Self.metadata)
        let own = PacketEnds(mac: MetadataEndpoint.mac, address: GuestFrame.service)
        stack = MetadataStack(own: own, mtu: mtu) {
            let session = Locked(MetadataSession(service))
            return { bytes in
                session.value.withLock {
                    $0.receive(bytes, now: 1000, salt: { 3 }, count: { _ in })
                }
            }
        }
    }

    private final class Locked: Sendable {
        let value: Mutex<MetadataSession>
        init(_ value: MetadataSession) { self.value = Mutex(value) }
    }

    mutating func run() {
        while let step = script.popFirst() {
            switch step & 7 {
            case 0: give(takeBytes())
            case 1: give(GuestFrame.ethernet(0x0800) + takeBytes())
            case 2: give(GuestFrame.packet(takeBytes(), fragment: step >> 3 == 0 ? half() : 0))
            case 3: now &+= 1 << UInt64(20 + step >> 3 & 15)
            case 4: receive(acknowledges: step & 8 != 0)
            default: segment(step)
            }
            precondition(stack.counts.opened &- stack.counts.closed <= 30, "too many connections")
        }
        for _ in 0..<40 {
            now &+= 6_000_000_000
            receive(acknowledges: false)
        }
        precondition(stack.deadline == .max, "who has nothing to do wants to be asked")
    }

    // MARK: The script

    private mutating func half() -> UInt16 {
        UInt16(script.popFirst() ?? 0) << 8 | UInt16(script.popFirst() ?? 0)
    }

    private mutating func takeBytes() -> [UInt8] {
        let count = Int(script.popFirst() ?? 0)
        let bytes = Array(script.prefix(count))
        script = script.dropFirst(bytes.count)
        return bytes
    }

    // MARK: Frames

    private mutating func give(_ frame: [UInt8]) {
        // The device asks before it gives.
        guard stack.claims(frame.prefix(64)) else { return }
        stack.take(frame, now: now, number: 0xffff_fff0)
    }

    /// A segment of a connection: right but for what the script changes.
    private mutating func segment(_ step: UInt8) {
        let choice = script.popFirst() ?? 0
        let index = Int(choice) % connections.count
        var flags = TCPSegment.Flags(rawValue: script.popFirst() ?? 0)
        var payload: [UInt8] = []
        switch step & 7 {
        case 5: flags = [.syn]
        case 6:
            payload = Self.requests[Int(step >> 3) % Self.requests.count]
            flags = [.ack, .psh]
        default: payload = takeBytes()
        }
        let shift = step & 0x80 != 0 ? UInt32(half()) : 0
        let window = step & 0x40 != 0 ? half() : 65_535
        let frame = GuestSegment(
            port: Self.port + UInt16(index), target: choice == 255 ? 81 : 80,
            sequence: connections[index].sequence &+ shift,
            acknowledgement: connections[index].acknowledgement &- shift,
            flags: flags, window: window, payload: payload
        ).frame
        connections[index].sequence &+= UInt32(payload.count)
        if !flags.isDisjoint(with: [.syn, .fin]) { connections[index].sequence &+= 1 }
        give(frame)
    }

    /// Takes what the service sends, which must be sound.
    private mutating func receive(acknowledges: Bool) {
        for _ in 0..<2000 {
            guard let frame = stack.nextFrame(now: now)?[...] else { return }
            precondition(frame.count >= 60 && frame.count <= max(60, max(mtu, 104) + 14))
            guard frame.half(12) == 0x0800 else {
                precondition(frame.half(12) == 0x0806)
                continue
            }
            guard let answer = GuestFrame.segment(in: frame) else {
                preconditionFailure("a packet that contradicts itself, or a wrong checksum")
            }
            let index = Int(answer.port) - Int(Self.port)
            guard acknowledges, connections.indices.contains(index) else { continue }
            connections[index].acknowledgement = answer.sequence &+ answer.length
        }
        preconditionFailure("the service talks for ever")
    }
}
