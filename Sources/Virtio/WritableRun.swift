// SPDX-License-Identifier: Apache-2.0
import Memory

/// Writable parts of chains that were taken ahead, in order: for input whose length is known only
/// once it is there, and which may fill several chains.
///
/// It belongs to the queue that gave it. Between two calls of a device it is empty.
package struct WritableRun: ~Copyable {
    private struct Chain {
        let head: UInt16
        let byteCount: Int
    }

    /// Where the bytes of all chains go.
    package private(set) var slices: GuestSlices
    /// Those that count lie from `first` up to `end`; the room is never given back.
    private var chains: [Chain] = []
    private var first = 0
    private var end = 0

    /// Most slices a run is given; one chain may bring it over.
    package static var sliceLimit: Int { 512 }

    init(_ memory: GuestMemory) {
        slices = GuestSlices(memory, capacity: Self.sliceLimit * 4)
        chains.reserveCapacity(Self.sliceLimit * 2)
    }

    /// Bytes of all chains.
    package var byteCount: Int { slices.byteCount }
    /// Chains.
    package var count: Int { end - first }
    /// No further chain is to be taken.
    package var isFull: Bool { slices.count >= Self.sliceLimit || count >= Self.sliceLimit }

    /// How many chains the first `bytes` bytes touch, at least one.
    @inline(__always)
    package func chains(for bytes: Int) -> Int {
        var left = bytes
        var index = first
        while index < end {
            left -= chains[index].byteCount
            index += 1
            if left <= 0 { break }
        }
        return index - first
    }

    mutating func append(_ chain: borrowing DescriptorChain) {
        makeRoom()
        slices.append(contentsOf: chain.writable)
        add(Chain(head: chain.head, byteCount: chain.writable.byteCount))
    }

    /// Adds a chain of one buffer.
    mutating func append(
        head: UInt16, _ address: GuestAddress, count: UInt32
    ) throws(MemoryError) {
        makeRoom()
        try slices.append(address, count: count)
        add(Chain(head: head, byteCount: Int(count)))
    }

    /// Adds a chain that nothing is written to, so that the takes can be undone in their order.
    mutating func append(uselessHead head: UInt16) {
        makeRoom()
        add(Chain(head: head, byteCount: 0))
    }

    /// Nothing is written to the first chain.
    var beginsUseless: Bool { first < end && chains[first].byteCount == 0 }

    private mutating func add(_ chain: Chain) {
        if end < chains.count { chains[end] = chain } else { chains.append(chain) }
        end += 1
    }

    private mutating func makeRoom() {
        if first == end { return removeAll() }
        // Half of it free is enough to make moving rare.
        guard end == chains.count, 2 * first >= end else { return }
        for index in first..<end { chains[index - first] = chains[index] }
        end -= first
        first = 0
    }

    /// The first chain with `written` bytes, or fewer if it has fewer; nil if there is none.
    mutating func takeFirst(written: Int) -> UsedElement? {
        guard first < end else { return nil }
        let chain = chains[first]
        first += 1
        slices.removeFirst(chain.byteCount)
        // Nobody is about to write there any more.
        if first == end { removeAll() }
        return UsedElement(
            id: UInt32(chain.head),
            length: UInt32(truncatingIfNeeded: min(written, chain.byteCount)))
    }

    mutating func removeAll() {
        slices.removeAll()
        first = 0
        end = 0
    }
}
