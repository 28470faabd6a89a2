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
        guard Self.areDistinct(state.suspended) else { throw .value("suspended") }
        suspended = state.suspended
        limiter.restore(state.limiter)
        configuration.limits = state.limiter.limits
    }

    /// No more than can be under way, each in a queue, and none twice.
    private static func areDistinct(_ requests: [SuspendedRequest]) -> Bool {
        guard requests.count <= BlockRing.limit else { return false }
        for (index, request) in requests.enumerated() {
            guard Int(request.queue) < queueSizes.count, !requests[..<index].contains(request)
            else { return false }
        }
        return true
    }
}
