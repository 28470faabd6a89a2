// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// A queue of four entries over real memory, and the driver that feeds it.
final class QueueBench {
    static let ring: UInt64 = 0x1_0000
    static let buffer: UInt64 = 0x20_0000

    let memory: GuestMemory
    var driver: DriverRing
    var queue: Virtqueue

    init(size: UInt16 = 4, features: FeatureSet = .queue) throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        self.memory = memory
        let driver = DriverRing(memory: memory, size: size, base: Self.ring)
        self.driver = driver
        queue = try Virtqueue(driver.state, limit: size, features: features, memory: memory)
    }

    func takeInterrupt() -> Bool { queue.takeInterrupt() }
    var inFlight: Int { queue.inFlight }

    struct NothingAvailable: Error {}

    /// The next chain, which must be there.
    func take() throws -> DescriptorChain {
        guard let chain = try queue.next() else { throw NothingAvailable() }
        return chain
    }

    /// Heads of all chains that are available, completed with `written` bytes each.
    func serveAll(written: Int = 0) throws(VirtqueueError) -> [UInt16] {
        var heads: [UInt16] = []
        while let chain = try queue.next() {
            heads.append(chain.head)
            queue.complete(chain, written: written)
        }
        return heads
    }
}

@Suite struct VirtqueueTests {
    static let buffer = QueueBench.buffer

    @Test func `A chain shows its readable and its writable part`() throws {
        let bench = try QueueBench()
        try bench.memory.write([1, 2, 3, 4], at: GuestAddress(Self.buffer))
        bench.driver.publish([
            .readable(Self.buffer, 2), .readable(Self.buffer + 2, 2),
            .writable(Self.buffer + 0x1000, 8),
        ])

        let chain = try bench.take()
        #expect(chain.readable.load(UInt32.self) == 0x0403_0201)
        #expect(chain.readable.load(UInt32.self, at: 1) == nil)
        #expect(chain.writable.byteCount == 8)
        let stored = chain.writable.store(UInt64(7))
        #expect(stored)
        bench.queue.complete(chain, written: 8)

        #expect(bench.driver.takeUsed() == [UsedElement(id: 0, length: 8)])
        #expect(try bench.memory.load(UInt64.self, at: GuestAddress(Self.buffer + 0x1000)) == 7)
        #expect(bench.inFlight == 0)
    }

    @Test func `An indirect table counts as the chain it holds`() throws {
        let bench = try QueueBench()
        let table = GuestAddress(0x30_0000)
        for index in 0..<4 as Range<UInt16> {
            var entry = Descriptor(address: Self.buffer + UInt64(index) * 64, length: 64)
            if index < 3 {
                entry.flags = Descriptor.hasNext
                entry.next = index + 1
            }
            try bench.memory.store(entry, at: table &+ UInt64(index) * 16)
        }
        // Behind an ordinary descriptor it still fits, one entry shorter.
        bench.driver.publish(
            head: bench.driver.link([
                Descriptor(address: table.rawValue, length: 64, flags: Descriptor.isIndirect)
            ]))

        let chain = try bench.take()
        #expect(chain.readable.byteCount == 256)
        bench.queue.complete(chain, written: 0)
    }

    @Test func `An indirect table's own writable flag means nothing`() throws {
        let bench = try QueueBench()
        let table = GuestAddress(0x30_0000)
        try bench.memory.store(Descriptor(address: Self.buffer, length: 5), at: table)
        bench.driver.publish(
            head: bench.driver.link([
                Descriptor(
                    address: table.rawValue, length: 16,
                    flags: Descriptor.isIndirect | Descriptor.isWritable)
            ]))

        let chain = try bench.take()
        #expect(chain.readable.byteCount == 5)
        #expect(chain.writable.count == 0)
        bench.queue.complete(chain, written: 0)
    }

