// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// Stretches of guest RAM that a chain names, checked once, for I/O without a copy.
///
/// They are kept as the kernel takes them, in room of their own that is used again and again. No
/// byte of it is ever lent out as a pointer.
@safe package struct GuestSlices: ~Copyable {
    package let memory: GuestMemory
    /// Where each slice lies in this process; those before `first` have been removed. There is
    /// room for one more before the first and behind the last, for the host's part of a message.
    private(set) var vectors: UnsafeMutablePointer<iovec>
    private(set) var guests: UnsafeMutablePointer<GuestAddress>
    private var room: Int
    private(set) var first = 0
    private var end = 0
    /// Bytes of all slices.
    package private(set) var byteCount = 0
    /// Until ``removeAll()``, of all slices that there have been and of what ``pin(_:count:)`` named:
    /// who is done with a part of them may not be done with the rest of its block.
    private var pins: BlockPins

    /// - Parameter capacity: Slices to have room for from the beginning.
    package init(_ memory: GuestMemory, capacity: Int = 8) {
        self.memory = memory
        room = max(capacity, 1)
        pins = BlockPins(memory)
        unsafe vectors = Self.makeVectors(room)
        unsafe guests = .allocate(capacity: room)
    }

    deinit {
        unsafe (vectors - 1).deallocate()
        unsafe guests.deallocate()
    }

    private static func makeVectors(_ count: Int) -> UnsafeMutablePointer<iovec> {
        unsafe UnsafeMutablePointer<iovec>.allocate(capacity: count + 2) + 1
    }

    package var count: Int { end - first }

    /// Where slice `index`, below ``count``, lies and how many bytes it has.
    package func range(_ index: Int) -> (address: GuestAddress, byteCount: UInt64) {
        precondition(index >= 0 && index < count)
        return unsafe (guests[first + index], UInt64(vectors[first + index].iov_len))
    }

    /// Forgets all slices and keeps the room.
    package mutating func removeAll() {
        forget()
        if !pins.isEmpty { pins.removeAll() }
    }

    private mutating func forget() {
        first = 0
        end = 0
        byteCount = 0
    }

    /// Adds `count` bytes at `address`, which must all be RAM.
    @inline(__always)
    package mutating func append(_ address: GuestAddress, count: UInt32) throws(MemoryError) {
        let near = memory.layout.hostAddress(of: address.rawValue, count: UInt64(count))
        guard let host = near ?? farAddress(address, count, writing: true) else {
            throw .outOfRange(address, count: UInt64(count))
        }
        append(host, address, count)
    }

    /// Adds `count` bytes at `address` that are only read.
    @inline(__always)
    package mutating func append(readable address: GuestAddress, count: UInt32) throws(MemoryError)
    {
        let near = memory.layout.hostAddress(of: address.rawValue, count: UInt64(count))
        guard let host = near ?? farAddress(address, count, writing: false) else {
            throw .outOfRange(address, count: UInt64(count))
        }
        append(host, address, count)
    }

    /// Keeps `count` bytes at `address` memory as long as the slices, of which they are none. Whether
    /// they are memory is to be asked after that.
    package mutating func pin(_ address: GuestAddress, count: UInt64) {
        guard memory.layout.hostAddress(of: address.rawValue, count: count) == nil else { return }
        pins.add(address, count: count)
    }

    /// The host address of what lies beyond the RAM that is there from the start. It stays memory.
    @inline(never)
    private mutating func farAddress(
        _ address: GuestAddress, _ count: UInt32, writing: Bool
    ) -> UInt? {
        pins.add(address, count: UInt64(count))
        return memory.farAddress(address.rawValue, UInt64(count), writing: writing)
    }

    @inline(__always)
    private mutating func append(_ host: UInt, _ address: GuestAddress, _ count: UInt32) {
        if end == room { makeRoom(for: 1) }
        unsafe vectors[end] = iovec(
            iov_base: UnsafeMutableRawPointer(bitPattern: host), iov_len: Int(count))
        unsafe guests[end] = address
        end += 1
        byteCount &+= Int(count)
    }

    /// Adds all of `other`.
    package mutating func append(contentsOf other: borrowing GuestSlices) {
        if end + other.count > room { makeRoom(for: other.count) }
        unsafe (vectors + end).initialize(from: other.vectors + other.first, count: other.count)
        unsafe (guests + end).initialize(from: other.guests + other.first, count: other.count)
        end += other.count
        byteCount &+= other.byteCount
        if !other.pins.isEmpty { pins.add(contentsOf: other.pins) }
    }

    /// Moves the slices to the front, to larger memory if that alone does not help.
    private mutating func makeRoom(for more: Int) {
        let kept = count
        // Half of it free is enough to make moving rare.
        guard kept + more > room / 2 else { return moveDown() }
        let larger = max(room * 4, kept + more)
        let newVectors = unsafe Self.makeVectors(larger)
        let newGuests = UnsafeMutablePointer<GuestAddress>.allocate(capacity: larger)
        unsafe newVectors.moveInitialize(from: vectors + first, count: kept)
        unsafe newGuests.moveInitialize(from: guests + first, count: kept)
        unsafe (vectors - 1).deallocate()
        unsafe guests.deallocate()
        unsafe vectors = newVectors
        unsafe guests = newGuests
        room = larger
        first = 0
        end = kept
    }

    private mutating func moveDown() {
        let kept = count
        unsafe vectors.update(from: vectors + first, count: kept)
        unsafe guests.update(from: guests + first, count: kept)
        first = 0
        end = kept
    }

    /// Forgets the first `count` bytes, or all if there are fewer.
    package mutating func removeFirst(_ count: Int) {
        guard count < byteCount else { return forget() }
        var left = count
        byteCount &-= left
        while left > 0 {
            let length = unsafe vectors[first].iov_len
            guard left < length else {
                left &-= length
                first += 1
                continue
            }
            unsafe vectors[first].iov_base += left
            unsafe vectors[first].iov_len = length &- left
            unsafe guests[first] = guests[first] &+ UInt64(left)
            return
        }
    }

    /// Forgets the last byte and answers where it lies; nil if there is none.
    package mutating func removeLast() -> GuestAddress? {
        guard byteCount > 0 else { return nil }
        byteCount &-= 1
        // No slice is empty: a byte is left in the last one.
        let length = unsafe vectors[end - 1].iov_len &- 1
        let address = unsafe guests[end - 1] &+ UInt64(length)
        unsafe vectors[end - 1].iov_len = length
        if length == 0 { end -= 1 }
        return address
    }

    /// Writes a byte where ``removeLast()`` took one away.
    package func storeRemoved(_ byte: UInt8, at address: GuestAddress) {
        try? memory.store(byte, at: address)
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

    /// Fills with random bytes, at most `limit`; answers how many. They are fewer where the host has
    /// no memory for a page.
    package func fillRandom(limit: Int) -> Int {
        var filled = 0
        _ = unsafe forEach(from: 0, limit: limit) { target, count, done, guest in
            // After a gap nothing more: who reads believes in bytes without one.
            guard filled == done else { return }
            let got = unsafe RandomBytes.fill(
                UnsafeMutableRawBufferPointer(start: target, count: count))
            filled += got
            memory.didWrite(guest, UInt64(got))
        }
        return filled
    }

    /// Calls `body` with each stretch between `offset` and `offset + limit`: host address, its
    /// length, bytes done before it, guest address. Answers the bytes in all.
    func forEach(
        from offset: Int, limit: Int,
        _ body: (UnsafeMutableRawPointer, Int, Int, GuestAddress) -> Void
    ) -> Int {
        var skip = offset
        var done = 0
        var index = first
        while index < end, done < limit {
            let length = unsafe vectors[index].iov_len
            guard skip < length, let base = unsafe vectors[index].iov_base else {
                skip -= length
                index += 1
                continue
            }
            let count = min(length - skip, limit - done)
            unsafe body(base + skip, count, done, guests[index] &+ UInt64(skip))
            index += 1
            done += count
            skip = 0
        }
        return done
    }

    /// The first `count` bytes are new: somebody else has filled them.
    package func noteFilled(_ count: Int) {
        guard memory.writeObserver != nil else { return }
        _ = unsafe forEach(from: 0, limit: count) { _, count, _, guest in
            memory.didWrite(guest, UInt64(count))
        }
    }

    /// Calls `body` with all slices, or with as many as the kernel takes at once.
    func withVectors<Result>(_ body: (UnsafePointer<iovec>, CInt) -> Result) -> Result {
        unsafe body(UnsafePointer(vectors + first), CInt(min(count, Self.vectorLimit)))
    }

    /// Calls `body` with `head`, if there is one, all slices, and `tail`, if there is one. They are
    /// put where the vectors have room for them, so that none is copied. At most
    /// ``messageLimit`` slices.
    @inline(__always)
    func withMessage(
        head: iovec?, tail: iovec?, _ body: (UnsafePointer<iovec>, CInt) -> Int
    ) -> Int {
        var start = first
        var used = count
        if let head = unsafe head {
            start -= 1
            used += 1
            unsafe vectors[start] = head
        }
        if let tail = unsafe tail {
            unsafe vectors[end] = tail
            used += 1
        }
        return unsafe body(UnsafePointer(vectors + start), CInt(truncatingIfNeeded: used))
    }

    /// What the kernel takes at once: IOV_MAX.
    private static var vectorLimit: Int { 1024 }

    /// Calls `body` with the slices between `offset` and `offset + limit`, or as many of them as the
    /// kernel takes at once; 0 if there are none.
    func withVectors(
        from offset: Int, limit: Int, _ body: (UnsafePointer<iovec>, CInt) -> Int
    ) -> Int {
        // A transfer cut short by this is no error.
        let most = min(count, Self.vectorLimit)
        guard most > 0, limit > 0 else { return 0 }
        if offset == 0, limit >= byteCount { return unsafe body(vectors + first, CInt(most)) }
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
