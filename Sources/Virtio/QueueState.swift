// SPDX-License-Identifier: Apache-2.0
import Memory

/// Everything about one queue, set up or not; a plain value to save and restore.
package struct QueueState: Hashable, Sendable {
    /// Entries, as the driver chose; a power of two once validated.
    package var size: UInt16
    package var isReady = false
    package var descriptors = GuestAddress(0)
    package var available = GuestAddress(0)
    package var used = GuestAddress(0)
    /// Next entry of the available ring to take; counts on past the size and wraps.
    package var nextAvailable: UInt16 = 0
    /// Next entry of the used ring to fill; counts on past the size and wraps.
    package var nextUsed: UInt16 = 0
    /// ``nextUsed`` when the driver was last considered for an interrupt.
    package var signalledUsed: UInt16 = 0

    package init(size: UInt16) { self.size = size }

    /// Checks what the driver set up. VIRTIO 1.2, 2.7.
    func validate(limit: UInt16, in memory: GuestMemory) throws(VirtqueueError) {
        guard size > 0, size <= limit, size.nonzeroBitCount == 1 else { throw .size(size) }
        try check(descriptors, alignment: 16, count: descriptorBytes, in: memory)
        try check(available, alignment: 2, count: availableBytes, in: memory)
        try check(used, alignment: 4, count: usedBytes, in: memory)
    }

    private var descriptorBytes: UInt64 { UInt64(size) * 16 }
    private var availableBytes: UInt64 { UInt64(size) * 2 + 6 }
    private var usedBytes: UInt64 { UInt64(size) * 8 + 6 }

    /// Keeps the memory of the rings plugged as long as `pins` lives.
    func pin(with pins: inout BlockPins) {
        pins.add(descriptors, count: descriptorBytes)
        pins.add(available, count: availableBytes)
        pins.add(used, count: usedBytes)
    }

    private func check(
        _ address: GuestAddress, alignment: UInt64, count: UInt64, in memory: GuestMemory
    ) throws(VirtqueueError) {
        guard address.rawValue % alignment == 0, memory.contains(address, count: count)
        else { throw .ring(address) }
    }
}
