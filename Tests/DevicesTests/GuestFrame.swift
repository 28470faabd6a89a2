// SPDX-License-Identifier: Apache-2.0
@testable import Devices

/// Frames of a guest at the link to its metadata, and what it reads of those that come.
enum GuestFrame {
    static let service: UInt32 = 0xa9fe_a9fe
    static let address: UInt32 = 0xac10_0002
    static let mac: [UInt8] = [0x06, 0, 0xac, 0x10, 0, 2]

    static func ethernet(_ type: UInt16) -> [UInt8] {
        var frame = MetadataEndpoint.mac.bytes + mac
        frame.append(half: type)
        return frame
    }

    static func arpRequest(for target: UInt32 = service) -> [UInt8] {
        var frame = ethernet(0x0806)
        for half: UInt16 in [1, 0x0800, 0x0604, 1] { frame.append(half: half) }
        frame += mac
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
        frame.append(half: UInt16(truncatingIfNeeded: payload.count + 20))
        frame.append(half: 0)
        frame.append(half: fragment)
        frame += [64, number, 0, 0]
        frame.append(word: address)
        frame.append(word: target)
        return frame + payload
    }

    /// The segment in a frame from the service; nil if that contradicts itself or a checksum is wrong.
    static func segment(in frame: ArraySlice<UInt8>) -> TCPSegment? {
        guard let size = frame.half(16), let packet = frame.bytes(14, Int(size)),
            let segment = TCPSegment(packet.dropFirst(20)), isSound(packet)
        else { return nil }
        return segment
    }

    /// Whether both checksums of an IPv4 packet with TCP are right.
    private static func isSound(_ packet: ArraySlice<UInt8>) -> Bool {
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
}

/// A segment of a guest's.
struct GuestSegment {
    var port: UInt16
    var target: UInt16 = 80
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: TCPSegment.Flags
    var window: UInt16 = 65_535
    /// Adds the option.
    var segmentLimit: UInt16?
    var payload: [UInt8] = []

    /// The frame with it; its checksum is left to the device.
    var frame: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(half: port)
        bytes.append(half: target)
        bytes.append(word: sequence)
        bytes.append(word: acknowledgement)
        bytes += [segmentLimit == nil ? 0x50 : 0x60, flags.rawValue]
        bytes.append(half: window)
        bytes.append(word: 0)
        if let segmentLimit {
            bytes.append(half: 0x0204)
            bytes.append(half: segmentLimit)
        }
        return GuestFrame.packet(bytes + payload)
    }
}
