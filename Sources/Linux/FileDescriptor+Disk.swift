// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Files and block devices as disks.
extension FileDescriptor {
    /// How bytes become zero.
    package enum Zeroing: Hashable, Sendable {
        /// The file gives their space back. fallocate(2), `FALLOC_FL_PUNCH_HOLE`.
        case giveBack
        /// The file keeps space for them. `FALLOC_FL_ZERO_RANGE`.
        case keep

        var mode: UInt32 {
            switch self {
            case .giveBack: UInt32(CLINUX_PUNCH_HOLE)
            case .keep: UInt32(CLINUX_ZERO_RANGE)
            }
        }
    }

    /// Opens a disk. What is none is opened as well, at once: for a FIFO one could wait for ever.
    package static func openDisk(_ path: String, isReadOnly: Bool) throws(Errno) -> FileDescriptor {
        let waits = unsafe clinux_is_disk(path) == 1 ? 0 : O_NONBLOCK | O_NOCTTY
        return try open(path, flags: (isReadOnly ? O_RDONLY : O_RDWR) | waits)
    }

    /// Bytes of a regular file or block device. ``Errno/isDirectory`` or ``Errno/invalid`` for
    /// anything else.
    package func diskSize() throws(Errno) -> UInt64 {
        UInt64(try Errno.check(Int(clinux_disk_size(rawValue))))
    }

    /// Waits until everything written so far is on the medium. fdatasync(2).
    package func synchronizeData() throws(Errno) { try Self.synchronizeData(rawValue) }

    /// As ``synchronizeData()``, of a descriptor that somebody else holds.
    package static func synchronizeData(_ descriptor: CInt) throws(Errno) {
        try Errno.check(clinux_fdatasync(descriptor))
    }

    /// Makes `count` bytes of a descriptor that somebody else holds zero, from `position` on. The size
    /// stays.
    package static func zero(
        _ descriptor: CInt, _ manner: Zeroing, at position: UInt64, count: UInt64
    ) throws(Errno) {
        guard let position = Int64(exactly: position), let count = Int64(exactly: count) else {
            throw .invalid
        }
        try Errno.check(clinux_fallocate(descriptor, CInt(manner.mode), position, count))
    }
}

extension Errno {
    package static var notSupported: Self { Self(rawValue: EOPNOTSUPP) }
    package static var inputOutput: Self { Self(rawValue: EIO) }
}
