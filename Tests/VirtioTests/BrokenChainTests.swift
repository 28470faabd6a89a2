// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// Rings that no driver may make, and what becomes of them.
@Suite struct BrokenChainTests {
    struct Violation: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let error: VirtqueueError
        let features: FeatureSet
        let publish: @Sendable (inout DriverRing) -> Void

        init(
            _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
            _ publish: @escaping @Sendable (inout DriverRing) -> Void
        ) {
            testDescription = rule
            self.error = error
            self.features = features
            self.publish = publish
        }

        /// The chain is published as the table holds it.
        static func chain(
            _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
            _ descriptors: [Descriptor]
        ) -> Violation {
            Violation(rule, error, features: features) { ring in
                for (index, descriptor) in descriptors.enumerated() {
                    ring.setDescriptor(UInt16(index), descriptor)
                }
                ring.publish(head: 0)
            }
        }

        /// One indirect descriptor to `table`.
        static func indirect(
            _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
            length: UInt32? = nil, flags: UInt16 = 0, _ table: [Descriptor]
        ) -> Violation {
            Violation(rule, error, features: features) { ring in
                for (index, descriptor) in table.enumerated() {
                    try? ring.memory.store(
                        descriptor, at: GuestAddress(tableBase + UInt64(index) * 16))
                }
                ring.setDescriptor(
                    0,
                    Descriptor(
                        address: tableBase, length: length ?? UInt32(table.count * 16),
                        flags: Descriptor.isIndirect | flags, next: 1))
                ring.publish(head: 0)
            }
        }
    }

    static let tableBase: UInt64 = 0x30_0000
    static let end = GuestMemory.minimum

    static func entry(
        _ address: UInt64 = QueueBench.buffer, _ length: UInt32 = 16, flags: UInt16 = 0,
        next: UInt16 = 0
    ) -> Descriptor { Descriptor(address: address, length: length, flags: flags, next: next) }

    static let more = Descriptor.hasNext
    static let write = Descriptor.isWritable

    static let chains: [Violation] = [
        .chain("2.7.5: next stays inside the table", .next(4), [entry(flags: more, next: 4)]),
        .chain("2.7.5: next at its largest", .next(.max), [entry(flags: more, next: .max)]),
        .chain("2.7.5.2: a chain does not point at itself", .chainLength, [entry(flags: more)]),
        .chain(
            "2.7.5.2: a chain does not loop", .chainLength,
            [entry(flags: more, next: 1), entry(flags: more, next: 0)]),
        .chain(
            "2.7.5.2: a chain of more than the queue's size", .chainLength,
            (0..<4).map { entry(flags: more, next: ($0 + 1) % 4) }),
        .chain(
            "2.7.4.2: readable descriptors come first", .readableAfterWritable,
            [entry(flags: more | write, next: 1), entry()]),
        .chain(
            "2.7.4.2: also after a writable one without bytes", .readableAfterWritable,
            [entry(0, 0, flags: more | write, next: 1), entry()]),
        .chain(
            "2.7.4.2: readable and writable do not alternate", .readableAfterWritable,
            [entry(flags: more, next: 1), entry(flags: more | write, next: 2), entry()]),
        .chain(
            "a buffer beyond RAM", .buffer(GuestAddress(end), count: 16), [entry(end)]),
        .chain(
            "a buffer across RAM's end", .buffer(GuestAddress(end - 8), count: 16),
            [entry(end - 8)]),
        .chain(
            "a buffer in the device hole", .buffer(GuestAddress(0xc000_1000), count: 16),
            [entry(0xc000_1000)]),
        .chain(
            "a buffer whose end wraps", .buffer(GuestAddress(.max - 7), count: 16),
            [entry(.max - 7)]),
        .chain(
            "a buffer at the largest address", .buffer(GuestAddress(.max), count: .max),
            [entry(.max, .max, flags: write)]),
        .chain(
            "a length larger than RAM",
            .buffer(GuestAddress(QueueBench.buffer), count: .max), [entry(QueueBench.buffer, .max)]),
        .chain(
            "a second buffer that is bad", .buffer(GuestAddress(end), count: 1),
            [entry(flags: more, next: 1), entry(end, 1, flags: write)]),
        .chain(
            "2.7.5.3.1: indirect was not negotiated", .indirect,
            features: [.version1, .eventIndex],
            [entry(tableBase, 16, flags: Descriptor.isIndirect)]),
    ]

    static let tables: [Violation] = [
        .indirect(
            "2.7.5.3.1: an indirect table holds none", .indirect,
            [entry(tableBase, 16, flags: Descriptor.isIndirect)]),
        .indirect("2.7.5.3.1: indirect with next", .indirect, flags: more, [entry()]),
        .indirect("an indirect table of no bytes", .indirectLength(0), length: 0, []),
        .indirect("an indirect table of 8 bytes", .indirectLength(8), length: 8, [entry()]),
        .indirect("an indirect table of 17 bytes", .indirectLength(17), length: 17, [entry()]),
        .indirect(
            "an indirect table larger than the queue", .indirectLength(80), length: 80, [entry()]),
        .indirect(
            "an indirect table of 4 GiB", .indirectLength(.max - 15), length: .max - 15, [entry()]),
        .indirect(
            "an indirect table that loops", .chainLength,
            [entry(flags: more, next: 1), entry(flags: more, next: 0)]),
        .indirect(
            "next stays inside the indirect table, not the queue's", .next(2),
            [entry(flags: more, next: 1), entry(flags: more, next: 2)]),
        .indirect(
            "a bad buffer in an indirect table", .buffer(GuestAddress(end), count: 16),
            [entry(end)]),
        .chain(
            "an indirect table beyond RAM", .buffer(GuestAddress(end), count: 16),
            [entry(end, 16, flags: Descriptor.isIndirect)]),
        .chain(
            "an indirect table across RAM's end", .buffer(GuestAddress(end - 16), count: 32),
            [entry(end - 16, 32, flags: Descriptor.isIndirect)]),
        .chain(
            "an indirect table in the device hole", .buffer(GuestAddress(0xd000_0000), count: 16),
            [entry(0xd000_0000, 16, flags: Descriptor.isIndirect)]),
    ]

    static let indices: [Violation] = [
        Violation("a head outside the table", .head(4)) { $0.publish(head: 4) },
        Violation("a head at its largest", .head(.max)) { $0.publish(head: .max) },
        Violation("the index jumps past the size", .availableIndex(5)) {
            $0.setAvailableIndex(5)
        },
        Violation("the index jumps far", .availableIndex(0x8000)) {
            $0.setAvailableIndex(0x8000)
        },
        Violation("the index goes backwards", .availableIndex(0xffff)) {
            $0.setAvailableIndex(0xffff)
        },
    ]

    @Test(arguments: chains + tables + indices)
    func `A broken ring is refused`(_ violation: Violation) throws {
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
        bench.driver.setDescriptor(0, Self.entry())
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
        bench.driver.publish([.readable(Self.entry().address, 1)])
        _ = try bench.serveAll()
        try bench.memory.store(UInt16(0xbeef), at: bench.driver.used &+ 2)

        bench.driver.publish([.readable(Self.entry().address, 1)])
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
