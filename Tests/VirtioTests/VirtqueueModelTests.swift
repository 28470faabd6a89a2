// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// The queue beside a plain one, under driver and device taking turns at random.
@Suite struct VirtqueueModelTests {
    /// What a queue is, without any ring.
    struct Model {
        var available: [(head: UInt16, readable: Int, writable: Int)] = []
        var taken: [UInt16] = []
        var used: [UsedElement] = []
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>, [FeatureSet.queue, .version1])
    func `The ring does what a plain queue does`(seed: UInt64, features: FeatureSet) throws {
        var dice = Dice(seed)
        let size = UInt16(1) << UInt16.random(in: 1...6, using: &dice)
        let bench = try QueueBench(size: size, features: features)
        var model = Model()
        var chains: [Box] = []
        var free = Array(0..<size)

        for step in 0..<20_000 {
            switch Int.random(in: 0..<5, using: &dice) {
            case 0, 1:
                publish(bench, &model, &free, &dice)
            case 2, 3:
                let chain = try bench.queue.next()
                let expected = model.available.isEmpty ? nil : model.available.removeFirst()
                guard let chain = chain else {
                    guard expected == nil else { return fail(step, "no chain") }
                    continue
                }
                guard let expected, chain.head == expected.head,
                    chain.readable.byteCount == expected.readable,
                    chain.writable.byteCount == expected.writable
                else { return fail(step, "another chain") }
                if Bool.random(using: &dice) {
                    bench.queue.putBack(chain)
                    model.available.insert(expected, at: 0)
                } else {
                    chains.append(Box(chain))
                    model.taken.append(expected.head)
                }
            default:
                guard !chains.isEmpty else { continue }
                let index = Int.random(in: 0..<chains.count, using: &dice)
                let written = Int.random(in: 0..<1000, using: &dice)
                let head = model.taken.remove(at: index)
                bench.queue.complete(try chains.remove(at: index).open(), written: written)
                model.used.append(UsedElement(id: UInt32(head), length: UInt32(written)))
                if Bool.random(using: &dice) {
                    let used = bench.driver.takeUsed()
                    guard used == model.used else { return fail(step, "used \(used)") }
                    free += used.map { UInt16($0.id) }
                    model.used = []
                }
            }
            guard bench.inFlight == chains.count else { return fail(step, "in flight") }
        }
    }

    private func fail(_ step: Int, _ text: String) { Issue.record("step \(step): \(text)") }

    /// A chain of one descriptor at a free head.
    private func publish(
        _ bench: QueueBench, _ model: inout Model, _ free: inout [UInt16], _ dice: inout Dice
    ) {
        guard !free.isEmpty else { return }
        let head = free.remove(at: Int.random(in: 0..<free.count, using: &dice))
        let length = UInt32.random(in: 1...4096, using: &dice)
        let isWritable = Bool.random(using: &dice)
        bench.driver.setDescriptor(
            head,
            Descriptor(
                address: QueueBench.buffer, length: length,
                flags: isWritable ? Descriptor.isWritable : 0))
        bench.driver.publish(head: head)
        model.available.append(
            (head, isWritable ? 0 : Int(length), isWritable ? Int(length) : 0))
    }

    /// Keeps a chain in a list.
    final class Box {
        private var chain: DescriptorChain?
        init(_ chain: consuming DescriptorChain) { self.chain = consume chain }
        struct Empty: Error {}
        func open() throws -> DescriptorChain {
            guard let chain = chain.take() else { throw Empty() }
            return chain
        }
    }
}
