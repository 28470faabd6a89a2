// SPDX-License-Identifier: Apache-2.0

/// Blocks of hot-plugged memory that somebody is about to touch. They stay plugged as long as they are
/// pinned: what a request that is under way wrote to a block that is gone would be memory of the host
/// that nobody gave to the guest, and nobody takes back.
package struct BlockPins: ~Copyable {
    /// Nil if the guest can plug nothing.
    private let blocks: PluggableMemory?
    /// One for each time that something was pinned; their room is used again.
    private var ranges: [Range<Int>] = []

    package init(_ memory: GuestMemory) { blocks = memory.pluggable }

    deinit { release() }

    package var isEmpty: Bool { ranges.isEmpty }

    /// Pins the blocks of `count` bytes at `address`; nothing where there are none. Whether they are
    /// plugged is to be asked after that.
    package mutating func add(_ address: GuestAddress, count: UInt64) {
        if let range = blocks?.blocks(of: address.rawValue, count: count) { add(range) }
    }

    /// As ``add(_:count:)``, for somebody who comes to the same place again and again.
    package mutating func addOnce(_ address: GuestAddress, count: UInt64) {
        guard let range = blocks?.blocks(of: address.rawValue, count: count),
            !ranges.contains(where: {
                $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound
            })
        else { return }
        add(range)
    }

    /// Pins all that `other` has pinned.
    mutating func add(contentsOf other: borrowing BlockPins) {
        for range in other.ranges { add(range) }
    }

    private mutating func add(_ range: Range<Int>) {
        blocks?.pin(range)
        ranges.append(range)
    }

    package mutating func removeAll() {
        release()
        ranges.removeAll(keepingCapacity: true)
    }

    private borrowing func release() {
        for range in ranges { blocks?.unpin(range) }
    }
}
