// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// The driver's side of a split ring, polite or not.
package struct DriverRing {
    /// A piece of a chain.
    package enum Buffer: Hashable, Sendable {
        case readable(UInt64, UInt32)
        case writable(UInt64, UInt32)

        package var descriptor: Descriptor {
            switch self {
            case .readable(let address, let length):
                Descriptor(address: address, length: length)
            case .writable(let address, let length):
                Descriptor(address: address, length: length, flags: Descriptor.isWritable)
            }
        }
    }

    package let memory: GuestMemory
    package let size: UInt16
    package let descriptors: GuestAddress
    package let available: GuestAddress
    package let used: GuestAddress
    /// Where the next chain's descriptors go.
    package var nextDescriptor: UInt16 = 0
    package var availableIndex: UInt16 = 0
    package var usedIndex: UInt16 = 0

    /// Bytes between the rings of two queues.
    package static let stride: UInt64 = 0x1_0000

    /// Where the parts of a ring from `base` on lie.
    package static func places(
        _ base: UInt64
    ) -> (descriptors: GuestAddress, available: GuestAddress, used: GuestAddress) {
        (GuestAddress(base), GuestAddress(base + 0x8000), GuestAddress(base + 0xc000))
    }

    /// `size` entries in zeroed memory from `base` on.
    package init(memory: GuestMemory, size: UInt16, base: UInt64) {
        self.memory = memory
        self.size = size
        (descriptors, available, used) = Self.places(base)
        try? memory.zero(at: descriptors, count: Int(Self.stride))
    }

    package var state: QueueState {
        var state = QueueState(size: size)
        state.isReady = true
        state.descriptors = descriptors
        state.available = available
        state.used = used
        return state
    }

    // MARK: Raw

    package func setDescriptor(_ index: UInt16, _ descriptor: Descriptor) {
        try? memory.store(descriptor, at: descriptors &+ UInt64(index) &* 16)
    }

    package func setAvailable(slot: UInt16, head: UInt16) {
        try? memory.store(head, at: available &+ (4 + UInt64(slot % size) * 2))
    }

    package func setAvailableIndex(_ index: UInt16) {
        try? memory.storeRelease(index, at: available &+ 2)
    }

    package func setAvailableFlags(_ flags: UInt16) {
        try? memory.store(flags, at: available)
    }

    /// At which used index the driver wants to hear.
    package func setUsedEvent(_ index: UInt16) {
        try? memory.store(index, at: available &+ (4 + UInt64(size) * 2))
    }

    /// At which available index the device wants to hear.
    package var availableEvent: UInt16 {
        (try? memory.load(UInt16.self, at: used &+ (4 + UInt64(size) * 8))) ?? 0
    }

    package var deviceUsedIndex: UInt16 { (try? memory.loadAcquire(at: used &+ 2)) ?? 0 }

    // MARK: Polite

    /// Writes a chain into the table and answers its head; it is not yet available.
    @discardableResult
    package mutating func describe(_ buffers: [Buffer]) -> UInt16 {
        link(buffers.map(\.descriptor))
    }

    /// Links `chain` in the table as it is, but for `next`.
    package mutating func link(_ chain: [Descriptor]) -> UInt16 {
        let head = nextDescriptor
        for (position, var descriptor) in chain.enumerated() {
            let index = nextDescriptor
            nextDescriptor = (nextDescriptor + 1) % size
            if position < chain.count - 1 {
                descriptor.flags |= Descriptor.hasNext
                descriptor.next = nextDescriptor
            }
            setDescriptor(index, descriptor)
        }
        return head
    }

    /// Makes a chain available by its head.
    package mutating func publish(head: UInt16) {
        setAvailable(slot: availableIndex, head: head)
        availableIndex &+= 1
        setAvailableIndex(availableIndex)
    }

    /// Writes a chain and makes it available.
    @discardableResult
    package mutating func publish(_ buffers: [Buffer]) -> UInt16 {
        let head = describe(buffers)
        publish(head: head)
        return head
    }

    /// What the device gave back since last asked.
    package mutating func takeUsed() -> [UsedElement] {
        var elements: [UsedElement] = []
        let end = deviceUsedIndex
        while usedIndex != end {
            let slot = UInt64(usedIndex % size)
            let element = try? memory.load(UsedElement.self, at: used &+ (4 + slot * 8))
            elements.append(element ?? UsedElement(id: .max, length: .max))
            usedIndex &+= 1
        }
        return elements
    }
}
