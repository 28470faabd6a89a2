// SPDX-License-Identifier: Apache-2.0
import Devices
import Glibc
import Linux
import Memory
import Support
import Virtio

/// One connection of the guest to the host, and a pair of sockets beside it.
final class Rig {
    let packetSize: Int
    private let driver: TestDriver<Vsock>
    private let peer: FileDescriptor
    private let pair: UnixSocket.Pair
    private let buffer: UnsafeMutableRawPointer
    private var header = VsockHeader()
    private var head: UInt16 = 0

    private static let headerPlace: UInt64 = 0x100_0000
    private static let receiveBase: UInt64 = 0x180_0000

    init(packetSize: Int) throws {
        self.packetSize = packetSize
        let path = "/tmp/swiftlet-bench-\(getpid())-\(packetSize)"
        driver = try TestDriver(
            Vsock(guestCID: 3, path: path), memory: GuestMemory(byteCount: 64 << 20))
        pair = try UnixSocket.Pair()
        unsafe buffer = UnsafeMutableRawPointer.allocate(byteCount: 64 << 10, alignment: 4096)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 1, count: 64 << 10)
        driver.start()
        for index in 0..<64 as Range<UInt64> {
            driver.rings[0].publish([
                .writable(Self.receiveBase + index * 0x1_1000, UInt32(packetSize) + 44)
            ])
        }
        driver.notify(0)
        let listener = try UnixSocket.listen(at: path + "_1")
        header.sourceCID = 3
        header.destinationCID = VsockHeader.hostCID
        header.sourcePort = 5
        header.destinationPort = 1
        header.bufferSize = 1 << 30
        header.operation = VsockOperation.request.rawValue
        try driver.memory.store(header, at: GuestAddress(Self.headerPlace))
        head = driver.rings[1].describe([
            .readable(Self.headerPlace, 44),
            .readable(Self.headerPlace + 4096, UInt32(packetSize)),
        ])
        driver.rings[1].publish(head: head)
        driver.notify(1)
        peer = try UnixSocket.accept(on: listener.rawValue)
        UnixSocket.remove(path + "_1")
        giveBack()
    }

    /// Gives the buffers back that the device has filled; answers how many bytes they had.
    @discardableResult
    private func giveBack() -> Int {
        let ring = driver.rings[0]
        let end = ring.deviceUsedIndex
        let used = end &- ring.usedIndex
        var bytes = 0
        for offset in 0..<used {
            let slot = UInt64((ring.usedIndex &+ offset) % ring.size)
            let element = try? driver.memory.load(UsedElement.self, at: ring.used &+ (4 + slot * 8))
            bytes += max(Int(element?.length ?? 0) - 44, 0)
            ring.setAvailable(slot: ring.availableIndex &+ offset, head: UInt16(element?.id ?? 0))
        }
        driver.rings[0].usedIndex = end
        driver.rings[0].availableIndex &+= used
        driver.rings[0].setAvailableIndex(driver.rings[0].availableIndex)
        return bytes
    }

    private func publish(_ operation: VsockOperation, _ length: Int) {
        header.operation = operation.rawValue
        header.length = UInt32(length)
        try? driver.memory.store(header, at: GuestAddress(Self.headerPlace))
        driver.rings[1].publish(head: head)
        driver.write(MMIORegister.queueNotify, 1)
        driver.transport.serveNotified()
    }

    /// Each packet is sent by the guest and read by the host; nanoseconds.
    func toHost(_ packets: Int) -> UInt64 {
        let start = Clock.monotonic
        for _ in 0..<packets {
            publish(.data, packetSize)
            var left = packetSize
            while left > 0 {
                let got = unsafe read(peer.rawValue, buffer, left)
                precondition(got > 0)
                left -= got
            }
            giveBack()
        }
        return Clock.monotonic - start
    }

    /// Each packet is written by the host and lies in the guest's buffer; nanoseconds.
    func toGuest(_ packets: Int) -> UInt64 {
        let start = Clock.monotonic
        for _ in 0..<packets {
            let sent = unsafe write(peer.rawValue, buffer, packetSize)
            precondition(sent == packetSize)
            var left = packetSize
            while left > 0 {
                driver.transport.serveHost()
                left -= giveBack()
            }
        }
        let time = Clock.monotonic - start
        header.forwarded &+= UInt32(packets * packetSize)
        publish(.creditUpdate, 0)
        giveBack()
        return time
    }

    /// The same bytes through a pair of sockets; nanoseconds.
    func plain(_ packets: Int) -> UInt64 {
        let start = Clock.monotonic
        for _ in 0..<packets {
            let sent = unsafe write(pair.near.rawValue, buffer, packetSize)
            precondition(sent == packetSize)
            var left = packetSize
            while left > 0 {
                let got = unsafe read(pair.far.rawValue, buffer, left)
                precondition(got > 0)
                left -= got
            }
        }
        return Clock.monotonic - start
    }
}
