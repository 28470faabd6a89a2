// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// Pages that come and go. VIRTIO 1.2, 5.5.6.
extension Balloon {
    /// The driver lists pages that it no longer uses.
    mutating func inflate(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain in
            balloon.counts.inflations &+= 1
            balloon.discardListed(chain)
        }
    }

    /// The driver lists pages that it uses again. They are there as soon as it touches them.
    mutating func deflate(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, _ in balloon.counts.deflations &+= 1 }
    }

    /// The driver lends buffers that are free memory until they are given back. 5.5.6.7.
    mutating func takeReports(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain in
            balloon.discardLent(chain, counting: \.free)
        }
    }

    /// The driver says for which command it hints, then lends buffers, then says stop. 5.5.6.6.
    mutating func takeHints(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        try eachChain(&queues, index) { balloon, chain in
            if let command = chain.readable.load(UInt32.self), balloon.hinting.guestSays(command) {
                balloon.hasNewConfiguration = true
            }
            // What was hinted for an earlier command may be in use again.
            if balloon.hinting.isRunning { balloon.discardLent(chain, counting: \.hinted) }
        }
    }

    private mutating func eachChain(
        _ queues: inout Virtqueues, _ index: Int,
        _ body: (inout Balloon, borrowing DescriptorChain) -> Void
    ) throws(VirtqueueError) {
        for _ in 0..<Self.turnLimit {
            guard let chain = try queues[index].next() else { return }
            body(&self, chain)
            queues[index].complete(chain, written: 0)
        }
        stall(index)
    }

    private mutating func discardLent(
        _ chain: borrowing DescriptorChain,
        counting pages: WritableKeyPath<Counts, Counts.FreePages>
    ) {
        let before = counts
        defer {
            counts[keyPath: pages].chains &+= 1
            counts[keyPath: pages].bytes &+= counts.discarded &- before.discarded
            if counts.violations > before.violations { counts[keyPath: pages].failures &+= 1 }
        }
        for index in 0..<chain.writable.count {
            let range = chain.writable.range(index)
            discard(range.address, range.byteCount, in: chain.writable.memory)
        }
    }

    private mutating func discard(
        _ address: GuestAddress, _ count: UInt64, in memory: GuestMemory
    ) {
        do throws(MemoryError) {
            counts.discarded &+= try memory.discard(address, count: count)
        } catch {
            counts.violations &+= 1
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
