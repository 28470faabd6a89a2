// SPDX-License-Identifier: Apache-2.0
import Linux

/// Why guest memory could not be made or reached.
package enum MemoryError: Error, Hashable {
    /// Not a multiple of 1 MiB between 2 MiB and 64 GiB.
    case size(UInt64)
    /// Blocks for hot-plugged memory that cannot be.
    case pluggable(PluggableSize)
    /// The engine has no room for another block of hot-plugged memory.
    case plug(GuestAddress, Errno)
    /// A block of hot-plugged memory cannot go now: a device is about to touch it.
    case inUse
    /// There is no room for so many bytes of persistent memory.
    case persistent
    /// The host refused the memory.
    case host(Errno)
    /// `count` bytes at `address` are not all RAM.
    case outOfRange(GuestAddress, count: UInt64)
}

extension MemoryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .size(let bytes):
            "guest memory of \(bytes) bytes: it must be whole MiB, at least 2 MiB and at most 64 GiB"
        case .pluggable(let size):
            "\(size.byteCount) bytes for hot-plugged memory in blocks of \(size.blockSize): blocks have a"
                + " power of two from 2 MiB on, and up to 64 GiB in whole blocks can be there"
        case .plug(let address, let errno):
            "the engine cannot map memory at \(address): \(errno)"
        case .inUse: "a device uses the memory"
        case .persistent:
            "persistent memory has room for 256 GiB, and the files have more in all"
        case .host(let errno):
            "the host gave no guest memory: \(errno)"
        case .outOfRange(let address, let count):
            "guest address \(address) (+\(count) bytes) is not RAM"
        }
    }
}
