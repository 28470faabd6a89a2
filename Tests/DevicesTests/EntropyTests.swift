// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct EntropyTests {
    static let buffer = TestDriver<Entropy>.bufferBase

    @Test func `A chain is filled with bytes that are not all alike`() throws {
        let driver = try TestDriver(Entropy())
        driver.start()

        driver.rings[0].publish([.writable(Self.buffer, 64), .writable(Self.buffer + 4096, 64)])
        driver.notify(0)

        #expect(driver.rings[0].takeUsed() == [UsedElement(id: 0, length: 128)])
        let first = try driver.memory.read(at: GuestAddress(Self.buffer), count: 64)
        let second = try driver.memory.read(at: GuestAddress(Self.buffer + 4096), count: 64)
        #expect(Set(first).count > 16)
        #expect(first != second)
        #expect(driver.interrupts.take() == 1)
        #expect(driver.takeInterruptStatus() == 1)
    }

    @Test func `A huge chain draws only so much`() throws {
        let driver = try TestDriver(Entropy())
        driver.start()

        driver.rings[0].publish(
            Array(repeating: .writable(Self.buffer, 16 << 20), count: 64))
        driver.notify(0)

        #expect(
            driver.rings[0].takeUsed() == [UsedElement(id: 0, length: UInt32(Entropy.chainLimit))])
    }

    @Test func `A chain with nothing to write is given back`() throws {
        let driver = try TestDriver(Entropy())
        driver.start()

        driver.rings[0].publish([.readable(Self.buffer, 64)])
        driver.notify(0)

        #expect(driver.rings[0].takeUsed() == [UsedElement(id: 0, length: 0)])
    }

    @Test func `What the host has no memory for is not given, and counted`() throws {
        let driver = try TestDriver(Entropy())
        driver.start()
        let lost = Self.buffer + 4096
        let host = try #require(driver.memory.hostAddress(of: GuestAddress(lost), count: 4096))
        let page = unsafe UnsafeMutableRawPointer(bitPattern: host)
        try #require(unsafe mprotect(page, 4096, PROT_NONE) == 0)
        let chains: [(buffers: [DriverRing.Buffer], given: UInt32)] = [
            ([.writable(Self.buffer, 64)], 64), ([.writable(lost, 64)], 0),
            ([.writable(Self.buffer, 64), .writable(lost, 64), .writable(Self.buffer, 64)], 64),
            ([.writable(Self.buffer, 3 * 4096)], 4096),
        ]

        for chain in chains { driver.rings[0].publish(chain.buffers) }
        driver.notify(0)

        #expect(driver.rings[0].takeUsed().map(\.length) == chains.map(\.given))
        driver.transport.withDevice { device in
            #expect(device.byteCount == 64 + 64 + 4096)
            #expect(device.requests == 4)
            #expect(device.failures == 3)
        }
    }

    /// A device, and another processor that gives it a chain again whenever it has had one.
    static func endless(
        _ count: Int
    ) throws -> (driver: TestDriver<Entropy>, other: OtherProcessor) {
        let driver = try TestDriver(Entropy())
        driver.start()
        let other = OtherProcessor(driver.rings[0], count: count)
        driver.rings[0].publish([.writable(buffer, 16)])
        return (driver, other)
    }

    @Test func `A processor is held for a turn, whatever others publish`() throws {
        let (driver, other) = try Self.endless(1000)
        defer { other.stop() }

        driver.write(MMIORegister.queueNotify, 0)
        #expect(driver.rings[0].deviceUsedIndex == UInt16(Entropy.turnLimit))

        let loop = try EventLoop()
        try driver.transport.attach(to: loop)
        defer { driver.transport.detach() }
        loop.serveOnce(milliseconds: 0)
        #expect(driver.rings[0].deviceUsedIndex == 2 * UInt16(Entropy.turnLimit))
        for _ in 0..<100 where !driver.isQuiet { loop.serveOnce(milliseconds: 0) }
        #expect(driver.rings[0].deviceUsedIndex == 1001)
        #expect(driver.isQuiet)
    }

    @Test func `What never ends leaves the loop to other devices`() throws {
        let (driver, other) = try Self.endless(.max)
        defer { other.stop() }
        let neighbour = try TestDriver(Entropy(.none))
        neighbour.start()
        let loop = try EventLoop()
        try driver.transport.attach(to: loop)
        try neighbour.transport.attach(to: loop)
        defer {
            driver.transport.detach()
            neighbour.transport.detach()
        }

        driver.write(MMIORegister.queueNotify, 0)
        neighbour.rings[0].publish([.writable(Self.buffer, 16)])
        neighbour.write(MMIORegister.queueNotify, 0)
        for _ in 0..<3 { loop.serveOnce(milliseconds: 0) }

        #expect(neighbour.rings[0].takeUsed().count == 1)
        #expect(driver.rings[0].deviceUsedIndex == 4 * UInt16(Entropy.turnLimit))
        #expect(!driver.isQuiet)
    }

    @Test func `What a turn has left waits for the end of a pause`() throws {
        let (driver, other) = try Self.endless(1000)
        defer { other.stop() }
        let loop = try EventLoop()
        try driver.transport.attach(to: loop)

        driver.write(MMIORegister.queueNotify, 0)
        driver.transport.pause()
        for _ in 0..<3 { loop.serveOnce(milliseconds: 0) }
        driver.transport.serveNotified()
        #expect(driver.rings[0].deviceUsedIndex == UInt16(Entropy.turnLimit))
        #expect(driver.transport.chainsInFlight == 0)

        try driver.transport.resume(on: loop)
        defer { driver.transport.detach() }
        for _ in 0..<100 where !driver.isQuiet { loop.serveOnce(milliseconds: 0) }
        #expect(driver.rings[0].deviceUsedIndex == 1001)
    }

    @Test func `Behind limits others of the loop have their turns, too`() throws {
        let limits = RateLimits(
            operations: TokenBucketLimit(size: 1 << 40, refillTime: 1000))
        let driver = try TestDriver(Entropy(limits))
        driver.start()
        let other = OtherProcessor(driver.rings[0], count: 1000)
        defer { other.stop() }

        driver.rings[0].publish([.writable(Self.buffer, 16)])
        driver.notify(0)

        // A notification, and one look at the timer.
        #expect(driver.rings[0].deviceUsedIndex <= 2 * UInt16(Entropy.turnLimit))
        for _ in 0..<100 where !driver.isQuiet { driver.settle() }
        #expect(driver.rings[0].deviceUsedIndex == 1001)
    }

    @Test func `A driver that has given up is served no more, by the host side neither`() throws {
        let driver = try TestDriver(Entropy(.none))
        driver.start()
        driver.rings[0].publish([.writable(Self.buffer, 16)])
        driver.step(.failed)
        driver.settle()
        driver.transport.pause()
        #expect(driver.rings[0].takeUsed().isEmpty)
        let state = driver.transport.save()
        try driver.transport.restore(state)
        driver.start()
        try driver.transport.resume(on: EventLoop())
        defer { driver.transport.detach() }
        driver.rings[0].publish([.writable(Self.buffer, 16)])
        driver.notify(0)
        #expect(driver.rings[0].takeUsed().count == 1)
    }

    // MARK: Limits

    /// An hour until a bucket of so many tokens is full again.
    static func bucket(_ size: UInt64) -> TokenBucketLimit {
        TokenBucketLimit(size: size, refillTime: 3_600_000)
    }

    @Test(arguments: [
        RateLimits(bandwidth: bucket(150)), RateLimits(operations: bucket(2)),
        RateLimits(bandwidth: bucket(1 << 40), operations: bucket(2)),
    ])
    func `A limited device gives what its limit lets through, and then waits`(
        limits: RateLimits
    ) throws {
        let driver = try TestDriver(Entropy(limits))
        driver.start()
        for _ in 0..<5 { driver.rings[0].publish([.writable(Self.buffer, 64)]) }
        for _ in 0..<100 { driver.notify(0) }
        #expect(driver.rings[0].takeUsed().count == 2)
        #expect(driver.transport.chainsInFlight == 0)
        // It waits for a timer that is far away.
        #expect(driver.isQuiet)

        #expect(driver.transport.withDevice { $0.setLimits(.none) })
        driver.settle()
        #expect(driver.rings[0].takeUsed().count == 3)
    }

    @Test func `A reset refills no bucket`() throws {
        let driver = try TestDriver(Entropy(RateLimits(operations: Self.bucket(1))))
        for expected in [1, 0, 0] {
            driver.start()
            driver.rings[0].publish([.writable(Self.buffer, 64)])
            driver.notify(0)
            #expect(driver.rings[0].takeUsed().count == expected)
        }
    }

    @Test func `Limits go with the state, and only to a device that has some`() throws {
        let limits = RateLimits(operations: Self.bucket(1))
        let driver = try TestDriver(Entropy(limits))
        driver.start()
        driver.rings[0].publish([.writable(Self.buffer, 64)])
        driver.notify(0)
        driver.rings[0].publish([.writable(Self.buffer, 64)])
        driver.notify(0)
        driver.transport.pause()
        let state = driver.transport.save()
        let other = try TestDriver(Entropy(.none), memory: driver.memory)
        try other.transport.restore(state)
        try other.transport.resume(on: EventLoop())
        other.drain()
        other.transport.detach()
        #expect(driver.rings[0].deviceUsedIndex == 1)
        let open = try TestDriver(Entropy())
        #expect(throws: RestoreError.value("limiter")) { try open.transport.restore(state) }
        #expect(!open.transport.withDevice { $0.setLimits(.none) })
    }
}
