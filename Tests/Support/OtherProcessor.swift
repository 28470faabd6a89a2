// SPDX-License-Identifier: Apache-2.0
import Memory
import Synchronization

/// Another processor of the guest, which makes a chain available again as soon as the device has
/// given one back, so many times. The chain begins at descriptor 0.
package final class OtherProcessor: GuestWriteObserver {
    private let memory: GuestMemory
    private let available: GuestAddress
    private let used: GuestAddress
    private let left: Atomic<Int>

    /// Acts as long as ``stop()`` has not been called.
    package init(_ ring: DriverRing, count: Int) {
        memory = ring.memory
        available = ring.available &+ 2
        used = ring.used &+ 2
        left = Atomic(count)
        memory.writeObserver = self
    }

    package func stop() { memory.writeObserver = nil }

    package func hostWrote(at address: GuestAddress, count: UInt64) {
        guard address == used, left.subtract(1, ordering: .relaxed).newValue >= 0,
            let index = try? memory.loadAcquire(at: available)
        else { return }
        try? memory.storeRelease(index &+ 1, at: available)
    }
}
