// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Random bytes of the host for the guest. VIRTIO 1.2, 5.4.
///
/// Without limits it is served on the thread of the vCPU that asks, and by the event loop if that is
/// not done in one turn; with limits by the loop alone, which knows when to go on.
package struct Entropy: ~Copyable, VirtioDevice {
    package static let id = DeviceID.entropy
    package static let queueSizes: [UInt16] = [64]

    /// Most bytes that one chain draws. Its descriptors may overlap, so that the size of the
    /// guest is no bound.
    package static let chainLimit = 64 << 10

    /// Chains in one turn; then others who need the device have theirs. Processors that publish chains
    /// faster than they are filled would hold it for ever.
    static let turnLimit = 64

    /// Bytes given since the device was made.
    package private(set) var byteCount: UInt64 = 0
    /// Requests, and those that got less than they asked for.
    package private(set) var requests: UInt64 = 0
    package private(set) var failures: UInt64 = 0
    private let limits: Limits?
    /// The last turn ended with chains left.
    private var isUnfinished = false

    /// What may be there or not: an optional of its own kind could not be looked at in place.
    private final class Limits {
        var limiter: RateLimiter
        init(_ limits: RateLimits) throws(Errno) { limiter = try RateLimiter(limits) }
    }

    /// Without limits, for ever.
    package init() { limits = nil }

    /// With limits, which may change while the guest runs.
    package init(_ limits: RateLimits) throws(Errno) { self.limits = try Limits(limits) }

    /// Changes the limits; false if the device was made without any.
    package mutating func setLimits(_ limits: RateLimits) -> Bool {
        guard let own = self.limits else { return false }
        own.limiter.setLimits(limits)
        return true
    }

    /// Times that requests had to wait for the limits.
    package var limiterWaits: UInt64 { limits?.limiter.waits ?? 0 }
    /// Times that such a wait was over.
    package var limiterEvents: UInt64 { limits?.limiter.events ?? 0 }

    package var hostEvents: CInt? { limits?.limiter.descriptor }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        for _ in 0..<Self.turnLimit {
            guard let chain = try queues[index].next() else { return }
            let size = min(chain.writable.byteCount, Self.chainLimit)
            guard limits?.limiter.admit(bytes: size) ?? true else {
                return queues[index].putBack(chain)
            }
            let written = chain.writable.fillRandom(limit: size)
            byteCount &+= UInt64(written)
            requests &+= 1
            if written < size { failures &+= 1 }
            queues[index].complete(chain, written: written)
        }
        if let limits { limits.limiter.yield() } else { isUnfinished = true }
    }

    package mutating func takeUnfinished() -> Bool {
        defer { isUnfinished = false }
        return isUnfinished
    }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        limits?.limiter.wake()
        try serve(&queues, index: 0)
    }

    package mutating func reset() {
        limits?.limiter.reset()
        isUnfinished = false
    }

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 2
        package var version = Self.version
        package var limiter: RateLimiter.State?
        package init() {}
    }

    package func save() -> State {
        var state = State()
        state.limiter = limits?.limiter.save()
        return state
    }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard (state.limiter == nil) == (limits == nil) else { throw .value("limiter") }
        if let saved = state.limiter { limits?.limiter.restore(saved) }
    }
}
