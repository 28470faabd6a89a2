// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Rings of bytes that are not in use, a few of them: a connection that is fast needs one again and
/// again, and to make one costs more than to fill it.
final class VsockStore {
    /// Rings that are kept at most, each of ``VsockTable/largeBuffer`` bytes.
    static let limit = 8

    private var spare: [[UInt8]] = []

    init() { spare.reserveCapacity(Self.limit) }

    /// A ring of `capacity` bytes, whatever they are.
    func take(_ capacity: Int) -> [UInt8] {
        if capacity == VsockTable.largeBuffer, let ring = spare.popLast() { return ring }
        return [UInt8](repeating: 0, count: capacity)
    }

    func give(_ ring: [UInt8]) {
        guard ring.count == VsockTable.largeBuffer, spare.count < Self.limit else { return }
        spare.append(ring)
    }
}

/// Bytes of the guest that a socket would not take yet: a ring, had from a store when first needed
/// and given back when empty.
struct VsockBacklog {
    /// In bytes.
    let capacity: Int
    private let store: VsockStore
    private(set) var storage: [UInt8] = []
    private var head = 0
    private(set) var count = 0

    init(capacity: Int, from store: VsockStore) {
        self.capacity = capacity
        self.store = store
    }

    var isEmpty: Bool { count == 0 }

    /// Takes `amount` bytes of `slices` from `offset` on; false, and nothing taken, without room.
    mutating func append(
        _ slices: borrowing GuestSlices, at offset: Int, count amount: Int
    ) -> Bool {
        guard amount <= capacity - count, offset + amount <= slices.byteCount else { return false }
        guard amount > 0 else { return true }
        if storage.isEmpty { storage = store.take(capacity) }
        let tail = (head + count) % capacity
        let first = min(amount, capacity - tail)
        var done = slices.copyOut(at: offset, count: first, into: &storage, at: tail)
        done += slices.copyOut(at: offset + first, count: amount - first, into: &storage, at: 0)
        count += done
        return done == amount
    }

    /// Sends what `socket` takes at once; answers how many bytes.
    mutating func send(to socket: CInt) throws(Errno) -> Int {
        let end = min(head + count, capacity)
        let sent = try UnixSocket.send(storage[head..<end], to: socket)
        head = (head + sent) % capacity
        count -= sent
        if count == 0 { removeAll() }
        return sent
    }

    mutating func removeAll() {
        if !storage.isEmpty { store.give(storage) }
        storage = []
        head = 0
        count = 0
    }
}
