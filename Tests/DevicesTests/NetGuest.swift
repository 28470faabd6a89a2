// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// The guest's side of the network device, frame by frame, polite or not; and, in place of a TAP
/// device, sockets that keep the bounds of messages.
final class NetGuest {
    struct Frame: Equatable {
        var header: NetHeader
        var bytes: [UInt8]
    }

    static let mac = "06:00:ac:10:00:02"
    static let receiveBase: UInt64 = 0x20_0000
    static let transmitBase: UInt64 = 0x100_0000

    let driver: TestDriver<Net>
    private let link: Link
    var far: [FarEnd] { link.far }
    private var sent: UInt64 = 0

    static var configuration: Net.Configuration {
        Net.Configuration(mac: MACAddress(mac), mtu: 1500)
    }

    /// Sockets in place of a TAP device.
    final class Link {
        let far: [FarEnd]
        private let first: UnixSocket.Pair
        private let second: UnixSocket.Pair
        private let queues: Int

        init(queues: Int = 1) throws {
            first = try UnixSocket.Pair(keepsMessages: true)
            second = try UnixSocket.Pair(keepsMessages: true)
            self.queues = queues
            far = [FarEnd(try first.far.duplicate()), FarEnd(try second.far.duplicate())]
        }

        /// The device's end. The far ends stay open as long as this.
        func device(_ configuration: Net.Configuration = configuration) throws -> sending Net {
            guard queues > 1 else {
                return try Net(configuration, on: TapDevice(socket: first.near.duplicate()))
            }
            let link = TapDevice(
                sockets: try first.near.duplicate(), try second.near.duplicate())
            return try Net(configuration, on: link)
        }
    }

    init(
        _ configuration: Net.Configuration = configuration, queues: Int = 1,
        without missing: FeatureSet = [], buffers: Int = 64, memory: GuestMemory? = nil
    ) throws {
        link = try Link(queues: queues)
        driver = try TestDriver(link.device(configuration), memory: memory)
        driver.start(driver.offered.subtracting(missing))
        give(buffers)
    }

    /// Gives `count` buffers of `size` bytes to receive queue `pair`.
    func give(_ count: Int, size: UInt32 = 4096, pair: Int = 0) {
        let stride = UInt64(max(size, 4096))
        for index in 0..<UInt64(count) {
            let address = Self.receiveBase + UInt64(pair) * 0x10_0000 + index * stride
            driver.rings[pair * 2].publish([.writable(address, size)])
        }
        driver.notify(pair * 2)
    }

    /// Sends a chain: a header, a frame, and `extra` bytes that are the device's to write.
    func post(
        _ frame: [UInt8], _ header: NetHeader = NetHeader(), pair: Int = 0, pieces: Int = 1
    ) throws {
        let address = Self.transmitBase + sent % 64 * 0x2_0000
        sent += 1
        try driver.memory.store(header, at: GuestAddress(address))
        try driver.memory.write(frame, at: GuestAddress(address + 12))
        var chain: [DriverRing.Buffer] = [.readable(address, 12)]
        let part = max((frame.count + pieces - 1) / pieces, 1)
        for start in stride(from: 0, to: frame.count, by: part) {
            let count = min(part, frame.count - start)
            chain.append(.readable(address + 12 + UInt64(start), UInt32(count)))
        }
        driver.rings[pair * 2 + 1].publish(chain)
    }

    func send(
        _ frame: [UInt8], _ header: NetHeader = NetHeader(), pair: Int = 0, pieces: Int = 1
    ) throws {
        try post(frame, header, pair: pair, pieces: pieces)
        driver.notify(pair * 2 + 1)
    }

    /// Frames that came. Their buffers are not given back.
    func receive(pair: Int = 0) throws -> [Frame] {
        driver.settle()
        var frames: [Frame] = []
        var left = 0
        for element in driver.rings[pair * 2].takeUsed() {
            let bytes = try self.bytes(of: element, ring: pair * 2)
            if left > 0 {
                left -= 1
                frames[frames.count - 1].bytes += bytes
                continue
            }
            guard bytes.count >= 12 else { continue }
            let header = NetHeader(wire: bytes)
            left = Int(header.bufferCount) - 1
            frames.append(Frame(header: header, bytes: Array(bytes[12...])))
        }
        guard left == 0 else { throw Missing(buffers: left) }
        return frames
    }

    private func bytes(of element: UsedElement, ring: Int) throws -> [UInt8] {
        let descriptor = try driver.memory.load(
            Descriptor.self, at: driver.rings[ring].descriptors &+ UInt64(element.id) * 16)
        return try driver.memory.read(
            at: GuestAddress(descriptor.address), count: Int(element.length))
    }

    /// A frame said to fill more buffers than were given back.
    struct Missing: Error { let buffers: Int }

    /// Gives a command to the control queue; answers the device's answer, or nil for none.
    func command(_ bytes: [UInt8], queue: Int = 2, room: UInt32 = 1) throws -> UInt8? {
        let address: UInt64 = 0x1f0_0000
        try driver.memory.write(bytes, at: GuestAddress(address))
        try driver.memory.store(UInt8(0xee), at: GuestAddress(address + 0x1_0000))
        driver.rings[queue].publish([
            .readable(address, UInt32(bytes.count)), .writable(address + 0x1_0000, room),
        ])
        driver.notify(queue)
        guard let used = driver.rings[queue].takeUsed().first, used.length == 1 else { return nil }
        return try driver.memory.load(UInt8.self, at: GuestAddress(address + 0x1_0000))
    }

    var statistics: Net.Statistics { driver.transport.withDevice { $0.statistics } }

    /// The host's side of the link.
    final class FarEnd {
        private let socket: FileDescriptor

        init(_ socket: consuming FileDescriptor) { self.socket = socket }

        /// False if the link takes no more.
        @discardableResult
        func send(_ frame: [UInt8], _ header: NetHeader = NetHeader()) -> Bool {
            let message = header.wire + frame
            return (try? socket.write(message[...])) == message.count
        }

        /// Frames that came.
        func receive() -> [Frame] {
            var frames: [Frame] = []
            var buffer = [UInt8](repeating: 0, count: 80_000)
            while let count = try? socket.read(into: &buffer), count >= 12 {
                frames.append(
                    Frame(header: NetHeader(wire: buffer), bytes: Array(buffer[12..<count])))
            }
            return frames
        }
    }
}

extension NetHeader {
    /// From the bytes of the wire, twelve at least.
    init(wire bytes: [UInt8]) {
        self.init()
        func half(_ index: Int) -> UInt16 { UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8 }
        flags = bytes[0]
        segments = bytes[1]
        headerLength = half(2)
        segmentSize = half(4)
        checksumStart = half(6)
        checksumOffset = half(8)
        bufferCount = half(10)
    }

    var wire: [UInt8] {
        let halves = [headerLength, segmentSize, checksumStart, checksumOffset, bufferCount]
        return [flags, segments]
            + halves.flatMap {
                [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
            }
    }

    /// A TCP segment over IPv4 to be cut into pieces of `size` bytes.
    static func tcp4(_ size: UInt16 = 1448) -> NetHeader {
        var header = NetHeader()
        header.flags = needsChecksum
        header.segments = Segments.tcp4
        header.headerLength = 54
        header.segmentSize = size
        header.checksumStart = 34
        header.checksumOffset = 16
        return header
    }
}

/// A frame of `count` bytes, all different from those of another seed.
func testFrame(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8 ^ seed &* 7) }
}
