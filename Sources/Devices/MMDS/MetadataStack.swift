// SPDX-License-Identifier: Apache-2.0

/// The few protocols by which a guest reaches its metadata: ARP, IPv4 and TCP, as a value that
/// takes frames and makes frames. Everything the guest can make it keep is bounded.
struct MetadataStack {
    /// Most connections at a time; the one that was used longest ago makes room.
    static let connectionLimit = 30
    /// Frames that wait for the guest, besides those of connections.
    static let replyLimit = 16
    /// The port of the service.
    static let port: UInt16 = 80

    private let writer: FrameWriter
    /// Largest segment in bytes.
    private let segmentLimit: Int
    private let open: @Sendable () -> StreamAnswer
    private var replies: [[UInt8]] = []
    private var connections: [MetadataConnection] = []
    /// The connection that may send next.
    private var turn = 0
    private(set) var counts = MetadataCounts()

    /// - Parameters:
    ///   - own: The service's addresses.
    ///   - mtu: Largest packet in bytes that the guest's interface takes.
    ///   - open: Makes the answers of one more connection.
    init(own: PacketEnds, mtu: Int, open: @escaping @Sendable () -> StreamAnswer) {
        writer = FrameWriter(own: own)
        segmentLimit = max(28, min(mtu, 65_535) - 40)
        self.open = open
    }

    /// Whether a frame that begins so is for the service: packets for its address, and questions
    /// who has it.
    func claims(_ head: ArraySlice<UInt8>) -> Bool {
        switch head.half(12) {
        case 0x0806: head.half(20) == 1 && head.word(38) == writer.own.address
        case 0x0800: head.word(30) == writer.own.address
        default: false
        }
    }

    // MARK: Receiving

    mutating func take(_ frame: [UInt8], now: UInt64, number: UInt32) {
        let frame = frame[...]
        guard claims(frame), let mac = MACAddress(frame.bytes(6, 6) ?? []) else {
            counts.foreign &+= 1
            return
        }
        if frame.half(12) == 0x0806 {
            takeARP(frame.dropFirst(14))
        } else {
            takeIPv4(frame.dropFirst(14), mac, now: now, number: number)
        }
    }

    private mutating func takeARP(_ packet: ArraySlice<UInt8>) {
        guard packet.half(0) == 1, packet.half(2) == 0x0800, packet.half(4) == 0x0604,
            let mac = MACAddress(packet.bytes(8, 6) ?? []), let address = packet.word(14)
        else {
            counts.malformed &+= 1
            return
        }
        counts.accepted &+= 1
        reply(writer.arpReply(to: PacketEnds(mac: mac, address: address)))
    }

    private mutating func takeIPv4(
        _ packet: ArraySlice<UInt8>, _ mac: MACAddress, now: UInt64, number: UInt32
    ) {
        guard let first = packet.byte(0), first >> 4 == 4, let size = packet.half(2),
            let fragment = packet.half(6), let source = packet.word(12),
            Int(first & 15) >= 5, Int(size) >= Int(first & 15) * 4, Int(size) <= packet.count
        else {
            counts.malformed &+= 1
            return
        }
        guard packet.byte(9) == 6, fragment & 0x3fff == 0 else {
            counts.unusual &+= 1
            return
        }
        let header = Int(first & 15) * 4
        guard let bytes = packet.bytes(header, Int(size) - header), let segment = TCPSegment(bytes)
        else {
            counts.malformed &+= 1
            return
        }
        counts.accepted &+= 1
        receive(
            segment, from: PacketEnds(mac: mac, address: source), now: now, number: number)
    }

    private mutating func receive(
        _ segment: TCPSegment, from guest: PacketEnds, now: UInt64, number: UInt32
    ) {
        let index = connections.firstIndex {
            $0.guestPort == segment.sourcePort && $0.guest.address == guest.address
        }
        if segment.port == Self.port {
            if let index {
                connections[index].receive(segment, now: now)
                removeDone()
                return
            }
            if segment.flags.intersection([.syn, .ack, .rst]) == .syn {
                add(segment, from: guest, now: now, number: number)
                return
            }
        }
        if !segment.flags.contains(.rst) { refuse(segment, from: guest) }
    }

    private mutating func add(
        _ syn: TCPSegment, from guest: PacketEnds, now: UInt64, number: UInt32
    ) {
        if connections.count >= Self.connectionLimit,
            let oldest = connections.indices.min(by: {
                connections[$0].lastUse < connections[$1].lastUse
            })
        {
            connections.remove(at: oldest)
            counts.closed &+= 1
        }
        connections.append(
            MetadataConnection(
                syn, from: guest, number: number, now: now, limit: segmentLimit, answer: open()))
        counts.opened &+= 1
    }

    /// Says that there is no such connection. RFC 9293, 3.10.7.1.
    private mutating func refuse(_ segment: TCPSegment, from guest: PacketEnds) {
        var answer = OutgoingSegment(
            port: segment.port, guestPort: segment.sourcePort, sequence: 0, acknowledgement: 0,
            flags: .rst, window: 0)
        if segment.flags.contains(.ack) {
            answer.sequence = segment.acknowledgement
        } else {
            answer.acknowledgement = segment.sequence &+ segment.length
            answer.flags.insert(.ack)
        }
        reply(writer.tcp(answer, to: guest))
    }

    private mutating func reply(_ frame: [UInt8]) {
        if replies.count < Self.replyLimit { replies.append(frame) } else { counts.lost &+= 1 }
    }

    private mutating func removeDone() {
        let before = connections.count
        connections.removeAll { $0.isDone }
        counts.closed &+= UInt64(before - connections.count)
    }

    // MARK: Sending

    /// The next frame for the guest, if there is one.
    mutating func nextFrame(now: UInt64) -> [UInt8]? {
        let frame = replies.isEmpty ? nextSegment(now) : replies.removeFirst()
        removeDone()
        if let frame {
            counts.sentFrames &+= 1
            counts.sentBytes &+= UInt64(frame.count)
        }
        return frame
    }

    private mutating func nextSegment(_ now: UInt64) -> [UInt8]? {
        for _ in connections.indices {
            turn = (turn + 1) % connections.count
            let segment = connections[turn].next(
                port: Self.port, limit: UInt16(truncatingIfNeeded: segmentLimit), now: now)
            if let segment { return writer.tcp(segment, to: connections[turn].guest) }
        }
        return nil
    }

    /// When ``nextFrame(now:)`` may have something although nothing was taken; `.max` for never.
    var deadline: UInt64 { connections.map(\.deadline).min() ?? .max }
}

/// What has happened at a metadata service's link.
package struct MetadataCounts: Hashable, Sendable {
    package var accepted: UInt64 = 0
    /// Frames whose Ethernet header is no longer that of a frame for the service, or without a
    /// sender.
    package var foreign: UInt64 = 0
    /// Packets that claim to be for the service and make no sense.
    package var malformed: UInt64 = 0
    /// Well-formed, and not what the service speaks.
    package var unusual: UInt64 = 0
    package var sentFrames: UInt64 = 0
    /// Answers that there was no room for: the guest asks and takes nothing.
    package var lost: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var opened: UInt64 = 0
    package var closed: UInt64 = 0
}
