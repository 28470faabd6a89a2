// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Devices of one machine, and who waits for whom.
@Suite struct LockTests {
    /// A device of the machine that can be held, and asked for something.
    struct Seat {
        let name: String
        /// Calls its argument under the device's lock.
        let hold: @Sendable (() -> Void) -> Void
        /// Makes a request; true if it comes back.
        let ask: () -> Bool
    }

    /// Puts a device on its rings, and asks it on queue `queue`.
    static func seat<Device: VirtioDevice & ~Copyable>(
        _ name: String, _ number: UInt64, _ device: consuming sending Device,
        _ memory: GuestMemory, queue: Int = 0, _ buffers: [DriverRing.Buffer]
    ) throws -> Seat {
        let driver = try TestDriver(device, memory: memory)
        driver.negotiate()
        driver.rings = Device.queueSizes.enumerated().map { index, size in
            let base = (8 + number) << 20 + UInt64(index) * DriverRing.stride
            let ring = DriverRing(memory: memory, size: size, base: base)
            driver.setQueue(index, ring.state)
            return ring
        }
        driver.step(.driverOK)
        let transport = driver.transport
        return Seat(name: name) { body in
            transport.withDevice { _ in body() }
        } ask: {
            driver.rings[queue].publish(buffers)
            driver.notify(queue)
            let deadline = Clock.monotonic + 5_000_000_000
            while driver.rings[queue].takeUsed().isEmpty {
                guard Clock.monotonic < deadline else { return false }
                driver.settle()
                Thread.yield()
            }
            return true
        }
    }

    /// What a machine has; requests lie from `place` on.
    static func seats(
        _ disk: ScratchFile, _ pmem: ScratchFile, _ link: NetGuest.Link
    ) throws -> [Seat] {
        let place: UInt64 = 0x180_0000
        let memory = try GuestMemory(
            byteCount: 32 << 20, pluggable: PluggableSize(byteCount: 4 << 20),
            persistent: [try PersistentFile(pmem.path, isReadOnly: false)])
        let header = VsockGuest.unknownPort
        try memory.store(header, at: GuestAddress(place + 0x1000))
        try memory.store(MemoryDeviceTests.Kind.state, at: GuestAddress(place + 0x2000))
        let list = try BalloonTests.write([0x1700], memory)
        return [
            try seat("entropy", 0, Entropy(), memory, [.writable(place + 0x3000, 16)]),
            try seat(
                "limited entropy", 1, Entropy(.none), memory, [.writable(place + 0x3000, 16)]),
            try seat(
                "sync disk", 2, Block(BlockGuest.configuration(.serial, disk)), memory,
                [.readable(place, 16), .writable(place + 0x4000, 513)]),
            try seat(
                "async disk", 3, Block(BlockGuest.configuration(.concurrent, disk)), memory,
                [.readable(place, 16), .writable(place + 0x5000, 513)]),
            try seat(
                "network", 4, link.device(), memory, queue: 1,
                [.readable(place, 12), .readable(place + 0x6000, 60)]),
            try seat(
                "vsock", 5, Vsock(guestCID: VsockGuest.cid, path: VsockGuest.freshPath()), memory,
                queue: 1, [.readable(place + 0x1000, 44)]),
            try seat("balloon", 6, Balloon(BalloonTests.everything), memory, [list]),
            try seat(
                "memory", 7, MemoryDeviceTests.device(memory), memory,
                [.readable(place + 0x2000, 24), .writable(place + 0x7000, 10)]),
            try seat(
                "pmem", 8, Pmem(memory.persistent[0]), memory,
                [.readable(place, 4), .writable(place + 0x8000, 4)]),
        ]
    }

    /// Calls `body` under all the locks.
    private static func hold(
        _ locks: ArraySlice<@Sendable (() -> Void) -> Void>, _ body: () -> Void
    ) {
        guard let first = locks.first else { return body() }
        first { hold(locks.dropFirst(), body) }
    }

    @Test func `A request waits for no other device, whatever holds that`() throws {
        let disk = try ScratchFile(byteCount: 1 << 20)
        let pmem = try ScratchFile(byteCount: 2 << 20)
        let link = try NetGuest.Link()
        let seats = try Self.seats(disk, pmem, link)
        for (index, seat) in seats.enumerated() {
            let others = seats.enumerated().filter { $0.offset != index }.map(\.element.hold)
            let held = DispatchSemaphore(value: 0)
            let release = DispatchSemaphore(value: 0)
            let wasHeld = Locked(false)
            let holder = try TestThread("holder") {
                Self.hold(others[...]) {
                    held.signal()
                    // A request that waits for one of them must not wait for ever.
                    let result = release.wait(timeout: .now() + 10)
                    wasHeld.withValue { $0 = result == .success }
                }
            }
            try #require(held.wait(timeout: .now() + 60) == .success, "\(seat.name)")
            #expect(seat.ask(), "\(seat.name)")
            release.signal()
            try holder.join()
            #expect(wasHeld.withValue { $0 }, "\(seat.name) waited for another device")
        }
    }
}
