// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// Stretches of guest RAM that a chain names, checked once, for I/O without a copy.
///
/// Holds at most `limit` slices; no byte of it is ever lent out as a pointer.
package struct GuestSlices: ~Copyable {
    private struct Slice {
        let host: UInt
        let count: Int
        let guest: GuestAddress
    }

    package let memory: GuestMemory
    private var slices: [Slice] = []
    /// Bytes of all slices.
    package private(set) var byteCount = 0

    package init(_ memory: GuestMemory, capacity: Int = 64) {
        self.memory = memory
        slices.reserveCapacity(capacity)
    }

    package var count: Int { slices.count }

    /// Where slice `index`, below ``count``, lies and how many bytes it has.
    package func range(_ index: Int) -> (address: GuestAddress, byteCount: UInt64) {
        (slices[index].guest, UInt64(slices[index].count))
    }

    /// Forgets all slices and keeps the room.
    package mutating func removeAll() {
        slices.removeAll(keepingCapacity: true)
        byteCount = 0
    }

    /// Adds `count` bytes at `address`, which must all be RAM.
    package mutating func append(_ address: GuestAddress, count: UInt32) throws(MemoryError) {
        guard let host = memory.hostAddress(of: address, count: UInt64(count)) else {
            throw .outOfRange(address, count: UInt64(count))
        }
        slices.append(Slice(host: host, count: Int(count), guest: address))
        byteCount &+= Int(count)
    }

    /// Copies bytes out, from `offset` on, as many as both sides have; answers how many.
    package func copyOut(at offset: Int = 0, into bytes: inout MutableRawSpan) -> Int {
        let limit = bytes.byteCount
        return unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            return unsafe forEach(from: offset, limit: limit) { source, count, done, _ in
                unsafe (base + done).copyMemory(from: source, byteCount: count)
            }
        }
    }

    /// Copies bytes in, from `offset` on, as many as both sides have; answers how many.
    @discardableResult
    package func copyIn(_ bytes: RawSpan, at offset: Int = 0) -> Int {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            return unsafe forEach(from: offset, limit: buffer.count) { target, count, done, guest in
                unsafe target.copyMemory(from: base + done, byteCount: count)
                memory.didWrite(guest, UInt64(count))
            }
        }
    }

    /// Fills from `descriptor` (readv), from `offset` on and at most `limit` bytes; answers how
    /// many came, 0 at the end of the stream.
    package func fill(
        from descriptor: CInt, at offset: Int = 0, limit: Int = .max
    ) throws(Errno) -> Int {
        let got = try unsafe Errno.check(
            withVectors(from: offset, limit: limit) { unsafe clinux_readv(descriptor, $0, $1) })
        _ = unsafe forEach(from: offset, limit: got) { _, count, _, guest in
            memory.didWrite(guest, UInt64(count))
        }
        return got
    }

    /// Sends to `descriptor` (writev), from `offset` on and at most `limit` bytes; answers how
    /// many were taken.
    package func drain(
        to descriptor: CInt, at offset: Int = 0, limit: Int = .max
    ) throws(Errno) -> Int {
        try unsafe Errno.check(
            withVectors(from: offset, limit: limit) { unsafe clinux_writev(descriptor, $0, $1) })
    }

    /// Fills with random bytes, at most `limit`; answers how many.
    package func fillRandom(limit: Int) -> Int {
        unsafe forEach(from: 0, limit: limit) { target, count, _, guest in
            _ = unsafe clinux_random(target, count)
            memory.didWrite(guest, UInt64(count))
        }
    }

    /// Calls `body` with each stretch between `offset` and `offset + limit`: host address, its
    /// length, bytes done before it, guest address. Answers the bytes in all.
    private func forEach(
        from offset: Int, limit: Int,
        _ body: (UnsafeMutableRawPointer, Int, Int, GuestAddress) -> Void
    ) -> Int {
        var skip = offset
        var done = 0
        for slice in slices where done < limit {
            guard skip < slice.count,
                let base = unsafe UnsafeMutableRawPointer(bitPattern: slice.host)
            else {
                skip -= slice.count
                continue
            }
            let count = min(slice.count - skip, limit - done)
            unsafe body(base + skip, count, done, slice.guest &+ UInt64(skip))
            done += count
            skip = 0
        }
        return done
    }

    private func withVectors(
        from offset: Int, limit: Int, _ body: (UnsafePointer<iovec>, CInt) -> Int
    ) -> Int {
        // The kernel takes at most 1,024 at once (IOV_MAX); a shorter transfer is no error.
        let most = min(slices.count, 1024)
        guard most > 0, limit > 0 else { return 0 }
        return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: most) { part in
            var used = 0
            _ = unsafe forEach(from: offset, limit: limit) { base, count, _, _ in
                guard used < most else { return }
                unsafe part.initializeElement(at: used, to: iovec(iov_base: base, iov_len: count))
                used += 1
            }
            guard used > 0, let first = part.baseAddress else { return 0 }
            return unsafe body(UnsafePointer(first), CInt(used))
        }
    }
}
