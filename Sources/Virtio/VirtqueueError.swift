// SPDX-License-Identifier: Apache-2.0
import Memory

/// How a driver broke a ring. The device stops until the driver resets it.
package enum VirtqueueError: Error, Hashable, Sendable {
    /// Not a power of two, or above the device's limit. VIRTIO 1.2, 2.7.
    case size(UInt16)
    /// A part of the ring is misaligned or not all RAM. 2.7.
    case ring(GuestAddress)
    /// More entries made available than the ring holds.
    case availableIndex(UInt16)
    /// A chain begins outside the descriptor table.
    case head(UInt16)
    /// A chain goes on outside its table. 2.7.5.
    case next(UInt16)
    /// Longer than the queue, so it may loop. 2.7.5.2.
    case chainLength
    /// 4 GiB or more in one chain. 2.7.5.2.
    case chainBytes
    /// Device-readable descriptors come first. 2.7.4.2.
    case readableAfterWritable
    /// An indirect table that was not negotiated, or inside another, or with a next. 2.7.5.3.1.
    case indirect
    /// Bytes of an indirect table: 0, no multiple of 16, or above the queue's size. 2.7.5.3.1.
    case indirectLength(UInt32)
    /// A buffer that is not all RAM.
    case buffer(GuestAddress, count: UInt32)
}

extension VirtqueueError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .size(let size): "a queue of \(size) entries"
        case .ring(let address): "a ring part at \(address), misaligned or not RAM"
        case .availableIndex(let index): "the available index jumped to \(index)"
        case .head(let head): "a chain begins at descriptor \(head)"
        case .next(let next): "a chain goes on at descriptor \(next)"
        case .chainLength: "a chain longer than its queue"
        case .chainBytes: "a chain of 4 GiB or more"
        case .readableAfterWritable: "a readable descriptor after a writable one"
        case .indirect: "an indirect table where none may be"
        case .indirectLength(let bytes): "an indirect table of \(bytes) bytes"
        case .buffer(let address, let count): "a buffer at \(address) (+\(count) bytes), not RAM"
        }
    }
}
