// SPDX-License-Identifier: Apache-2.0
@testable import Devices

/// A guest's side of the link to the metadata: makes frames, reads frames.
struct MetadataClient {
    static let service: UInt32 = 0xa9fe_a9fe
    static let address: UInt32 = 0xac10_0002
    static let mac = MACAddress([0x06, 0, 0xac, 0x10, 0, 2] as [UInt8]) ?? MACAddress()

    var stack: MetadataStack
    var now: UInt64 = 1_000_000_000
    let port: UInt16
    var sequence: UInt32 = 0xffff_fff0
    var acknowledgement: UInt32 = 0
    /// Bytes that came in order.
    var received: [UInt8] = []
    var ended = false
    var reset = false

    /// - Parameter answer: Of every connection.
    init(port: UInt16 = 40_000, mtu: Int = 1500, answer: @escaping StreamAnswer = Self.echo) {
        self.port = port
        stack = MetadataStack(
            own: PacketEnds(mac: MetadataEndpoint.mac, address: Self.service), mtu: mtu,
            open: { answer })
    }

    /// Sends back what it got; ends at a full stop.
    static let echo: StreamAnswer = { bytes in (bytes, bytes.last == UInt8(ascii: ".")) }

    // MARK: Frames

    static func ethernet(_ type: UInt16) -> [UInt8] {
        var frame = MetadataEndpoint.mac.bytes + mac.bytes
        frame.append(half: type)
        return frame
    }

    static func arpRequest(for target: UInt32 = service) -> [UInt8] {
        var frame = ethernet(0x0806)
        for half: UInt16 in [1, 0x0800, 0x0604, 1] { frame.append(half: half) }
        frame += mac.bytes
        frame.append(word: address)
        frame += [UInt8](repeating: 0, count: 6)
        frame.append(word: target)
        return frame
    }

    static func packet(
        _ payload: [UInt8], protocol number: UInt8 = 6, fragment: UInt16 = 0,
        to target: UInt32 = service
    ) -> [UInt8] {
        var frame = ethernet(0x0800) + [0x45, 0]
        frame.append(half: UInt16(payload.count + 20))
        frame.append(half: 0)
        frame.append(half: fragment)
        frame += [64, number, 0, 0]
        frame.append(word: address)
        frame.append(word: target)
        return frame + payload
    }

    /// A segment; `segmentLimit` adds the option.
    func segment(
        _ flags: TCPSegment.Flags, _ payload: [UInt8] = [], window: UInt16 = 65_535,
        segmentLimit: UInt16? = nil, to target: UInt16 = 80
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(half: port)
        bytes.append(half: target)
        bytes.append(word: sequence)
        bytes.append(word: acknowledgement)
        bytes += [segmentLimit == nil ? 0x50 : 0x60, flags.rawValue]
        bytes.append(half: window)
        // A checksum that is left to the device.
        bytes.append(word: 0)
        if let segmentLimit {
            bytes.append(half: 0x0204)
            bytes.append(half: segmentLimit)
        }
        return Self.packet(bytes + payload)
    }

    // MARK: A connection

    mutating func give(_ frame: [UInt8]) { stack.take(frame, now: now, number: 0xffff_ffff) }

    /// The next frame's segment, its checksums looked at.
    mutating func next() -> TCPSegment? {
        guard let frame = stack.nextFrame(now: now)?[...] else { return nil }
        guard let size = frame.half(16), let packet = frame.bytes(14, Int(size)),
            let segment = TCPSegment(packet.dropFirst(20)), Self.isSound(packet)
        else { return nil }
        return segment
    }

    /// Whether both checksums of an IPv4 packet with TCP are right.
    static func isSound(_ packet: ArraySlice<UInt8>) -> Bool {
        var header = InternetChecksum()
        header.add(packet.prefix(20))
        var pseudo = Array(packet.dropFirst(12).prefix(8))
        pseudo.append(half: 6)
        pseudo.append(half: UInt16(packet.count - 20))
        var whole = InternetChecksum()
        whole.add(pseudo)
        whole.add(packet.dropFirst(20))
        return header.value == 0 && whole.value == 0
    }

    /// Shakes hands; false if nobody answers.
    mutating func connect(segmentLimit: UInt16 = 1460, window: UInt16 = 65_535) -> Bool {
        give(segment(.syn, window: window, segmentLimit: segmentLimit))
        sequence &+= 1
        guard let answer = next(), answer.flags == [.syn, .ack],
            answer.acknowledgement == sequence
        else { return false }
        acknowledgement = answer.sequence &+ 1
        give(segment(.ack, window: window))
        return next() == nil
    }

    mutating func send(_ bytes: [UInt8]) {
        give(segment([.ack, .psh], bytes))
        sequence &+= UInt32(bytes.count)
    }

    /// Takes all that comes, and acknowledges it.
    mutating func receive(window: UInt16 = 65_535) {
        while let segment = next() {
            if segment.flags.contains(.rst) {
                reset = true
                return
            }
            guard segment.sequence == acknowledgement else { continue }
            received += segment.payload
            acknowledgement &+= segment.length
            if segment.flags.contains(.fin) { ended = true }
            if segment.length > 0 { give(self.segment(.ack, window: window)) }
        }
    }
}
