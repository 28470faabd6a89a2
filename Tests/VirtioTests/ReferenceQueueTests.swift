// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// The queue beside ``ReferenceQueue``, with a driver that makes chains of all kinds, good and bad,
/// and a device that completes, puts back, borrows, and is saved and restored in between.
@Suite struct ReferenceQueueTests {
    @Test(
        arguments: 1...12 as ClosedRange<UInt64>,
        [.queue, .version1, [.version1, .eventIndex]] as [FeatureSet])
    func `The ring does what the standard tells`(seed: UInt64, features: FeatureSet) throws {
        let play = try Play(Dice(seed), features)
        var chains = 0
        var breaks = 0
        for step in 0..<6000 {
            if let wrong = try play.step() {
                Issue.record("seed \(seed), step \(step): \(wrong)")
                return
            }
            chains += play.tookChain ? 1 : 0
            breaks += play.wasBroken ? 1 : 0
        }
        // The dice must not miss what they are for.
        #expect(chains > 100)
        #expect(breaks > 20)
    }

    /// One driver, one queue, and what should become of them.
    final class Play {
        private var dice: Dice
        private let features: FeatureSet
        private let size: UInt16
        private let memory: GuestMemory
        private var ring: DriverRing
        private var queue: Virtqueue
        private var reference: ReferenceQueue
        private var taken: [VirtqueueModelTests.Box] = []
        private var heads: [UInt16] = []
        private(set) var tookChain = false
        private(set) var wasBroken = false

        init(_ dice: Dice, _ features: FeatureSet) throws {
            let memory = try GuestMemory(byteCount: 32 << 20)
            self.memory = memory
            self.dice = dice
            self.features = features
            size = 8
            ring = DriverRing(memory: memory, size: size, base: QueueBench.ring)
            queue = Virtqueue(idleIn: memory)
            reference = ReferenceQueue(size: size, features: features, start: 0)
            try begin()
        }

        /// A new ring whose indices may soon wrap.
        private func begin() throws {
            let start = UInt16.random(in: 0xfff0...0xffff, using: &dice)
            ring = DriverRing(memory: memory, size: size, base: QueueBench.ring)
            ring.availableIndex = start
            ring.usedIndex = start
            ring.setAvailableIndex(start)
            try memory.storeRelease(start, at: ring.used &+ 2)
            try memory.zero(at: GuestAddress(ReferenceQueue.tableBase), count: Int(size) * 16)
            var state = ring.state
            state.nextAvailable = start
            state.nextUsed = start
            state.signalledUsed = start
            queue = try Virtqueue(state, limit: size, features: features, memory: memory)
            reference = ReferenceQueue(size: size, features: features, start: start)
            taken = []
            heads = []
        }

        func step() throws -> String? {
            tookChain = false
            wasBroken = false
            switch Int.random(in: 0..<16, using: &dice) {
            case 0...4: describe()
            case 5...8: publish()
            case 9, 10: return try take()
            case 11: return lend()
            case 12, 13: return try complete()
            case 14: return interrupt()
            default: try restore()
            }
            return nil
        }

        // MARK: The driver

        private func describe() {
            let isIndirect = Int.random(in: 0..<4, using: &dice) == 0
            let index = UInt16.random(in: 0..<size, using: &dice)
            let descriptor = descriptor()
            if isIndirect {
                reference.indirect[Int(index)] = descriptor
                try? memory.store(
                    descriptor,
                    at: GuestAddress(ReferenceQueue.tableBase + UInt64(index) * 16))
            } else {
                reference.table[Int(index)] = descriptor
                ring.setDescriptor(index, descriptor)
            }
        }

        private func descriptor() -> Descriptor {
            let buffer = QueueBench.buffer + UInt64.random(in: 0..<64, using: &dice) * 64
            var descriptor = Descriptor(
                address: buffer, length: UInt32.random(in: 0...512, using: &dice))
            let oddity = Int.random(in: 0..<24, using: &dice)
            switch oddity {
            case 0: descriptor.address = UInt64(32 << 20) - 8
            case 1: descriptor.address = .max - 7
            case 2: descriptor.length = .max
            case 3...7:
                descriptor.flags |= Descriptor.isIndirect
                descriptor.address = ReferenceQueue.tableBase
                let count = UInt32.random(in: 0...9, using: &dice)
                descriptor.length = count * 16 + (oddity == 3 ? 8 : 0)
            default: break
            }
            if Int.random(in: 0..<3, using: &dice) > 0 { descriptor.flags |= Descriptor.isWritable }
            if Int.random(in: 0..<3, using: &dice) == 0 {
                descriptor.flags |= Descriptor.hasNext
                descriptor.next = UInt16.random(in: 0...size, using: &dice)
            }
            return descriptor
        }

