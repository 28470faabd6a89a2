// SPDX-License-Identifier: Apache-2.0
import CBench
import Devices
import Glibc
import Linux
import Memory
import Support
import Virtio

/// One TAP device with a network device on it, driven from this thread; and the same TAP device
/// bare, by `readv` and `writev` on the guest's very buffers, in the order in which the device uses
/// them.
final class Rig {
    /// Bytes of a frame, and frames a round: what fits into the guest's buffers at once.
    let frameSize: Int
    let batch: Int
    let driver: TestDriver<Net>
    private let name: String
    /// A frame that the host's stack looks at and drops: it is for somebody else. Made once, or its
    /// allocations would count as the device's.
    private let frame: [UInt8]
    /// The bare loop's descriptor of the same interface, and where guest memory begins.
    private let bare: CInt
    private let packets: CInt
    private let arena: UnsafeMutableRawPointer
    /// The buffer that the bare loop fills next.
    private var nextBuffer = 0
    private var heads: [UInt16] = []
    private var receiveHeads: [UInt16] = []

    static let bufferSize: UInt32 = 4096
    static let receiveBase: UInt64 = 0x40_0000
    static let transmitBase: UInt64 = 0x100_0000

    init(frameSize: Int, batch: Int) throws {
        self.frameSize = frameSize
        self.batch = batch
        frame =
            [2, 9, 9, 9, 9, 9, 2, 1, 1, 1, 1, 1, 8, 0]
            + [UInt8](repeating: 0x45, count: frameSize - 14)
        let link = try TapDevice(creating: "bench%d")
        name = link.name
        try NetworkInterface.setMTU(of: name, to: 65_521)
        try NetworkInterface.bringUp(name)
        let raw = try FileDescriptor.duplicating(link.descriptor(0))
        bare = raw.release()
        let device = try Net(Net.Configuration(), on: link)
        driver = try TestDriver(device, memory: GuestMemory(byteCount: 64 << 20))
        packets = unsafe bench_packet_socket(name)
        guard packets >= 0 else { throw Errno(rawValue: -packets) }
        let start = driver.memory.regions[0].hostAddress
        guard let start = unsafe UnsafeMutableRawPointer(bitPattern: start) else {
            throw Errno.invalid
        }
        unsafe arena = start
        driver.start()
        prepare()
    }

    /// Writes all descriptors once; a round then only publishes them.
    private func prepare() {
        for index in 0..<UInt64(batch) {
            let base = Self.transmitBase + index * 0x2_0000
            try? driver.memory.store(NetHeader(), at: GuestAddress(base))
            try? driver.memory.write(frame, at: GuestAddress(base + 12))
            var pieces: [DriverRing.Buffer] = [.readable(base, 12)]
            for start in stride(from: 0, to: frameSize, by: 32 << 10) {
                pieces.append(
                    .readable(base + 12 + UInt64(start), UInt32(min(32 << 10, frameSize - start))))
            }
            heads.append(driver.rings[1].describe(pieces))
        }
        for index in 0..<256 as Range<UInt64> {
            let address = Self.receiveBase + index * UInt64(Self.bufferSize)
            receiveHeads.append(
                driver.rings[0].describe([.writable(address, Self.bufferSize)]))
        }
        for head in receiveHeads { driver.rings[0].publish(head: head) }
        driver.notify(0)
    }

    // MARK: Ours

    /// Sends a batch; nanoseconds that the device takes, the guest's own work aside.
    func transmit() -> UInt64 {
        let ring = driver.rings[1]
        for (offset, head) in heads.enumerated() {
            ring.setAvailable(slot: ring.availableIndex &+ UInt16(offset), head: head)
        }
        driver.rings[1].availableIndex &+= UInt16(batch)
        driver.rings[1].setAvailableIndex(driver.rings[1].availableIndex)
        let start = Clock.monotonic
        driver.write(MMIORegister.queueNotify, 1)
        driver.transport.serveNotified()
        let time = Clock.monotonic - start
        precondition(driver.rings[1].deviceUsedIndex == driver.rings[1].availableIndex)
        return time
    }

    /// Takes a batch in; nanoseconds that the device takes. The guest gives its buffers back after.
    func receive() -> UInt64 {
        fill()
        let start = Clock.monotonic
        driver.transport.serveHost()
        let time = Clock.monotonic - start
        let ring = driver.rings[0]
        let end = ring.deviceUsedIndex
        let used = end &- ring.usedIndex
        for offset in 0..<used {
            let slot = UInt64((ring.usedIndex &+ offset) % ring.size)
            let element = try? driver.memory.load(UsedElement.self, at: ring.used &+ (4 + slot * 8))
            ring.setAvailable(
                slot: ring.availableIndex &+ offset, head: UInt16(element?.id ?? 0))
        }
        driver.rings[0].usedIndex = end
        driver.rings[0].availableIndex &+= used
        driver.rings[0].setAvailableIndex(driver.rings[0].availableIndex)
        let each = (frameSize + 12 + 4095) / 4096
        precondition(Int(used) == each * batch, "\(used) buffers for \(batch) frames")
        return time
    }

    /// Puts a batch into the interface's queue.
    func fill() {
        for _ in 0..<batch {
            let sent = unsafe frame.withUnsafeBytes {
                unsafe write(packets, $0.baseAddress, $0.count)
            }
            precondition(sent == frameSize, "the packet socket took \(sent) bytes: \(errno)")
        }
    }

    // MARK: Bare

    func bareTransmit() -> UInt64 {
        let start = Clock.monotonic
        unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 32) { vectors in
            for index in 0..<batch {
                let base = unsafe arena + Int(Self.transmitBase) + index * 0x2_0000
                unsafe vectors[0] = iovec(iov_base: base, iov_len: 12)
                var count = 1
                for start in stride(from: 0, to: frameSize, by: 32 << 10) {
                    unsafe vectors[count] = iovec(
                        iov_base: base + 12 + start, iov_len: min(32 << 10, frameSize - start))
                    count += 1
                }
                let sent = unsafe writev(bare, vectors.baseAddress, CInt(count))
                precondition(sent == frameSize + 12)
            }
        }
        return Clock.monotonic - start
    }

    /// Reads until there is nothing more, each frame into as many buffers as the largest needs.
    func bareReceive() -> UInt64 {
        fill()
        let start = Clock.monotonic
        var frames = 0
        unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 17) { vectors in
            while true {
                let count = (frameSize + 12 + 4095) / 4096
                for piece in 0..<count {
                    let buffer = (nextBuffer + piece) % 256
                    let place = unsafe arena + Int(Self.receiveBase) + buffer * 4096
                    unsafe vectors[piece] = iovec(iov_base: place, iov_len: 4096)
                }
                guard unsafe readv(bare, vectors.baseAddress, CInt(count)) > 0 else { break }
                frames += 1
                nextBuffer += count
            }
        }
        let time = Clock.monotonic - start
        precondition(frames == batch)
        return time
    }
}
