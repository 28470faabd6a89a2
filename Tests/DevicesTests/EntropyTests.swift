// SPDX-License-Identifier: Apache-2.0
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
}
