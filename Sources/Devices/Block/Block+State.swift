// SPDX-License-Identifier: Apache-2.0
import Virtio

/// Save and restore.
extension Block {
    /// A pause waits until no step is under way. Of a request that has more it is saved where its
    /// descriptors are; what the limiter holds up is still in its queue.
    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 2
        package var version = Self.version
        /// Sectors that the driver was last told of.
        package var sectors: UInt64
        package var limiter: RateLimiter.State
        /// Begun before the pause and to be begun anew, in this order.
        package var suspended: [SuspendedRequest] = []
    }

    package func save() -> State {
        State(sectors: disk.sectors, limiter: limiter.save(), suspended: suspended)
    }

    /// The file must not have become smaller: a file system would lose what it keeps there.
    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard disk.sectors >= state.sectors else { throw .value("sectors") }
        // The same place twice is a driver's doing, and does no more harm than without a pause.
        guard state.suspended.count <= BlockRing.limit,
            state.suspended.allSatisfy({ Int($0.queue) < Self.queueSizes.count })
        else { throw .value("suspended") }
        suspended = state.suspended
        limiter.restore(state.limiter)
        configuration.limits = state.limiter.limits
    }
}
