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
    private var chains: [Chain] = []
    private var first = 0

    /// Most slices a run is given; one chain may bring it over.
    package static var sliceLimit: Int { 512 }

    init(_ memory: GuestMemory) {
        slices = GuestSlices(memory, capacity: Self.sliceLimit * 4)
        chains.reserveCapacity(Self.sliceLimit * 2)
    }

    /// Bytes of all chains.
    package var byteCount: Int { slices.byteCount }
    /// Chains.
    package var count: Int { chains.count - first }
    /// No further chain is to be taken.
    package var isFull: Bool { slices.count >= Self.sliceLimit || count >= Self.sliceLimit }

    /// How many chains the first `bytes` bytes touch, at least one.
    package func chains(for bytes: Int) -> Int {
        var left = bytes
        var index = first
        while index < chains.count {
            left -= chains[index].byteCount
            index += 1
            if left <= 0 { break }
        }
        return index - first
    }

    mutating func append(_ chain: borrowing DescriptorChain) {
        makeRoom()
        slices.append(contentsOf: chain.writable)
        chains.append(Chain(head: chain.head, byteCount: chain.writable.byteCount))
    }

    /// Adds a chain of one buffer.
    mutating func append(
        head: UInt16, _ address: GuestAddress, count: UInt32
    ) throws(MemoryError) {
        makeRoom()
        try slices.append(address, count: count)
        chains.append(Chain(head: head, byteCount: Int(count)))
    }

    private mutating func makeRoom() {
        if first == chains.count {
            removeAll()
        } else if first > 0, chains.count == chains.capacity {
            chains.removeSubrange(..<first)
            first = 0
        }
    }

    /// The first chain with `written` bytes, or fewer if it has fewer; nil if there is none.
    mutating func takeFirst(written: Int) -> UsedElement? {
        guard first < chains.count else { return nil }
        let chain = chains[first]
        first += 1
        slices.removeFirst(chain.byteCount)
        return UsedElement(
            id: UInt32(chain.head),
            length: UInt32(truncatingIfNeeded: min(written, chain.byteCount)))
    }

    mutating func removeAll() {
        slices.removeAll()
        chains.removeAll(keepingCapacity: true)
        first = 0
    }
}
