// SPDX-License-Identifier: Apache-2.0
import Memory

/// Chains that are not in use, with the room they have grown: none is made twice.
@safe struct ChainPool: ~Copyable {
    private let storage: UnsafeMutablePointer<DescriptorChain>?
    private let capacity: Int
    private var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        unsafe storage = capacity > 0 ? .allocate(capacity: capacity) : nil
    }

    deinit {
        guard let storage = unsafe storage else { return }
        unsafe storage.deinitialize(count: count)
        unsafe storage.deallocate()
    }

    /// An empty chain, a used one if there is one.
    mutating func take(in memory: GuestMemory) -> DescriptorChain {
        guard count > 0, let storage = unsafe storage else { return DescriptorChain(memory) }
        count -= 1
        return unsafe (storage + count).move()
    }

    /// The chain that ``take(in:)`` would answer, empty, where it lies; nil if there is no room for
    /// one. It is valid until the next call.
    mutating func top(in memory: GuestMemory) -> UnsafeMutablePointer<DescriptorChain>? {
        guard let storage = unsafe storage else { return nil }
        if count == 0 {
            unsafe storage.initialize(to: DescriptorChain(memory))
            count = 1
        }
        return unsafe storage + (count - 1)
    }

    mutating func put(_ chain: consuming DescriptorChain) {
        guard count < capacity, let storage = unsafe storage else { return }
        chain.clear()
        unsafe (storage + count).initialize(to: chain)
        count += 1
    }
}
