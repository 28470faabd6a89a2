// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// Transfers at a position of a file, at once or by way of a ring.
extension GuestSlices {
    /// Fills from `file`, from byte `position` on and at most `limit` bytes (preadv); answers how many
    /// came, 0 at the end of the file. Then ``noteFilled(_:)`` must be told.
    package func read(
        _ file: CInt, at position: UInt64, limit: Int = .max
    ) throws(Errno) -> Int {
        guard let position = Int64(exactly: position) else { throw .invalid }
        return try unsafe Errno.check(
            withVectors(from: 0, limit: limit) { unsafe clinux_preadv(file, $0, $1, position) })
    }

    /// Writes to `file`, from byte `position` on and at most `limit` bytes (pwritev); answers how many
    /// it took.
    package func write(
        _ file: CInt, at position: UInt64, limit: Int = .max
    ) throws(Errno) -> Int {
        guard let position = Int64(exactly: position) else { throw .invalid }
        return try unsafe Errno.check(
            withVectors(from: 0, limit: limit) { unsafe clinux_pwritev(file, $0, $1, position) })
    }

    /// Puts a transfer at byte `position` of `file` into `ring`, which has room for it: of all slices,
    /// or of the first that make up at most `limit` bytes, be it a part of one. It comes back with
    /// `token`, perhaps with fewer bytes.
    ///
    /// Until it is submitted the slices stay as they are. Until it comes back they belong to the
    /// kernel; after a read ``noteFilled(_:)`` must be told.
    package func start(
        writing: Bool, _ file: CInt, at position: UInt64, limit: Int = .max, on ring: inout IOUring,
        token: UInt64
    ) {
        let whole = byteCount <= limit ? count : wholeSlices(in: limit)
        guard whole > 1 else {
            unsafe withVectors { vectors, _ in
                let count = unsafe min(vectors.pointee.iov_len, limit)
                ring.transfer(
                    file, writing: writing,
                    address: unsafe UInt(bitPattern: vectors.pointee.iov_base),
                    count: UInt32(truncatingIfNeeded: count), position: position, token: token)
            }
            return
        }
        unsafe withVectors { vectors, count in
            ring.transfer(
                file, writing: writing, list: UInt(bitPattern: vectors),
                count: UInt32(min(Int(count), whole)), position: position, token: token)
        }
    }

    /// How many of the first slices make up no more than `limit` bytes.
    private func wholeSlices(in limit: Int) -> Int {
        var left = UInt64(limit)
        var index = 0
        while index < count {
            let length = range(index).byteCount
            guard length <= left else { break }
            left -= length
            index += 1
        }
        return index
    }
}
