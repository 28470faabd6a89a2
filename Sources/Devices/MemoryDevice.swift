// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Memory that the guest plugs and unplugs as the host asks. VIRTIO 1.2, 5.15 (virtio-mem).
///
/// The host names a size; the driver plugs and unplugs blocks until it has that much. It cannot
/// plug more. An unplugged block holds no memory of the host and is no RAM; one that a device is about
/// to touch, or that a ring lies in, stays plugged.
///
/// Served on the thread of the vCPU that asks, and by the event loop if that is not done in one turn.
package struct MemoryDevice: ~Copyable, VirtioDevice {
    package static let id = DeviceID.memory
    package static let queueSizes: [UInt16] = [64]
    /// The driver must not touch what is not plugged. 5.15.3.
    static let unpluggedInaccessible = FeatureSet(bit: 1)

    /// Bytes of a request and of an answer. 5.15.6.
    static var requestSize: Int { 24 }
    static var answerSize: Int { 10 }

    /// Requests in one turn; then others who need the device have theirs.
    static let turnLimit = 64
    /// Blocks that the requests of a turn may name before it ends: a GiB of the smallest. An engine
    /// maps each by itself, and each page of them may have held code. One request is done whole.
    static let turnBlocks = 512

    private let memory: GuestMemory
    private let blocks: PluggableMemory
    /// Bytes that the guest is to have plugged.
    package private(set) var requestedByteCount: UInt64 = 0
    private var pluggedCount: UInt64 = 0
    /// The last turn ended with requests left.
    private var isUnfinished = false
    package private(set) var counts = Counts()

    /// What the guest has asked for since the device was made.
    package struct Counts: Sendable {
        package var plugs = Requests()
        package var unplugs = Requests()
        package var unplugAlls = Requests()
        package var states = Requests()
        /// Memory that the host could not take back.
        package var keptByHost: UInt64 = 0

        package struct Requests: Sendable {
            package var times = Latency()
            package var bytes: UInt64 = 0
            package var failures: UInt64 = 0
        }
    }

    /// Nil if `memory` has no blocks to plug.
    package init?(_ memory: GuestMemory) {
        guard let blocks = memory.pluggable else { return nil }
        self.memory = memory
        self.blocks = blocks
        pluggedCount = UInt64((0..<blocks.blockCount).filter { blocks.isPlugged($0) }.count)
    }

    package var features: FeatureSet { Self.unpluggedInaccessible }
    package var byteCount: UInt64 { blocks.region.byteCount }
    package var blockSize: UInt64 { blocks.blockSize }
    package var pluggedByteCount: UInt64 { pluggedCount * blocks.blockSize }

    /// The host's wish; behind `MMIOTransport.updateConfiguration`. False, and nothing changes, if
    /// it is not made of whole blocks or more than there are.
    package mutating func setRequested(_ byteCount: UInt64) -> Bool {
        guard byteCount <= self.byteCount, byteCount.isMultiple(of: blockSize) else { return false }
        requestedByteCount = byteCount
        return true
    }

    // MARK: Configuration. 5.15.4

    package var configurationSize: Int { 56 }

    package func configurationByte(at offset: Int) -> UInt8 {
        let word: UInt64 =
            switch offset / 8 {
            case 0: blockSize
            // Node, and padding.
            case 1: 0
            case 2: blocks.region.base.rawValue
            // The region, and how much of it may be used.
            case 3, 4: byteCount
            case 5: pluggedByteCount
            default: requestedByteCount
            }
        return UInt8(truncatingIfNeeded: word >> UInt64(offset % 8 * 8))
    }

    // MARK: Requests. 5.15.6

    private enum Kind { static let plug = 0, unplug = 1, unplugAll = 2, state = 3 }

    /// The type of an answer, and for ``Kind/state`` what it says.
    private enum Answer: Hashable {
        case acknowledged, refused, busy, wrong
        case state(UInt16)

        var type: UInt16 {
            switch self {
            case .acknowledged, .state: 0
            case .refused: 1
            case .busy: 2
            case .wrong: 3
            }
        }
    }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        var blocksLeft = Self.turnBlocks
        for _ in 0..<Self.turnLimit where blocksLeft > 0 {
            guard let chain = try queues[index].next() else { return }
            let answer = countedAnswer(chain, &blocksLeft)
            var written = 0
            if chain.writable.byteCount >= Self.answerSize {
                chain.writable.store(UInt64(answer.type))
                if case .state(let state) = answer { chain.writable.store(state, at: 8) }
                written = Self.answerSize
            }
            queues[index].complete(chain, written: written)
        }
        isUnfinished = true
    }

    package mutating func takeUnfinished() -> Bool {
        defer { isUnfinished = false }
        return isUnfinished
    }

    private mutating func countedAnswer(
        _ chain: borrowing DescriptorChain, _ blocksLeft: inout Int
    ) -> Answer {
        let before = pluggedByteCount
        let begun = Clock.monotonic
        let answer = answer(chain, &blocksLeft)
        let requests: WritableKeyPath<Counts, Counts.Requests>
        switch chain.readable.load(UInt16.self).map(Int.init) {
        case Kind.plug: requests = \.plugs
        case Kind.unplug: requests = \.unplugs
        case Kind.unplugAll: requests = \.unplugAlls
        case Kind.state: requests = \.states
        default: return answer
        }
        counts[keyPath: requests].times.record(Clock.monotonic &- begun)
        if answer.type != 0 { counts[keyPath: requests].failures &+= 1 }
        let after = pluggedByteCount
        counts[keyPath: requests].bytes &+= after > before ? after - before : before - after
        return answer
    }

    /// Takes the blocks that the request names from `blocksLeft`.
    private mutating func answer(
        _ chain: borrowing DescriptorChain, _ blocksLeft: inout Int
    ) -> Answer {
        // Without room to say how it went nothing is done.
        guard chain.writable.byteCount >= Self.answerSize,
            let kind = chain.readable.load(UInt16.self)
        else { return .wrong }
        if Int(kind) == Kind.unplugAll {
            blocksLeft -= blocks.blockCount
            return change(0..<blocks.blockCount, plugged: false)
        }
        guard chain.readable.byteCount >= Self.requestSize,
            let address = chain.readable.load(UInt64.self, at: 8),
            let count = chain.readable.load(UInt16.self, at: 16),
            let range = range(GuestAddress(address), Int(count))
        else { return .wrong }
        blocksLeft -= range.count
        switch Int(kind) {
        case Kind.plug:
            guard plugged(range) == 0 else { return .wrong }
            let size = UInt64(range.count) * blockSize
            guard pluggedByteCount + size <= requestedByteCount else { return .refused }
            return change(range, plugged: true)
        case Kind.unplug:
            guard plugged(range) == range.count else { return .wrong }
            return change(range, plugged: false)
        case Kind.state:
            let plugged = plugged(range)
            return .state(plugged == 0 ? 1 : plugged == range.count ? 0 : 2)
        default:
            return .wrong
        }
    }

    /// The numbers of `count` blocks from `address` on, if there are so many.
    private func range(_ address: GuestAddress, _ count: Int) -> Range<Int>? {
        let offset = address.rawValue &- blocks.region.base.rawValue
        guard count > 0, offset < byteCount, offset.isMultiple(of: blockSize) else { return nil }
        let first = Int(offset / blockSize)
        return count <= blocks.blockCount - first ? first..<first + count : nil
    }

    private func plugged(_ range: Range<Int>) -> Int {
        range.reduce(0) { $0 + (blocks.isPlugged($1) ? 1 : 0) }
    }

    private mutating func change(_ range: Range<Int>, plugged: Bool) -> Answer {
        let before = self.plugged(range)
        if plugged {
            do throws(MemoryError) {
                try memory.plug(blocks: range)
            } catch {
                return .refused
            }
            pluggedCount += UInt64(range.count - before)
            return .acknowledged
        }
        do throws(MemoryError) {
            try memory.unplug(blocks: range)
        } catch .inUse {
            return .busy
        } catch {
            // A host that cannot take the memory back has it still: the blocks are gone all the same.
            counts.keptByHost &+= 1
        }
        pluggedCount -= UInt64(before)
        return .acknowledged
    }

    // MARK: Reset, save and restore

    /// Blocks stay as they are: a driver that comes back finds its memory. 5.15.5.1.
    package mutating func reset() { isUnfinished = false }

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package var byteCount: UInt64
        package var blockSize: UInt64
        package var requestedByteCount: UInt64
        /// A bit a block, the first the lowest.
        package var plugged: [UInt64]
    }

    package func save() -> State {
        var plugged = [UInt64](repeating: 0, count: (blocks.blockCount + 63) / 64)
        for block in 0..<blocks.blockCount where blocks.isPlugged(block) {
            plugged[block / 64] |= 1 << UInt64(block % 64)
        }
        return State(
            byteCount: byteCount, blockSize: blockSize, requestedByteCount: requestedByteCount,
            plugged: plugged)
    }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard state.byteCount == byteCount else { throw .value("byteCount") }
        guard state.blockSize == blockSize else { throw .value("blockSize") }
        guard state.requestedByteCount <= byteCount,
            state.requestedByteCount.isMultiple(of: blockSize)
        else { throw .value("requestedByteCount") }
        guard state.plugged.count == (blocks.blockCount + 63) / 64 else { throw .value("plugged") }
        let spare = state.plugged.count * 64 - blocks.blockCount
        guard (state.plugged.last ?? 0).leadingZeroBitCount >= spare else {
            throw .value("plugged")
        }
        requestedByteCount = state.requestedByteCount
        defer {
            pluggedCount = UInt64((0..<blocks.blockCount).filter { blocks.isPlugged($0) }.count)
        }
        for block in 0..<blocks.blockCount {
            let isPlugged = state.plugged[block / 64] >> UInt64(block % 64) & 1 != 0
            // What a plugged block holds is the snapshot's, and stays.
            guard isPlugged != blocks.isPlugged(block) else { continue }
            if isPlugged {
                do throws(MemoryError) {
                    try memory.plug(blocks: block..<block + 1)
                } catch {
                    throw .value("plugged")
                }
            } else {
                try? memory.unplug(blocks: block..<block + 1)
            }
        }
    }
}
