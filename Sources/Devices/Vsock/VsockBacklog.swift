// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Bytes of the guest that a socket would not take yet: a ring, allocated when first needed and
/// freed when empty.
struct VsockBacklog {
    /// In bytes.
    let capacity: Int
    private var storage: [UInt8] = []
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) { self.capacity = capacity }

    var isEmpty: Bool { count == 0 }

    /// Takes `amount` bytes of `slices` from `offset` on; false, and nothing taken, without room.
    mutating func append(
        _ slices: borrowing GuestSlices, at offset: Int, count amount: Int
    ) -> Bool {
        guard amount <= capacity - count, offset + amount <= slices.byteCount else { return false }
        if storage.isEmpty { storage = [UInt8](repeating: 0, count: capacity) }
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
        storage = []
        head = 0
        count = 0
    }
}
