// SPDX-License-Identifier: Apache-2.0
@testable import Devices

/// A guest's side of a connection to the metadata.
struct MetadataClient {
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
            own: PacketEnds(mac: MetadataEndpoint.mac, address: GuestFrame.service), mtu: mtu,
            open: { answer })
    }

    /// Sends back what it got; ends at a full stop.
    static let echo: StreamAnswer = { bytes in (bytes, bytes.last == UInt8(ascii: ".")) }

    /// A segment; `segmentLimit` adds the option.
    func segment(
        _ flags: TCPSegment.Flags, _ payload: [UInt8] = [], window: UInt16 = 65_535,
        segmentLimit: UInt16? = nil, to target: UInt16 = 80
    ) -> [UInt8] {
        GuestSegment(
            port: port, target: target, sequence: sequence, acknowledgement: acknowledgement,
            flags: flags, window: window, segmentLimit: segmentLimit, payload: payload
        ).frame
    }

    mutating func give(_ frame: [UInt8]) { stack.take(frame, now: now, number: 0xffff_ffff) }

    /// The next frame's segment, its checksums looked at.
    mutating func next() -> TCPSegment? {
        stack.nextFrame(now: now).flatMap { GuestFrame.segment(in: $0[...]) }
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