        private func publish() {
            guard reference.available.count < Int(size) else { return }
            let isBad = Int.random(in: 0..<60, using: &dice) == 0
            let head = isBad ? size + 3 : UInt16.random(in: 0..<size, using: &dice)
            ring.publish(head: head)
            reference.available.append(head)
        }

        // MARK: The device

        private func take() throws -> String? {
            let expected = reference.peek()
            do throws(VirtqueueError) {
                guard let chain = try queue.next() else {
                    return expected == .nothing ? nil : "nothing came, not \(expected)"
                }
                let found = ReferenceQueue.Answer.chain(
                    head: chain.head, readable: Self.pieces(chain.readable),
                    writable: Self.pieces(chain.writable))
                guard found == expected else { return "\(found) came, not \(expected)" }
                keep(chain)
            } catch {
                guard expected == .broken else { return "\(error), not \(expected)" }
                wasBroken = true
                do { try begin() } catch { return "\(error)" }
            }
            return nil
        }

        private func keep(_ chain: consuming DescriptorChain) {
            tookChain = true
            if Int.random(in: 0..<4, using: &dice) == 0 { return queue.putBack(chain) }
            heads.append(reference.available.removeFirst())
            taken.append(VirtqueueModelTests.Box(chain))
        }

        /// A chain that is done with at once, or comes again.
        private func lend() -> String? {
            let expected = reference.peek()
            let isDone = Bool.random(using: &dice)
            let written = isDone ? UInt32.random(in: 0..<1000, using: &dice) : nil
            var found = ReferenceQueue.Answer.nothing
            var loan = Virtqueue.Loan.none
            do throws(VirtqueueError) {
                loan = try queue.lend { chain in
                    found = .chain(
                        head: chain.head, readable: Self.pieces(chain.readable),
                        writable: Self.pieces(chain.writable))
                    return written.map { Int($0) }
                }
            } catch {
                guard expected == .broken else { return "\(error), not \(expected)" }
                wasBroken = true
                do { try begin() } catch { return "\(error)" }
                return nil
            }
            guard found == expected else { return "\(found) was lent, not \(expected)" }
            guard case .chain(let head, _, _) = found else {
                return loan == .none ? nil : "a loan of nothing ended with \(loan)"
            }
            tookChain = true
            guard loan == (written == nil ? .again : .done) else { return "it ended with \(loan)" }
            guard let written else { return nil }
            reference.available.removeFirst()
            reference.complete(head, written)
            return compareUsed()
        }

        private static func pieces(_ slices: borrowing GuestSlices) -> [ReferenceQueue.Piece] {
            var pieces: [ReferenceQueue.Piece] = []
            for index in 0..<slices.count {
                let range = slices.range(index)
                pieces.append(
                    ReferenceQueue.Piece(
                        address: range.address.rawValue, count: range.byteCount))
            }
            return pieces
        }

        private func complete() throws -> String? {
            guard !taken.isEmpty else { return nil }
            let index = Int.random(in: 0..<taken.count, using: &dice)
            let written = UInt32.random(in: 0..<1000, using: &dice)
            let chain = try taken.remove(at: index).open()
            queue.complete(chain, written: Int(written))
            reference.complete(heads.remove(at: index), written)
            return compareUsed()
        }

        private func compareUsed() -> String? {
            guard ring.deviceUsedIndex == reference.usedIndex else {
                return "the used index is \(ring.deviceUsedIndex), not \(reference.usedIndex)"
            }
            let found = ring.takeUsed()
            defer { reference.used = [] }
            return found == reference.used ? nil : "\(found) came back, not \(reference.used)"
        }

        private func interrupt() -> String? {
            let found = queue.takeInterrupt()
            let expected = reference.takeInterrupt()
            let event = reference.usedIndex &+ UInt16.random(in: 0...3, using: &dice) &- 1
            reference.usedEvent = event
            ring.setUsedEvent(event)
            reference.isSilent = Bool.random(using: &dice)
            ring.setAvailableFlags(reference.isSilent ? 1 : 0)
            return found == expected ? nil : "an interrupt: \(found), not \(expected)"
        }

        private func restore() throws {
            guard taken.isEmpty else { return }
            queue = try Virtqueue(
                queue.position, limit: size, features: features, memory: memory)
        }
    }
}
