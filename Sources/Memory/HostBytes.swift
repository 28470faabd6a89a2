// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// A fixed block of this process's own memory, for what goes before or after guest slices in one
/// transfer. The guest cannot reach it.
@safe package struct HostBytes: ~Copyable, @unchecked Sendable {
    /// In bytes.
    package let count: Int
    fileprivate let base: UnsafeMutableRawPointer

    /// `count` zeroes.
    package init(count: Int) {
        self.count = max(count, 1)
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: self.count, alignment: 16)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: self.count)
    }

    deinit { unsafe base.deallocate() }

    /// Two bytes from `offset` on; zero past the end.
    @inline(__always)
    package func half(at offset: Int) -> UInt16 {
        guard offset >= 0, offset <= count - 2 else { return 0 }
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    }

    /// Nothing is done past the end.
    @inline(__always)
    package func setHalf(_ value: UInt16, at offset: Int) {
        guard offset >= 0, offset <= count - 2 else { return }
        unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
    }

    /// Eight bytes from `offset` on, the first the lowest; zero past the end.
    @inline(__always)
    package func word(at offset: Int) -> UInt64 {
        guard offset >= 0, offset <= count - 8 else { return 0 }
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    /// The first `limit` bytes, or all if there are fewer.
    package func prefix(_ limit: Int) -> [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: min(max(limit, 0), count)))
    }

    /// Copies at most `limit` bytes out, from `offset` on, to the beginning of `bytes`; answers how
    /// many, no more than either side has.
    package func copyOut(at offset: Int, limit: Int, into bytes: inout [UInt8]) -> Int {
        guard offset >= 0, offset < count else { return 0 }
        let size = min(max(limit, 0), count - offset, bytes.count)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.copyMemory(
                from: UnsafeRawBufferPointer(start: base + offset, count: size))
        }
        return size
    }

    /// Reads one message (read); answers its bytes. Those that there is no room for are lost.
    @inline(__always)
    package func receive(from descriptor: CInt) throws(Errno) -> Int {
        try unsafe Errno.check(clinux_read(descriptor, base, count))
    }

    /// Writes the first `count` bytes, or all if there are fewer, as one message (write). The
    /// kernel has a shorter way for one place than for several.
    @inline(__always)
    package func send(to descriptor: CInt, count: Int) throws(Errno) {
        let bytes = unsafe span(max(count, 0))
        _ = try unsafe Errno.check(clinux_write(descriptor, bytes.baseAddress, bytes.count))
    }

    fileprivate var vector: iovec { unsafe iovec(iov_base: base, iov_len: count) }

    fileprivate func span(_ limit: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: min(limit, count))
    }
}

/// One message in one transfer.
extension GuestSlices {
    /// What the kernel takes in one transfer (IOV_MAX), less the host's two.
    package static var messageLimit: Int { 1022 }

    /// Reads one message (readv) into the slices, and what they have no room for into `tail`.
    /// Answers its bytes in all; those that fit nowhere are lost. More than ``messageLimit`` slices
    /// are refused.
    @inline(__always)
    package func receive(
        from descriptor: CInt, tail: borrowing HostBytes
    ) throws(Errno) -> Int {
        guard count <= Self.messageLimit else { throw .invalid }
        let last = unsafe tail.vector
        let got = try unsafe Errno.check(
            withMessage(head: nil, tail: last) { unsafe clinux_readv(descriptor, $0, $1) })
        noteFilled(got)
        return got
    }

    /// Writes one message (writev): the first `size` bytes of `head`, or all if there are fewer,
    /// then all slices. More than ``messageLimit`` slices are refused.
    @inline(__always)
    package func send(
        to descriptor: CInt, head: borrowing HostBytes, count size: Int
    ) throws(Errno) {
        guard count <= Self.messageLimit else { throw .invalid }
        var first = unsafe head.vector
        unsafe first.iov_len = min(max(size, 0), head.count)
        _ = try unsafe Errno.check(
            withMessage(head: first, tail: nil) { unsafe clinux_writev(descriptor, $0, $1) })
    }

    /// Copies two bytes in from `offset` on, as far as there is room.
    @inline(__always)
    package func setHalf(_ value: UInt16, at offset: Int) {
        // As a rule all of it lies in the first slice.
        if count > 0, offset >= 0, unsafe offset &+ 2 <= vectors[first].iov_len,
            let base = unsafe vectors[first].iov_base
        {
            unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
            memory.didWrite(unsafe guests[first] &+ UInt64(offset), 2)
            return
        }
        setByte(UInt8(truncatingIfNeeded: value), at: offset)
        setByte(UInt8(truncatingIfNeeded: value >> 8), at: offset + 1)
    }

    /// Copies one byte in at `offset`, if there is room.
    package func setByte(_ value: UInt8, at offset: Int) {
        _ = unsafe forEach(from: offset, limit: 1) { target, _, _, guest in
            unsafe target.storeBytes(of: value, as: UInt8.self)
            memory.didWrite(guest, 1)
        }
    }

    /// Copies the first `size` bytes out to the beginning of `bytes`; false, and nothing done, if
    /// there are too few, or no room for them.
    package func copyOut(_ size: Int, into bytes: borrowing HostBytes) -> Bool {
        guard size > 0, size <= byteCount, size <= bytes.count else { return false }
        let target = unsafe bytes.base
        _ = unsafe forEach(from: 0, limit: size) { source, count, done, _ in
            unsafe (target + done).copyMemory(from: source, byteCount: count)
        }
        return true
    }

    /// Copies the first `count` bytes of `bytes` in from `offset` on.
    package func copyIn(_ bytes: borrowing HostBytes, count: Int, at offset: Int) {
        let span = unsafe RawSpan(_unsafeBytes: bytes.span(count))
        copyIn(span, at: offset)
    }
}
