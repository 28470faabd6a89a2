// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// Transfers at a position of a file, at once or by way of a ring.
extension GuestSlices {
    /// Fills from `file`, from byte `position` on (preadv); answers how many bytes came, 0 at the
    /// end of the file. Then ``noteFilled(_:)`` must be told.
    package func read(_ file: CInt, at position: UInt64) throws(Errno) -> Int {
        guard let position = Int64(exactly: position) else { throw .invalid }
        return try unsafe Errno.check(
            withVectors { unsafe clinux_preadv(file, $0, $1, position) })
    }

    /// Writes to `file`, from byte `position` on (pwritev); answers how many bytes it took.
    package func write(_ file: CInt, at position: UInt64) throws(Errno) -> Int {
        guard let position = Int64(exactly: position) else { throw .invalid }
        return try unsafe Errno.check(
            withVectors { unsafe clinux_pwritev(file, $0, $1, position) })
    }

    /// Puts a transfer of all slices, at byte `position` of `file`, into `ring`, which has room
    /// for it. It comes back with `token`, perhaps with fewer bytes than were asked for.
    ///
    /// Until it is submitted the slices stay as they are. Until it comes back they belong to the
    /// kernel; after a read ``noteFilled(_:)`` must be told.
    package func start(
        writing: Bool, _ file: CInt, at position: UInt64, on ring: inout IOUring, token: UInt64
    ) {
        guard count > 1 else {
            unsafe withVectors { vectors, _ in
                ring.transfer(
                    file, writing: writing,
                    address: unsafe UInt(bitPattern: vectors.pointee.iov_base),
                    count: UInt32(truncatingIfNeeded: unsafe vectors.pointee.iov_len),
                    position: position, token: token)
            }
            return
        }
        unsafe withVectors { vectors, count in
            ring.transfer(
                file, writing: writing, list: UInt(bitPattern: vectors),
                count: UInt32(count),
                position: position, token: token)
        }
    }
}
