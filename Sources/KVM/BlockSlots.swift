// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory

/// Hot-plugged memory as the kernel has it: a slot for each block that is plugged, so that a guest
/// reaches no other. Splitting larger slots would leave a hole for a moment, in which a processor of
/// the guest could lose a write.
final class BlockSlots: PlugObserver, Sendable {
    private let kernel: KernelMachine
    private let first: Int

    /// - Parameter first: Slots that are taken already.
    init(_ kernel: KernelMachine, first: Int) {
        self.kernel = kernel
        self.first = first
    }

    private func slot(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: first + index) }

    func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError) {
        do throws(KVMError) {
            try kernel.descriptor.map(region, slot: slot(index))
        } catch {
            guard case .request(_, let errno) = error else { throw .plug(region.base, .invalid) }
            throw .plug(region.base, errno)
        }
    }

    func unplug(_ index: Int) {
        // The kernel refuses only what is not there.
        try? kernel.descriptor.unmap(slot: slot(index))
    }
}
