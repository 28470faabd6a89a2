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
/// Served on the thread of the vCPU that asks, and by the event loop if that is not done in one turn. A
/// request for many blocks lies in its queue meanwhile: a pause has nothing to wait for.
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
    /// Blocks that a turn may change, and that its requests may name, and the bytes of them; one block
    /// is changed as a whole. An engine maps each by itself, and each page of them may have held code.
    static let turnBlocks = 512
    static let turnBytes: UInt64 = 1 << 30

    private let memory: GuestMemory
    private let blocks: PluggableMemory
    /// Bytes that the guest is to have plugged.
    package private(set) var requestedByteCount: UInt64 = 0
    private var pluggedCount: UInt64 = 0
    /// What the last turn has left of a request, which is the next in its queue if its driver still
    /// waits. Nothing else is begun before its end.
    private var work: Work?
    /// The last turn ended with something left.
    private var isUnfinished = false
    package private(set) var counts = Counts()

    /// A request whose blocks change.
    private struct Work {
        let kind: UInt16
        var change: MemoryChange
        /// Blocks that will have changed.
        let count: Int
        /// When it was taken for the first time.
        let begun: UInt64
        /// There is a driver that waits for the answer.
        var isAwaited = true
    }

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

    private enum Kind {
        static let plug: UInt16 = 0, unplug: UInt16 = 1, unplugAll: UInt16 = 2, state: UInt16 = 3
    }

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

    private var turn: MemoryChange.Turn {
        MemoryChange.Turn(blocks: min(Self.turnBlocks, max(Int(Self.turnBytes / blockSize), 1)))
    }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        var turn = turn
        defer { if work != nil { isUnfinished = true } }
        guard finishLeftover(&turn) else { return }
        for _ in 0..<Self.turnLimit where turn.changes > 0 {
            guard let chain = try queues[index].next() else { return }
            guard let answer = answer(chain, &turn) else {
                queues[index].putBack(chain)
                break
            }
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

    package mutating func serveNobody() {
        leaveWork()
        var turn = turn
        isUnfinished = !finishLeftover(&turn)
    }

    package mutating func takeUnfinished() -> Bool {
        defer { isUnfinished = false }
        return isUnfinished
    }

    /// Begins with what the request asks for, or goes on with it; nil: there is more to do.
    private mutating func answer(
        _ chain: borrowing DescriptorChain, _ turn: inout MemoryChange.Turn
    ) -> Answer? {
        if work == nil, let answer = begin(chain, &turn) { return answer }
        return goOn(&turn)
    }

    /// Answers a request that changes nothing, and leaves any other as ``work``.
    private mutating func begin(
        _ chain: borrowing DescriptorChain, _ turn: inout MemoryChange.Turn
    ) -> Answer? {
        let begun = Clock.monotonic
        let kind = chain.readable.load(UInt16.self)
        guard let answer = verdict(kind, chain, begun, &turn) else { return nil }
        if let kind { count(kind, since: begun, answer) }
        return answer
    }

    /// Takes the blocks that the request names from `turn`, but for those that are to change.
    private mutating func verdict(
        _ kind: UInt16?, _ chain: borrowing DescriptorChain, _ begun: UInt64,
        _ turn: inout MemoryChange.Turn
    ) -> Answer? {
        // Without room to say how it went nothing is done.
        guard let kind, chain.writable.byteCount >= Self.answerSize else { return .wrong }
        if kind == Kind.unplugAll {
            let answer = unplugAll(begun)
            if answer != nil { turn.changes -= blocks.blockCount }
            return answer
        }
        guard chain.readable.byteCount >= Self.requestSize,
            let address = chain.readable.load(UInt64.self, at: 8),
            let count = chain.readable.load(UInt16.self, at: 16),
            let range = range(GuestAddress(address), Int(count))
        else { return .wrong }
        let plugged = plugged(range)
        var answer: Answer?
        switch kind {
        case Kind.plug:
            let size = UInt64(range.count) * blockSize
            if plugged > 0 {
                answer = .wrong
            } else if pluggedByteCount + size > requestedByteCount {
                answer = .refused
            } else {
                work = Work(kind: kind, change: .plug(range), count: range.count, begun: begun)
            }
        case Kind.unplug:
            answer = plugged < range.count ? .wrong : unplug(range, kind, range.count, begun)
        case Kind.state:
            answer = .state(plugged == 0 ? 1 : plugged == range.count ? 0 : 2)
        default:
            answer = .wrong
        }
        if answer != nil { turn.changes -= range.count }
        return answer
    }

    private mutating func unplugAll(_ begun: UInt64) -> Answer? {
        let all = 0..<blocks.blockCount
        guard let first = all.first(where: { blocks.isPlugged($0) }),
            let last = all.last(where: { blocks.isPlugged($0) })
        else { return .acknowledged }
        return unplug(first..<last + 1, Kind.unplugAll, Int(pluggedCount), begun)
    }

    /// Leaves it as ``work``, or says why not.
    private mutating func unplug(
        _ range: Range<Int>, _ kind: UInt16, _ count: Int, _ begun: UInt64
    ) -> Answer? {
        guard let change = MemoryChange.unplug(range, of: memory) else { return .busy }
        work = Work(kind: kind, change: change, count: count, begun: begun)
        return nil
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

    // MARK: Changes

    /// Goes on with ``work``; answers its request when all is done.
    private mutating func goOn(_ turn: inout MemoryChange.Turn) -> Answer? {
        guard var work = work.take() else { return .wrong }
        guard work.change.goOn(in: memory, &turn) else {
            self.work = work
            return nil
        }
        if work.change.isKeptByHost { counts.keptByHost &+= 1 }
        guard work.isAwaited else { return nil }
        let answer: Answer = work.change.isRefused ? .refused : .acknowledged
        conclude(work, answer)
        return answer
    }

    /// Notes that a change is made, or that it will not be.
    private mutating func conclude(_ work: Work, _ answer: Answer) {
        var changed: UInt64 = 0
        if answer == .acknowledged {
            changed = UInt64(work.count)
            if work.kind == Kind.plug { pluggedCount += changed } else { pluggedCount -= changed }
        }
        count(work.kind, since: work.begun, answer, bytes: changed * blockSize)
    }

    private mutating func count(
        _ kind: UInt16, since begun: UInt64, _ answer: Answer, bytes: UInt64 = 0
    ) {
        let requests: WritableKeyPath<Counts, Counts.Requests>
        switch kind {
        case Kind.plug: requests = \.plugs
        case Kind.unplug: requests = \.unplugs
        case Kind.unplugAll: requests = \.unplugAlls
        case Kind.state: requests = \.states
        default: return
        }
        counts[keyPath: requests].times.record(Clock.monotonic &- begun)
        if answer.type != 0 { counts[keyPath: requests].failures &+= 1 }
        counts[keyPath: requests].bytes &+= bytes
    }

    /// The driver is gone. To its blocks happens what it was about to hear, or nothing; in either case
    /// there may be more to do, and no answer.
    private mutating func leaveWork() {
        guard var left = work.take() else { return }
        if left.isAwaited {
            left.isAwaited = false
            conclude(left, left.change.revoke() ? .acknowledged : .refused)
        }
        work = left
        isUnfinished = true
    }

    /// True if there is nothing left, but for what the driver waits for.
    private mutating func finishLeftover(_ turn: inout MemoryChange.Turn) -> Bool {
        guard let work, !work.isAwaited else { return true }
        _ = goOn(&turn)
        return self.work == nil
    }

    // MARK: Reset, save and restore

    package mutating func abandon(_ queues: inout Virtqueues) { leaveWork() }

    /// Blocks stay as they are: a driver that comes back finds its memory. 5.15.5.1.
    package mutating func reset() {
        leaveWork()
        isUnfinished = work != nil
    }

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
        // A request that is under way is still in its queue, and will be begun anew: so blocks are as
        // it has found them. To unplug all anew does no harm.
        if let work, work.isAwaited, work.kind != Kind.unplugAll {
            for block in work.change.range {
                let bit: UInt64 = 1 << UInt64(block % 64)
                if work.kind == Kind.plug {
                    plugged[block / 64] &= ~bit
                } else {
                    plugged[block / 64] |= bit
                }
            }
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
        leaveWork()
        var turn = MemoryChange.Turn(blocks: .max)
        isUnfinished = !finishLeftover(&turn)
        // What another device of this memory had under way.
        try? memory.giveBack(blocks: 0..<blocks.blockCount)
        defer {
            pluggedCount = UInt64((0..<blocks.blockCount).filter { blocks.isPlugged($0) }.count)
        }
        do throws(MemoryError) {
            for block in 0..<blocks.blockCount {
                let isPlugged = state.plugged[block / 64] >> UInt64(block % 64) & 1 != 0
                // What a plugged block holds is the snapshot's, and stays.
                guard isPlugged != blocks.isPlugged(block) else { continue }
                if isPlugged {
                    try memory.plug(blocks: block..<block + 1)
                } else {
                    try? memory.unplug(blocks: block..<block + 1)
                }
            }
            // What is no RAM holds nothing, though processors may have reached it when the bytes were
            // saved: it was on its way in, or out.
            try memory.discardUnplugged(0..<blocks.blockCount)
        } catch {
            throw .value("plugged")
        }
    }
}
