// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// Pages that come and go. VIRTIO 1.2, 5.5.6.
extension Balloon {
    /// The driver lists pages that it no longer uses.
    mutating func inflate(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain, turn in
            balloon.discardListed(chain, index, &turn)
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
        try eachChain(&queues, index) { balloon, chain, turn in
            balloon.discardLent(chain, index, &turn, counting: \.free)
        }
    }

    /// The driver says for which command it hints, then lends buffers, then says stop. 5.5.6.6.
    mutating func takeHints(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain, turn in
            if let command = chain.readable.load(UInt32.self), balloon.hinting.guestSays(command) {
                balloon.hasNewConfiguration = true
            }
            // What was hinted for an earlier command may be in use again.
            guard balloon.hinting.isRunning else {
                balloon.progress[index] = Progress()
                return true
            }
            return balloon.discardLent(chain, index, &turn, counting: \.hinted)
        }
    }

    /// What a turn may still discard.
    private struct Turn {
        var bytes = Balloon.turnBytes
        var pieces = Balloon.turnPieces
    }

    /// Gives each chain to `body`, until one is not done with, which `body` says with false: it comes
    /// again in another turn.
    private mutating func eachChain(
        _ queues: inout Virtqueues, _ index: Int,
        _ body: (inout Balloon, borrowing DescriptorChain, inout Turn) -> Bool
    ) throws(VirtqueueError) {
        var turn = Turn()
        for _ in 0..<Self.turnLimit {
            guard let chain = try queues[index].next() else { return }
            guard body(&self, chain, &turn) else {
                queues[index].putBack(chain)
                break
            }
            queues[index].complete(chain, written: 0)
        }
        stall(index)
    }

    /// Discards what a chain lends, from where the last turn has left it.
    private mutating func discardLent(
        _ chain: borrowing DescriptorChain, _ index: Int, _ turn: inout Turn,
        counting pages: WritableKeyPath<Counts, Counts.FreePages>
    ) -> Bool {
        let before = counts.discarded
        defer { counts[keyPath: pages].bytes &+= counts.discarded &- before }
        var skip = progress[index].byteCount
        for place in 0..<chain.writable.count {
            let range = chain.writable.range(place)
            guard skip < range.byteCount else {
                skip -= range.byteCount
                continue
            }
            guard turn.pieces > 0 else { return false }
            turn.pieces -= 1
            let left = range.byteCount - skip
            let address = range.address &+ skip
            skip = 0
            let count = Self.part(of: left, at: address, turn.bytes, chain.writable.memory)
            let isDone = discard(address, count, in: chain.writable.memory)
            turn.bytes -= count
            if !isDone { progress[index].hasFailed = true }
            progress[index].byteCount &+= isDone ? count : left
            if isDone, count < left { return false }
        }
        counts[keyPath: pages].chains &+= 1
        if progress[index].hasFailed { counts[keyPath: pages].failures &+= 1 }
        progress[index] = Progress()
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
    private mutating func discardListed(
        _ chain: borrowing DescriptorChain, _ index: Int, _ turn: inout Turn
    ) -> Bool {
        list.read(chain.readable)
        var place = 0
        while place < list.numbers.count, number(place) < progress[index].page { place += 1 }
        let memory = chain.readable.memory
        while place < list.numbers.count {
            let first = number(place)
            place += 1
            guard Self.isPage(first, of: memory) else {
                counts.violations &+= 1
                continue
            }
            guard turn.pieces > 0 else {
                progress[index].page = first
                return false
            }
            turn.pieces -= 1
            var end = first + 1
            while place < list.numbers.count, number(place) <= end,
                Self.isPage(number(place), of: memory)
            {
                end = number(place) + 1
                place += 1
            }
            discard(
                GuestAddress(first * Self.pageSize), (end - first) * Self.pageSize, in: memory)
        }
        if chain.readable.byteCount > Self.listLimit * 4 { counts.violations &+= 1 }
        counts.inflations &+= 1
        progress[index] = Progress()
        return true
    }

    private func number(_ place: Int) -> UInt64 { UInt64(list.numbers[place]) }

    private static func isPage(_ number: UInt64, of memory: GuestMemory) -> Bool {
        memory.contains(GuestAddress(number * pageSize), count: pageSize)
    }
}
