// SPDX-License-Identifier: Apache-2.0

/// What a TCP segment for the metadata service says, as far as it matters. RFC 9293, 3.1.
struct TCPSegment {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let fin = Flags(rawValue: 1)
        static let syn = Flags(rawValue: 2)
        static let rst = Flags(rawValue: 4)
        static let psh = Flags(rawValue: 8)
        static let ack = Flags(rawValue: 16)
    }

    var sourcePort: UInt16
    var port: UInt16
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: Flags
    var window: UInt16
    /// Largest segment that the other side takes, in bytes; nil if it does not say.
    var segmentLimit: UInt16?
    var payload: ArraySlice<UInt8>

    /// Sequence numbers that it takes up.
    var length: UInt32 {
        UInt32(truncatingIfNeeded: payload.count) &+ (flags.contains(.syn) ? 1 : 0)
            &+ (flags.contains(.fin) ? 1 : 0)
    }

    /// Nil if it is cut short or contradicts itself. Its checksum may be left to the other side
    /// and is not looked at: the bytes come from memory, not over a wire.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard let sourcePort = bytes.half(0), let port = bytes.half(2),
            let sequence = bytes.word(4), let acknowledgement = bytes.word(8),
            let offset = bytes.byte(12), let flags = bytes.byte(13), let window = bytes.half(14)
        else { return nil }
        let headerCount = Int(offset >> 4) * 4
        guard headerCount >= 20, headerCount <= bytes.count else { return nil }
        self.sourcePort = sourcePort
        self.port = port
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.flags = Flags(rawValue: flags)
        self.window = window
        payload = bytes.dropFirst(headerCount)
        segmentLimit = Self.segmentLimit(bytes.bytes(20, headerCount - 20) ?? [])
    }

    private static func segmentLimit(_ options: ArraySlice<UInt8>) -> UInt16? {
        var rest = options
        while let kind = rest.first, kind != 0 {
            if kind == 1 {
                rest = rest.dropFirst()
                continue
            }
            guard let length = rest.byte(1), length >= 2, Int(length) <= rest.count else {
                return nil
            }
            if kind == 2, length == 4 { return rest.half(2) }
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }
}

/// Who sends and who is to get a packet.
struct PacketEnds: Hashable {
    var mac: MACAddress
    var address: UInt32
}

/// Writes whole frames from the metadata service to the guest.
struct FrameWriter {
    /// The service's end.
    let own: PacketEnds

    private static let ethernetIPv4: UInt16 = 0x0800
    private static let ethernetARP: UInt16 = 0x0806

    private func ethernet(to guest: MACAddress, _ type: UInt16) -> [UInt8] {
        var frame = guest.bytes + own.mac.bytes
        frame.append(half: type)
        return frame
    }

    /// Shorter frames are filled up. IEEE 802.3, 3.2.8.
    private func padded(_ frame: [UInt8]) -> [UInt8] {
        frame + [UInt8](repeating: 0, count: max(0, 60 - frame.count))
    }

    /// Says which interface has the service's address. RFC 826.
    func arpReply(to guest: PacketEnds) -> [UInt8] {
        var frame = ethernet(to: guest.mac, Self.ethernetARP)
        for half: UInt16 in [1, Self.ethernetIPv4, 0x0604, 2] { frame.append(half: half) }
        frame += own.mac.bytes
        frame.append(word: own.address)
        frame += guest.mac.bytes
        frame.append(word: guest.address)
        return padded(frame)
    }

    /// A segment with a header that says `segment`, whose ports are as the receiver sees them.
    func tcp(_ segment: OutgoingSegment, to guest: PacketEnds) -> [UInt8] {
        var header: [UInt8] = []
        header.append(half: segment.port)
        header.append(half: segment.guestPort)
        header.append(word: segment.sequence)
        header.append(word: segment.acknowledgement)
        let hasOption = segment.flags.contains(.syn)
        header.append(hasOption ? 0x60 : 0x50)
        header.append(segment.flags.rawValue)
        header.append(half: segment.window)
        header.append(word: 0)
        if hasOption {
            header.append(half: 0x0204)
            header.append(half: segment.segmentLimit)
        }
        let size = header.count + segment.payload.count
        var sum = InternetChecksum()
        var pseudo: [UInt8] = []
        pseudo.append(word: own.address)
        pseudo.append(word: guest.address)
        pseudo.append(half: 6)
        pseudo.append(half: UInt16(truncatingIfNeeded: size))
        sum.add(pseudo)
        sum.add(header)
        sum.add(segment.payload)
        header[16] = UInt8(truncatingIfNeeded: sum.value >> 8)
        header[17] = UInt8(truncatingIfNeeded: sum.value)
        return padded(
            ethernet(to: guest.mac, Self.ethernetIPv4) + ipv4(size, to: guest.address) + header
                + segment.payload)
    }

    /// An IPv4 header for so many bytes of TCP. RFC 791, 3.1.
    private func ipv4(_ size: Int, to address: UInt32) -> [UInt8] {
        var header: [UInt8] = [0x45, 0]
        header.append(half: UInt16(truncatingIfNeeded: size + 20))
        // Not to be cut; 64 hops; TCP.
        for half: UInt16 in [0, 0x4000, 0x4006, 0] { header.append(half: half) }
        header.append(word: own.address)
        header.append(word: address)
        var sum = InternetChecksum()
        sum.add(header)
        header[10] = UInt8(truncatingIfNeeded: sum.value >> 8)
        header[11] = UInt8(truncatingIfNeeded: sum.value)
        return header
    }
}

/// A segment to be written.
struct OutgoingSegment {
    var port: UInt16
    var guestPort: UInt16
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: TCPSegment.Flags
    var window: UInt16
    var segmentLimit: UInt16 = 0
    var payload: ArraySlice<UInt8> = []
}
