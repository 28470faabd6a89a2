// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// A fixed block of this process's own memory, for what goes before or after guest slices in one
/// transfer. The guest cannot reach it.
@safe package struct HostBytes: ~Copyable, @unchecked Sendable {
    /// In bytes.
    package let count: Int
    private let base: UnsafeMutableRawPointer

    /// `count` zeroes.
    package init(count: Int) {
        self.count = max(count, 1)
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: self.count, alignment: 16)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: self.count)
    }

    deinit { unsafe base.deallocate() }

    /// A value from `offset` on, or nil past the end.
    package func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value? {
        guard offset >= 0, offset <= count - MemoryLayout<Value>.size else { return nil }
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// Nothing is done past the end.
    package func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int = 0) {
        guard offset >= 0, offset <= count - MemoryLayout<Value>.size else { return }
        unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    /// The first `limit` bytes, or all if there are fewer.
    package func prefix(_ limit: Int) -> [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: min(max(limit, 0), count)))
    }

    fileprivate var vector: iovec { unsafe iovec(iov_base: base, iov_len: count) }

    fileprivate func span(_ limit: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: min(limit, count))
    }
}

/// One message of known header and unknown length, in one transfer.
extension GuestSlices {
    /// What the kernel takes in one transfer (IOV_MAX), less the host's two.
    package static var messageLimit: Int { 1022 }

    /// Reads one message (readv): its first bytes into `head`, what follows into the slices from
    /// `offset` on, and what they have no room for into `tail`. Answers its bytes in all; those
    /// that fit nowhere are lost. Of the slices at most ``messageLimit`` are used.
    package func receive(
        from descriptor: CInt, head: borrowing HostBytes, at offset: Int,
        tail: borrowing HostBytes
    ) throws(Errno) -> Int {
        let (first, last) = unsafe (head.vector, tail.vector)
        let got = try unsafe Errno.check(
            withMessage(first, offset, last) { unsafe clinux_readv(descriptor, $0, $1) })
        if memory.writeObserver != nil {
            _ = unsafe forEach(from: offset, limit: got - head.count) { _, count, _, guest in
                memory.didWrite(guest, UInt64(count))
            }
        }
        return got
    }

    /// Writes one message (writev): `head`, then the slices from `offset` on. More than
    /// ``messageLimit`` slices are refused.
    package func send(
        to descriptor: CInt, head: borrowing HostBytes, at offset: Int
    ) throws(Errno) {
        guard count <= Self.messageLimit else { throw .invalid }
        let first = unsafe head.vector
        _ = try unsafe Errno.check(
            withMessage(first, offset, nil) { unsafe clinux_writev(descriptor, $0, $1) })
    }

    /// Copies the first `count` bytes of `bytes` in from `offset` on.
    package func copyIn(_ bytes: borrowing HostBytes, count: Int, at offset: Int) {
        let span = unsafe RawSpan(_unsafeBytes: bytes.span(count))
        copyIn(span, at: offset)
    }

    private func withMessage(
        _ head: iovec, _ offset: Int, _ tail: iovec?, _ body: (UnsafePointer<iovec>, CInt) -> Int
    ) -> Int {
        let most = min(count, Self.messageLimit)
        return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: most + 2) { part in
            unsafe part.initializeElement(at: 0, to: head)
            var used = 1
            _ = unsafe forEach(from: offset, limit: .max) { base, count, _, _ in
                guard used <= most else { return }
                unsafe part.initializeElement(at: used, to: iovec(iov_base: base, iov_len: count))
                used += 1
            }
            if let tail = unsafe tail {
                unsafe part.initializeElement(at: used, to: tail)
                used += 1
            }
            guard let first = part.baseAddress else { return 0 }
            return unsafe body(UnsafePointer(first), CInt(used))
        }
    }
}
