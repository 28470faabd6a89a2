// SPDX-License-Identifier: Apache-2.0
import Memory

/// One request: what the driver lent until it is completed.
///
/// Every byte named here was checked to be RAM. The queue that gave it takes it back, once, by
/// ``Virtqueue/complete(_:written:)``, ``Virtqueue/putBack(_:)`` or ``Virtqueue/setAside(_:)``.
package struct DescriptorChain: ~Copyable {
    /// Index of its first descriptor, which names it in the used ring.
    package internal(set) var head: UInt16
    /// What the device may read, in order; below 4 GiB. It may forget parts that it is done with.
    package var readable: GuestSlices
    /// What the device may write, in order; below 4 GiB.
    package var writable: GuestSlices

    init(_ memory: GuestMemory) {
        head = 0
        readable = GuestSlices(memory)
        writable = GuestSlices(memory)
    }

    mutating func clear() {
        head = 0
        readable.removeAll()
        writable.removeAll()
    }
}

/// An entry of the descriptor table as it lies in memory. VIRTIO 1.2, 2.7.5.
package struct Descriptor: Hashable, Sendable, BitwiseCopyable {
    package var address: UInt64
    package var length: UInt32
    package var flags: UInt16
    package var next: UInt16

    /// ``next`` says where the chain goes on.
    package static let hasNext: UInt16 = 1
    /// The device writes; else it reads.
    package static let isWritable: UInt16 = 2
    /// The buffer is itself a table of descriptors.
    package static let isIndirect: UInt16 = 4
    /// In bytes.
    package static let byteCount = 16

    package init(address: UInt64, length: UInt32, flags: UInt16 = 0, next: UInt16 = 0) {
        self.address = address
        self.length = length
        self.flags = flags
        self.next = next
    }

    /// From the sixteen bytes of memory.
    init(_ words: SIMD2<UInt64>) {
        address = words[0]
        length = UInt32(truncatingIfNeeded: words[1])
        flags = UInt16(truncatingIfNeeded: words[1] >> 32)
        next = UInt16(truncatingIfNeeded: words[1] >> 48)
    }

    func has(_ flag: UInt16) -> Bool { flags & flag != 0 }
}

/// An entry of the used ring as it lies in memory. VIRTIO 1.2, 2.7.8.
package struct UsedElement: Hashable, Sendable, BitwiseCopyable {
    /// Head of the chain.
    package var id: UInt32
    /// Bytes written into the chain.
    package var length: UInt32

    package init(id: UInt32, length: UInt32) {
        self.id = id
        self.length = length
    }

    /// The eight bytes of memory.
    var word: UInt64 { UInt64(id) | UInt64(length) << 32 }
}
