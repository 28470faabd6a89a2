// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// What becomes of requests that the kernel does not answer for.
@Suite struct BlockRingTests {
    /// A ring with one read under way, which does not end: a pipe has the place of the file.
    final class Bench {
        /// How long the kernel may refuse to be waited for, in nanoseconds.
        static let patience: UInt64 = 20_000_000

        let ring: BlockRing
        let disk: BlockDisk
        var queues: Virtqueues
        var driver: DriverRing
        private let file: ScratchFile
        private var ends: [CInt] = [-1, -1]

        struct Missing: Error {}

        init() throws {
            let memory = try GuestMemory(byteCount: 32 << 20)
            let driver = DriverRing(memory: memory, size: 4, base: 0x1_0000)
            self.driver = driver
            file = try ScratchFile(byteCount: 4096)
            disk = try BlockDisk(file.path, isReadOnly: true)
            ring = try BlockRing(BlockTally(), patience: Self.patience)
            queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
            queues[0] = try Virtqueue(driver.state, limit: 4, features: .queue, memory: memory)
            guard unsafe pipe(&ends) == 0, dup2(ends[0], disk.file.rawValue) >= 0 else {
                throw Missing()
            }
            try begin()
            ring.submit(&queues)
            ring.reap(disk, &queues)
        }

        deinit { for end in ends { _ = Glibc.close(end) } }

        /// Takes a read of the driver's and begins it.
        func begin() throws {
            driver.publish([.writable(BlockGuest.data, 512)])
            guard let chain = try queues[0].next() else { throw Missing() }
            ring.advance(
                BlockRequest(
                    chain, queue: 0, operation: .read, position: 0,
                    status: GuestAddress(BlockGuest.statuses)),
                disk, &queues)
        }

        /// From now on the kernel knows nothing of the ring.
        func loseRing() throws {
            guard dup2(ends[0], ring.descriptor) >= 0 else { throw Missing() }
        }

        /// What came last of a request.
        func status() throws -> UInt8 {
            try driver.memory.load(UInt8.self, at: GuestAddress(BlockGuest.statuses))
        }

        func drain() { ring.drain(disk, &queues) }
        func abandon() { ring.abandon(disk, &queues) }
    }

    @Test(arguments: [true, false])
    func `Requests that the kernel does not answer for hold up nobody`(resets: Bool) throws {
        let bench = try Bench()
        #expect(bench.ring.count == 1)
        try bench.loseRing()

        let start = Clock.monotonic
        if resets { bench.abandon() } else { bench.drain() }

        // Not at the first refusal: that may pass.
        #expect(Clock.monotonic - start >= Bench.patience)
        #expect(bench.ring.isLost)
        #expect(bench.driver.takeUsed().isEmpty)
        // A second time nobody waits, and what is new fails.
        bench.drain()
        try bench.begin()
        #expect(bench.driver.takeUsed() == [UsedElement(id: 1, length: 0)])
        #expect(try bench.status() == BlockStatus.ioError.rawValue)
        #expect(bench.ring.hasRoom)
    }
}
