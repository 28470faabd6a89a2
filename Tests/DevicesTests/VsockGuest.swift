// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Synchronization
import Virtio

@testable import Devices

/// The guest's side of the socket device, packet by packet, polite or not.
final class VsockGuest {
    struct Packet: Equatable {
        var header: VsockHeader
        var payload: [UInt8]
        var operation: VsockOperation? { VsockOperation(rawValue: header.operation) }
    }

    static let cid: UInt32 = 3
    static let bufferSize: UInt32 = 4096
    static let transmitBase: UInt64 = 0x100_0000
    private static let counter = Atomic<Int>(0)

    let driver: TestDriver<Vsock>
    let path: String
    /// What the guest says of its own buffer.
    var credit: UInt32 = 1 << 20
    var forwarded: UInt32 = 0
    private var sent: UInt64 = 0

    /// A path that no test has used.
    static func freshPath() -> String {
        let number = counter.add(1, ordering: .relaxed).newValue
        return "/tmp/swiftlet-vsock-\(processID())-\(number)"
    }

    init(receiveBuffers: Int = 64) throws {
        path = Self.freshPath()
        driver = try TestDriver(Vsock(guestCID: Self.cid, path: path))
        driver.start()
        for index in 0..<receiveBuffers { giveBuffer(index) }
        driver.notify(0)
    }

    private func giveBuffer(_ index: Int) {
        let address = TestDriver<Vsock>.bufferBase + UInt64(index) * 0x2000
        driver.rings[0].publish([.writable(address, Self.bufferSize)])
    }

    /// Gives `count` more buffers of `size` bytes.
    func giveBuffers(_ count: Int, size: UInt32 = 4096) {
        for index in 0..<count {
            let address = TestDriver<Vsock>.bufferBase + UInt64(index) * 0x2000
            driver.rings[0].publish([.writable(address, size)])
        }
        driver.notify(0)
    }

    func header(
        _ operation: VsockOperation, host: UInt32, guest: UInt32, length: Int = 0
    ) -> VsockHeader {
        var header = VsockHeader()
        header.sourceCID = UInt64(Self.cid)
        header.destinationCID = VsockHeader.hostCID
        header.sourcePort = guest
        header.destinationPort = host
        header.length = UInt32(length)
        header.operation = operation.rawValue
        header.bufferSize = credit
        header.forwarded = forwarded
        return header
    }

    /// A packet to a port of the host's at which nobody listens.
    static var unknownPort: VsockHeader {
        var header = VsockHeader()
        header.sourceCID = UInt64(cid)
        header.destinationCID = VsockHeader.hostCID
        header.sourcePort = 1
        header.destinationPort = 1
        header.operation = VsockOperation.request.rawValue
        return header
    }

    /// Publishes one packet; a header of its own may lie about everything.
    func post(_ header: VsockHeader, _ payload: [UInt8] = []) throws {
        let address = Self.transmitBase + sent % 64 * 0x2_0000
        sent += 1
        try driver.memory.store(header, at: GuestAddress(address))
        var chain: [DriverRing.Buffer] = [.readable(address, 44)]
        if !payload.isEmpty {
            try driver.memory.write(payload, at: GuestAddress(address + 64))
            chain.append(.readable(address + 64, UInt32(payload.count)))
        }
        driver.rings[1].publish(chain)
    }

    func send(
        _ operation: VsockOperation, host: UInt32, guest: UInt32, _ payload: [UInt8] = [],
        shutdown: VsockShutdown = []
    ) throws {
        var header = header(operation, host: host, guest: guest, length: payload.count)
        header.flags = shutdown.rawValue
        try post(header, payload)
        driver.notify(1)
    }

    /// Packets that came; their buffers are given back unless `keeping`.
    func receive(keeping: Bool = false) throws -> [Packet] {
        driver.settle()
        var packets: [Packet] = []
        for element in driver.rings[0].takeUsed() {
            let descriptor = try driver.memory.load(
                Descriptor.self, at: driver.rings[0].descriptors &+ UInt64(element.id) * 16)
            let address = GuestAddress(descriptor.address)
            guard element.length >= 44 else { continue }
            let header = try driver.memory.load(VsockHeader.self, at: address)
            let payload = try driver.memory.read(at: address &+ 44, count: Int(element.length) - 44)
            packets.append(Packet(header: header, payload: payload))
            if !keeping {
                driver.rings[0].publish([.writable(descriptor.address, descriptor.length)])
            }
        }
        if !keeping, !packets.isEmpty { driver.notify(0) }
        return packets
    }

    /// Operations that came.
    func operations() throws -> [VsockOperation] { try receive().compactMap(\.operation) }

    /// A program of the host calls `port` and the guest accepts.
    func accept(port: UInt32) throws -> (Peer, host: UInt32) {
        let peer = Peer(try UnixSocket.connect(to: path))
        peer.send("CONNECT \(port)\n")
        let requests = try receive()
        guard let request = requests.first, request.operation == .request else {
            throw Unexpected(packets: requests)
        }
        let host = request.header.sourcePort
        try send(.response, host: host, guest: port)
        guard peer.text() == "OK \(host)\n" else { throw Unexpected(packets: []) }
        return (peer, host)
    }

    /// Connections that the device knows.
    var connectionCount: Int { driver.transport.withDevice { $0.table.count } }

    struct Unexpected: Error { let packets: [Packet] }

    /// How many bytes come to `peer`, while the device goes on, until its end or until it has so many;
    /// what has come if a minute is over before.
    func arrives(at peer: Peer, atMost limit: Int = .max) -> Int {
        let deadline = Clock.monotonic + 60_000_000_000
        var arrived = 0
        while arrived < limit, Clock.monotonic < deadline, let part = peer.bytes() {
            arrived += part.count
            driver.settle()
        }
        return arrived
    }

    /// A socket of the host.
    final class Peer {
        private(set) var socket: FileDescriptor?

        init(_ socket: consuming FileDescriptor) { self.socket = consume socket }

        private var raw: CInt {
            if let raw = socket?.rawValue { return raw }
            return -1
        }

        @discardableResult
        func send(_ bytes: [UInt8]) -> Int {
            (try? UnixSocket.send(bytes[...], to: raw)) ?? -1
        }

        @discardableResult
        func send(_ text: String) -> Int { send(Array(text.utf8)) }

        /// What waits; nil at the end of the stream, however it ended.
        func bytes(limit: Int = 1 << 20) -> [UInt8]? {
            var buffer = [UInt8](repeating: 0, count: limit)
            do throws(Errno) {
                let count = try socket?.read(into: &buffer) ?? 0
                return count == 0 ? nil : Array(buffer[..<count])
            } catch {
                return error == .again ? [] : nil
            }
        }

        func text() -> String { String(decoding: bytes() ?? [], as: UTF8.self) }
        func shutdown(_ half: UnixSocket.Half) { UnixSocket.shutdown(raw, half) }
        func close() { socket = nil }
    }
}

/// Counts on any thread.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)
    func add() { value.add(1, ordering: .relaxed) }
    var count: Int { value.load(ordering: .relaxed) }
}
