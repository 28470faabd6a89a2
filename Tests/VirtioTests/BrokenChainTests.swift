// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// Rings that no driver may make, and what becomes of them.
@Suite struct BrokenChainTests {
    static let buffer = RingViolation.buffer

    @Test(arguments: RingViolation.all)
    func `A broken ring is refused`(_ violation: RingViolation) throws {
        let bench = try QueueBench(features: violation.features)

        violation.publish(&bench.driver)

        #expect(throws: violation.error) {
            if let chain = try bench.queue.next() { bench.queue.complete(chain, written: 0) }
        }
        #expect(bench.driver.takeUsed().isEmpty)
    }

    // MARK: Odd, but no violation

    @Test func `The same head in every slot comes as often`() throws {
        let bench = try QueueBench()
        bench.driver.setDescriptor(0, Descriptor(address: Self.buffer, length: 16))
        for _ in 0..<4 { bench.driver.publish(head: 0) }

        #expect(try bench.serveAll() == [0, 0, 0, 0])
    }

    @Test func `Descriptors without bytes name no memory`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(.max, 0), .writable(.max, 0)])

        let chain = try bench.take()
        #expect(chain.readable.count == 0)
        #expect(chain.writable.count == 0)
        bench.queue.complete(chain, written: 0)
    }

    @Test func `Address zero is RAM like any other`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.writable(0, 8)])

        let chain = try bench.take()
        let stored = chain.writable.store(UInt64(0x1122_3344_5566_7788))
        #expect(stored)
        bench.queue.complete(chain, written: 8)
        #expect(try bench.memory.load(UInt64.self, at: GuestAddress(0)) == 0x1122_3344_5566_7788)
    }

    @Test func `A driver that points at its own rings harms itself only`() throws {
        let bench = try QueueBench()
        let ring = QueueBench.ring
        bench.driver.publish([.writable(ring, 64), .writable(ring + 0x8000, 14)])

        let chain = try bench.take()
        bench.memory.fill(GuestAddress(ring), count: 64, with: 0xff)
        bench.queue.complete(chain, written: 78)

        #expect(bench.inFlight == 0)
    }

    @Test func `A driver that writes the used ring changes nothing for the device`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 1)])
        _ = try bench.serveAll()
        try bench.memory.store(UInt16(0xbeef), at: bench.driver.used &+ 2)

        bench.driver.publish([.readable(Self.buffer, 1)])
        _ = try bench.serveAll()

        #expect(bench.driver.deviceUsedIndex == 2)
    }

    @Test func `A chain of 4 GiB is refused though every buffer is RAM`() throws {
        let size: UInt16 = 256
        let bench = try QueueBench(size: size)
        let length = UInt32(16 << 20)
        bench.driver.publish(Array(repeating: .writable(QueueBench.buffer, length), count: 256))

        #expect(throws: VirtqueueError.chainBytes) {
            if let chain = try bench.queue.next() { bench.queue.complete(chain, written: 0) }
        }
    }
}

extension GuestMemory {
    /// Sets `count` bytes to `byte`.
    func fill(_ address: GuestAddress, count: Int, with byte: UInt8) {
        try? write([UInt8](repeating: byte, count: count), at: address)
    }
}
