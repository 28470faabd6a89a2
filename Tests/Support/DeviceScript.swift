// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// A driver whose every step is a byte of somebody else's choice: for fuzzers, and for tests that
/// throw dice.
///
/// Whatever it does, the device must come through, keep no chain and start again.
package struct DeviceScript {
    private let bytes: [UInt8]
    private var position = 0

    /// Most steps of one script.
    package static let limit = 2000

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var isAtEnd: Bool { position >= bytes.count }

    /// The next byte, or zero at the end.
    package mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        position += 1
        return bytes[position - 1]
    }

    package mutating func half() -> UInt16 { UInt16(byte()) | UInt16(byte()) << 8 }
    package mutating func word() -> UInt32 { UInt32(half()) | UInt32(half()) << 16 }

    /// An address that matters, or any.
    package mutating func address() -> UInt64 {
        let ring: UInt64 = 0x1_0000
        let buffer: UInt64 = 0x20_0000
        let choice = byte()
        let offset = UInt64(byte()) * 16
        switch choice % 12 {
        case 0: return 0
        case 1: return ring + offset
        case 2: return ring + 0x8000
        case 3: return ring + 0xc000
        case 4: return UInt64(32 << 20) - 8
        case 5: return UInt64(32 << 20)
        case 6: return 0xd000_0000
        case 7: return .max - offset
        case 8: return UInt64(word()) << 32 | UInt64(word())
        default: return buffer + offset * 64
        }
    }

    package mutating func length() -> UInt32 {
        switch byte() % 8 {
        case 0: 0
        case 1: .max
        case 2: word()
        case 3: UInt32(half()) * 16
        case 4: 44
        default: UInt32(byte())
        }
    }

    /// Runs the script; answers what is wrong afterwards, or nil.
    ///
    /// - Parameters:
    ///   - answerSize: Bytes behind each request that the device may write.
    ///   - packet: Makes a request at the address given; answers its readable bytes.
    ///   - chain: Makes a request of many buffers, in place of `packet`.
    ///   - host: Does something on the host side.
    package mutating func run<Device: VirtioDevice & ~Copyable>(
        _ driver: TestDriver<Device>, answerSize: UInt32 = 0,
        packet: (inout DeviceScript, GuestAddress) -> UInt32 = { script, _ in script.length() },
        chain: ((inout DeviceScript) -> [DriverRing.Buffer])? = nil,
        host: (inout DeviceScript) -> Void = { _ in }
    ) -> String? {
        driver.start(byte() & 1 == 0 ? nil : .version1)
        for _ in 0..<Self.limit where !isAtEnd {
            let ring = Int(byte()) % driver.rings.count
            switch byte() % 12 {
            case 0: setDescriptor(driver.rings[ring])
            case 1: driver.rings[ring].publish(head: UInt16(byte()))
            case 2: driver.rings[ring].setAvailableIndex(half())
            case 3: driver.write(UInt64(byte()) * 4, word())
            case 4:
                driver.rings[ring].setUsedEvent(half())
                driver.rings[ring].setAvailableFlags(half())
            case 5:
                _ = driver.transport.read(
                    offset: UInt64(half() & 0xfff), size: 1 << Int(byte() % 4))
            case 6: driver.start()
            case 7: host(&self)
            case 8:
                // What the device may fill.
                for index in 0..<UInt64(byte() % 16) {
                    driver.rings[ring].publish([
                        .writable(0x40_0000 + index * 4096, length() % 4097)
                    ])
                }
                driver.notify(ring)
            case 9, 10:
                if let chain {
                    let buffers = chain(&self)
                    if !buffers.isEmpty { driver.rings[ring].publish(buffers) }
                } else {
                    let address = GuestAddress(0x60_0000)
                    var buffers: [DriverRing.Buffer] = [
                        .readable(address.rawValue, packet(&self, address))
                    ]
                    if answerSize > 0 { buffers.append(.writable(0x70_0000, answerSize)) }
                    driver.rings[ring].publish(buffers)
                }
                driver.notify(ring)
            default: driver.notify(Int(byte()))
            }
        }
        // What the host works on comes back by and by.
        driver.settle()
        let deadline = Clock.monotonic + 5_000_000_000
        while driver.transport.chainsInFlight != 0, Clock.monotonic < deadline {
            Thread.yield()
            driver.settle()
        }
        guard driver.transport.chainsInFlight == 0 else { return "chains in flight" }
        driver.start()
        let status = driver.status
        return status == [.acknowledge, .driver, .featuresOK, .driverOK] ? nil : "status \(status)"
    }

    /// A step of many hosts: the device goes on from what it has saved.
    package static func move<Device: VirtioDevice & ~Copyable>(
        _ transport: MMIOTransport<Device>
    ) {
        let loop = try? EventLoop()
        transport.pause()
        let state = transport.save()
        try? transport.restore(state)
        if let loop { try? transport.resume(on: loop) }
        transport.detach()
    }

    private mutating func setDescriptor(_ ring: DriverRing) {
        let index = UInt16(byte()) % ring.size
        ring.setDescriptor(
            index,
            Descriptor(
                address: address(), length: length(), flags: UInt16(byte() & 7),
                next: UInt16(byte())))
    }
}

/// Numbers that are the same in every run. SplitMix64.
package struct Dice: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