    @Test func `A chain put back comes again`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 1)])
        bench.driver.publish([.readable(Self.buffer, 2)])

        bench.queue.putBack(try bench.take())

        #expect(bench.inFlight == 0)
        #expect(try bench.serveAll() == [0, 1])
    }

    /// Chains of 64, 4 and 64 bytes, taken ahead for input of at least 12.
    private func takeAhead(_ bench: QueueBench) throws -> WritableRun {
        for length in [64, 4, 64] as [UInt32] {
            bench.driver.publish([.writable(Self.buffer, length)])
        }
        var run = bench.queue.makeRun()
        for _ in 0..<2 {
            let isTaken = try bench.queue.take(into: &run, minimum: 12)
            #expect(isTaken)
        }
        let byteCount = run.byteCount
        #expect(byteCount == 128)
        return run
    }

    @Test func `A useless chain among those put back comes again in its place`() throws {
        let bench = try QueueBench()
        var run = try takeAhead(bench)

        bench.queue.putBack(&run)

        #expect(bench.inFlight == 0)
        #expect(bench.driver.takeUsed().isEmpty)
        #expect(try bench.serveAll() == [0, 1, 2])
    }

    @Test func `A useless chain goes back with those before it`() throws {
        let bench = try QueueBench()
        var run = try takeAhead(bench)
        let count = run.chains(for: 65)
        #expect(count == 3)

        bench.queue.complete(&run, written: 64)
        #expect(
            bench.driver.takeUsed() == [
                UsedElement(id: 0, length: 64), UsedElement(id: 1, length: 0),
            ])

        bench.queue.putBack(&run)
        #expect(bench.inFlight == 0)
        #expect(try bench.serveAll() == [2])
    }

    @Test func `A useless chain goes back at once if none is before it`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.writable(Self.buffer, 4)])
        var run = bench.queue.makeRun()

        let isTaken = try bench.queue.take(into: &run, minimum: 12)

        #expect(!isTaken)
        #expect(bench.inFlight == 0)
        #expect(bench.driver.takeUsed() == [UsedElement(id: 0, length: 0)])
    }

    @Test func `A chain is lent until it is done, while others are kept`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 3)])
        bench.driver.publish([.readable(Self.buffer, 1), .writable(Self.buffer, 7)])
        let kept = try bench.take()
        var sizes: [[Int]] = []
        var loans: [Virtqueue.Loan] = []
        for answer in [nil, 5, 9] as [Int?] {
            loans.append(
                try bench.queue.lend { chain in
                    sizes.append([chain.readable.byteCount, chain.writable.byteCount])
                    chain.readable.removeFirst(1)
                    return answer
                })
        }
        #expect(loans == [.again, .done, .none])
        // What was done to it the first time is forgotten.
        #expect(sizes == [[1, 7], [1, 7]])
        #expect(bench.inFlight == 1)
        bench.queue.complete(kept, written: 0)
        #expect(
            bench.driver.takeUsed() == [
                UsedElement(id: 1, length: 5), UsedElement(id: 0, length: 0),
            ])
    }

    @Test func `A broken chain is not lent`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 3), .readable(.max, 1)])
        var wasLent = false
        #expect(throws: VirtqueueError.buffer(GuestAddress(.max), count: 1)) {
            _ = try bench.queue.lend { _ in
                wasLent = true
                return 0
            }
        }
        #expect(!wasLent)
        #expect(bench.driver.takeUsed().isEmpty)
    }

    @Test func `Chains are completed in any order`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 1)])
        bench.driver.publish([.writable(Self.buffer, 2)])

        let first = try bench.take()
        let second = try bench.take()
        bench.queue.complete(second, written: 2)
        bench.queue.complete(first, written: 0)

        #expect(
            bench.driver.takeUsed() == [
                UsedElement(id: 1, length: 2), UsedElement(id: 0, length: 0),
            ])
    }

    @Test func `Indices wrap around`() throws {
        let bench = try QueueBench()
        for round in 0..<70_000 {
            bench.driver.nextDescriptor = 0
            bench.driver.publish([.readable(Self.buffer, 1)])
            let heads = try bench.serveAll()
            guard heads == [0], bench.driver.takeUsed().count == 1 else {
                Issue.record("round \(round)")
                return
            }
        }
        let position = bench.queue.position
        #expect(position.nextAvailable == UInt16(70_000 % 65_536))
    }

    @Test func `A descriptor is read once`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 16)])

        let chain = try bench.take()
        bench.driver.setDescriptor(0, Descriptor(address: .max, length: .max, flags: 2))

        #expect(chain.readable.byteCount == 16)
        #expect(chain.readable.load(UInt8.self, at: 15) == 0)
        bench.queue.complete(chain, written: 0)
    }

    // MARK: Interrupts

    @Test func `Without event index the driver's flag silences`() throws {
        let bench = try QueueBench(features: .version1)
        #expect(!bench.takeInterrupt())

        bench.driver.publish([.readable(Self.buffer, 1)])
        _ = try bench.serveAll()
        #expect(bench.takeInterrupt())
        #expect(!bench.takeInterrupt())

        // Only bit 0 counts.
        bench.driver.setAvailableFlags(0xfffe)
        bench.driver.publish([.readable(Self.buffer, 1)])
        _ = try bench.serveAll()
        #expect(bench.takeInterrupt())

        bench.driver.setAvailableFlags(1)
        bench.driver.publish([.readable(Self.buffer, 1)])
        _ = try bench.serveAll()
        #expect(!bench.takeInterrupt())
    }

    @Test(
        arguments: [
            (event: 0, expected: true), (event: 1, expected: true), (event: 2, expected: true),
            (event: 3, expected: false), (event: 0x7fff, expected: false),
            (event: 0xffff, expected: false),
        ] as [(UInt16, Bool)])
    func `With event index the driver hears when its index is passed`(
        event: UInt16, expected: Bool
    ) throws {
        let bench = try QueueBench()
        bench.driver.setUsedEvent(event)
        for _ in 0..<3 { bench.driver.publish([.readable(Self.buffer, 1)]) }

        _ = try bench.serveAll()

        #expect(bench.takeInterrupt() == expected)
    }

    @Test func `An empty queue asks to hear of the next chain`() throws {
        let bench = try QueueBench()
        bench.driver.publish([.readable(Self.buffer, 1)])
        bench.driver.publish([.readable(Self.buffer, 1)])

        _ = try bench.serveAll()

        #expect(bench.driver.availableEvent == 2)
    }

    // MARK: Set-up

    struct SetUp: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout QueueState) -> Void
        let error: VirtqueueError

        init(
            _ name: String, _ error: VirtqueueError,
            _ change: @escaping @Sendable (inout QueueState) -> Void
        ) {
            testDescription = name
            self.error = error
            self.change = change
        }
    }

    static let end = UInt64(32 << 20)
    static let setUps = [
        SetUp("size 0", .size(0)) { $0.size = 0 },
        SetUp("size 3", .size(3)) { $0.size = 3 },
        SetUp("size above the limit", .size(16)) { $0.size = 16 },
        SetUp("size 0x8000", .size(0x8000)) { $0.size = 0x8000 },
        SetUp("descriptors misaligned", .ring(GuestAddress(0x1_0008))) {
            $0.descriptors = GuestAddress(0x1_0008)
        },
        SetUp("available ring misaligned", .ring(GuestAddress(0x2_0001))) {
            $0.available = GuestAddress(0x2_0001)
        },
        SetUp("used ring misaligned", .ring(GuestAddress(0x3_0002))) {
            $0.used = GuestAddress(0x3_0002)
        },
        SetUp("descriptors past RAM", .ring(GuestAddress(end - 112))) {
            $0.descriptors = GuestAddress(end - 112)
        },
        SetUp("available ring past RAM", .ring(GuestAddress(end - 20))) {
            $0.available = GuestAddress(end - 20)
        },
        SetUp("used ring past RAM", .ring(GuestAddress(end - 68))) {
            $0.used = GuestAddress(end - 68)
        },
        SetUp("descriptors in the device hole", .ring(GuestAddress(0xd000_0000))) {
            $0.descriptors = GuestAddress(0xd000_0000)
        },
        SetUp("used ring at the end of the address space", .ring(GuestAddress(.max - 3))) {
            $0.used = GuestAddress(.max - 3)
        },
    ]

    @Test(arguments: setUps)
    func `A ring set up wrongly is refused`(_ setUp: SetUp) throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var state = DriverRing(memory: memory, size: 8, base: QueueBench.ring).state

        setUp.change(&state)

        #expect(throws: setUp.error) {
            _ = try Virtqueue(state, limit: 8, features: .queue, memory: memory)
        }
    }

    @Test func `Rings that end with RAM are accepted`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var state = QueueState(size: 8)
        state.descriptors = GuestAddress(Self.end - 128)
        state.available = GuestAddress(Self.end - 22)
        state.used = GuestAddress(Self.end - 72)

        let queue = try Virtqueue(state, limit: 8, features: .queue, memory: memory)

        let size = queue.size
        #expect(size == 8)
    }
}
