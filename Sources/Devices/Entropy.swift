// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// Random bytes of the host for the guest. VIRTIO 1.2, 5.4.
///
/// Served on the thread of the vCPU that asks.
package struct Entropy: ~Copyable, VirtioDevice {
    package static let id = DeviceID.entropy
    package static let queueSizes: [UInt16] = [64]

    /// Most bytes that one chain draws. Its descriptors may overlap, so that the size of the
    /// guest is no bound.
    package static let chainLimit = 64 << 10

    /// Bytes given since the device was made.
    package private(set) var byteCount: UInt64 = 0

    package init() {}

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        while let chain = try queues[index].next() {
            let written = chain.writable.fillRandom(limit: Self.chainLimit)
            byteCount &+= UInt64(written)
            queues[index].complete(chain, written: written)
        }
    }

    package mutating func reset() {}

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package init() {}
    }

    package func save() -> State { State() }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
    }
}
