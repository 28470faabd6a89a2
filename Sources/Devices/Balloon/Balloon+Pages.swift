// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// Pages that come and go. VIRTIO 1.2, 5.5.6.
extension Balloon {
    /// The driver lists pages that it no longer uses.
    mutating func inflate(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain, _ in
            balloon.counts.inflations &+= 1
            balloon.discardListed(chain)
            return true
        }
    }

    /// The driver lists pages that it uses again. They are there as soon as it touches them.
    mutating func deflate(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, _, _ in
            balloon.counts.deflations &+= 1
            return true
        }
    }

    /// The driver lends buffers that are free memory until they are given back. 5.5.6.7.
    mutating func takeReports(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain, budget in
            balloon.discardLent(chain, index, &budget, counting: \.free)
        }
    }

    /// The driver says for which command it hints, then lends buffers, then says stop. 5.5.6.6.
    mutating func takeHints(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain, budget in
            if let command = chain.readable.load(UInt32.self), balloon.hinting.guestSays(command) {
                balloon.hasNewConfiguration = true
            }
            // What was hinted for an earlier command may be in use again.
            guard balloon.hinting.isRunning else {
                balloon.lent[index] = LentProgress()
                return true
            }
            return balloon.discardLent(chain, index, &budget, counting: \.hinted)
        }
    }

    /// Gives each chain to `body`, with the bytes that the turn may still discard, until one is not
    /// done with, which `body` says with false: it comes again in another turn.
    private mutating func eachChain(
        _ queues: inout Virtqueues, _ index: Int,
        _ body: (inout Balloon, borrowing DescriptorChain, inout UInt64) -> Bool
    ) throws(VirtqueueError) {
        var budget = Self.turnBytes
        for _ in 0..<Self.turnLimit {
            guard let chain = try queues[index].next() else { return }
            guard body(&self, chain, &budget) else {
                queues[index].putBack(chain)
                break
            }
            queues[index].complete(chain, written: 0)
        }
        stall(index)
    }

    /// Discards what a chain lends, from where the last turn has left it.
    private mutating func discardLent(
        _ chain: borrowing DescriptorChain, _ index: Int, _ budget: inout UInt64,
        counting pages: WritableKeyPath<Counts, Counts.FreePages>
    ) -> Bool {
        let before = counts.discarded
        defer { counts[keyPath: pages].bytes &+= counts.discarded &- before }
        var skip = lent[index].byteCount
        for place in 0..<chain.writable.count {
            let range = chain.writable.range(place)
            guard skip < range.byteCount else {
                skip -= range.byteCount
                continue
            }
            let left = range.byteCount - skip
            let address = range.address &+ skip
            skip = 0
            let count = Self.part(of: left, at: address, budget, chain.writable.memory)
            let isDone = discard(address, count, in: chain.writable.memory)
            budget -= count
            if !isDone { lent[index].hasFailed = true }
            lent[index].byteCount &+= isDone ? count : left
            if isDone, count < left { return false }
        }
        counts[keyPath: pages].chains &+= 1
        if lent[index].hasFailed { counts[keyPath: pages].failures &+= 1 }
        lent[index] = LentProgress()
        return true
    }

    /// How many of `left` bytes at `address` fit into `budget`: all, or up to where a granule ends, so
    /// that the next part cuts none.
    private static func part(
        of left: UInt64, at address: GuestAddress, _ budget: UInt64, _ memory: GuestMemory
    ) -> UInt64 {
        guard left > budget else { return left }
        let start = address.rawValue
        let end = (start &+ budget) / memory.discardGranule * memory.discardGranule
        return end > start ? end - start : 0
    }

    /// False if it is nothing that can be discarded.
    @discardableResult
    private mutating func discard(
        _ address: GuestAddress, _ count: UInt64, in memory: GuestMemory
    ) -> Bool {
        do throws(MemoryError) {
            counts.discarded &+= try memory.discard(address, count: count)
            return true
        } catch {
            counts.violations &+= 1
            return false
        }
    }

    /// Page numbers come in any order, some twice; neighbours go in one piece.
    private mutating func discardListed(_ chain: borrowing DescriptorChain) {
        let size = chain.readable.copyOut(
            at: 0, count: min(chain.readable.byteCount, bytes.count), into: &bytes, at: 0)
        if chain.readable.byteCount > bytes.count { counts.violations &+= 1 }
        pages.removeAll(keepingCapacity: true)
        for index in 0..<size / 4 {
            let word = bytes[index * 4..<index * 4 + 4].reversed().reduce(UInt32(0)) {
                $0 << 8 | UInt32($1)
            }
            pages.append(word)
        }
        pages.sort()
        let memory = chain.readable.memory
        var first: UInt64?
        var end: UInt64 = 0
        for page in pages {
            let address = UInt64(page) * Self.pageSize
            guard memory.contains(GuestAddress(address), count: Self.pageSize) else {
                counts.violations &+= 1
                continue
            }
            if let start = first, address <= end {
                end = max(end, address + Self.pageSize)
                first = start
                continue
            }
            if let start = first { discard(GuestAddress(start), end - start, in: memory) }
            first = address
            end = address + Self.pageSize
        }
        if let start = first { discard(GuestAddress(start), end - start, in: memory) }
    }
}
