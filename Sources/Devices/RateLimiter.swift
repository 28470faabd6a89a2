// SPDX-License-Identifier: Apache-2.0
import Linux

/// The limits of a device: Firecracker's `RateLimiter`.
package struct RateLimits: Hashable, Sendable {
    /// A token a byte.
    package var bandwidth: TokenBucketLimit?
    /// A token a request.
    package var operations: TokenBucketLimit?

    package static let none = RateLimits()

    package init(bandwidth: TokenBucketLimit? = nil, operations: TokenBucketLimit? = nil) {
        self.bandwidth = bandwidth
        self.operations = operations
    }
}

/// Holds a device to so many bytes and requests in a time.
///
/// A device asks ``admit(bytes:now:)`` before each request. When that says no, it leaves the
/// request where it is, and does nothing until ``descriptor`` polls readable: then it calls
/// ``wake()`` and asks again. So a limited device costs no processor time while it waits.
package struct RateLimiter: ~Copyable {
    private let timer: Timer
    private var bandwidth: TokenBucket?
    private var operations: TokenBucket?
    /// A request was refused, and the timer is set for it.
    package private(set) var isWaiting = false
    /// Times that a device had to wait, since it was made.
    package private(set) var waits: UInt64 = 0
    /// Times that such a wait was over, and the device was told.
    package private(set) var events: UInt64 = 0
    /// What is waited for is the limits, not one's next turn.
    private var isHeldBack = false

    package init(_ limits: RateLimits = .none) throws(Errno) {
        timer = try Timer()
        let now = Clock.monotonic
        setBuckets(
            bandwidth: limits.bandwidth.flatMap { TokenBucket($0, now: now) },
            operations: limits.operations.flatMap { TokenBucket($0, now: now) })
    }

    private mutating func setBuckets(bandwidth: TokenBucket?, operations: TokenBucket?) {
        self.bandwidth = bandwidth
        self.operations = operations
        isOpen = bandwidth == nil && operations == nil
    }

    /// Readable when what was refused may be asked again.
    package var descriptor: CInt { timer.descriptor.rawValue }

    package var limits: RateLimits {
        RateLimits(bandwidth: bandwidth?.limit, operations: operations?.limit)
    }

    /// Whether there is no limit, so that nothing needs to be asked. Kept, as it is looked at for
    /// each request.
    package private(set) var isOpen = true

    /// Takes one request of so many bytes, or sets the timer for when it may be taken.
    ///
    /// `now` is on `Clock.monotonic`.
    @inline(__always)
    package mutating func admit(bytes: Int, now: @autoclosure () -> UInt64 = Clock.monotonic)
        -> Bool
    {
        isOpen ? true : admitLimited(UInt64(max(bytes, 0)), now())
    }

    private mutating func admitLimited(_ bytes: UInt64, _ now: UInt64) -> Bool {
        let hasBytes = bandwidth?.has(bytes, now: now) ?? true
        let hasOperation = operations?.has(1, now: now) ?? true
        if hasBytes, hasOperation {
            bandwidth?.take(bytes)
            operations?.take(1)
            return true
        }
        let delay = max(bandwidth?.delay(bytes) ?? 0, operations?.delay(1) ?? 0)
        let (deadline, overflow) = now.addingReportingOverflow(delay)
        timer.arm(at: overflow ? .max >> 1 : min(deadline, .max >> 1))
        if !isWaiting { waits &+= 1 }
        isWaiting = true
        isHeldBack = true
        return false
    }

    /// Takes note that ``descriptor`` was readable; true if somebody waited.
    @discardableResult
    package mutating func wake() -> Bool {
        guard timer.drain() > 0, isWaiting else { return false }
        isWaiting = false
        if isHeldBack { events &+= 1 }
        isHeldBack = false
        return true
    }

    /// Ends the device's turn although it may go on: ``descriptor`` is readable at once, when
    /// others have had theirs.
    package mutating func yield() {
        timer.arm(at: 1)
        isWaiting = true
    }

    /// Changes the limits of a running device. A bucket whose limit stays keeps its level. Who
    /// waits is woken to ask again.
    package mutating func setLimits(_ limits: RateLimits, now: UInt64 = Clock.monotonic) {
        setBuckets(
            bandwidth: limits.bandwidth == bandwidth?.limit
                ? bandwidth : limits.bandwidth.flatMap { TokenBucket($0, now: now) },
            operations: limits.operations == operations?.limit
                ? operations : limits.operations.flatMap { TokenBucket($0, now: now) })
        if isWaiting { timer.arm(at: 1) }
    }

    /// Forgets that somebody waited: the driver has reset the device. Levels stay, or a guest
    /// could refill its buckets by resets.
    package mutating func reset() {
        guard isWaiting else { return }
        timer.disarm()
        isWaiting = false
        isHeldBack = false
    }

    // MARK: Save and restore

    /// Limits and levels; a plain value.
    package struct State: Hashable, Sendable {
        package var limits = RateLimits.none
        package var bandwidth: TokenBucket.State?
        package var operations: TokenBucket.State?

        package init() {}
    }

    package func save() -> State {
        var state = State()
        state.limits = limits
        state.bandwidth = bandwidth?.state
        state.operations = operations?.state
        return state
    }

    /// Goes on with saved limits and levels; nobody waits.
    package mutating func restore(_ state: State, now: UInt64 = Clock.monotonic) {
        reset()
        setBuckets(
            bandwidth: Self.bucket(state.limits.bandwidth, state.bandwidth, now),
            operations: Self.bucket(state.limits.operations, state.operations, now))
    }

    private static func bucket(
        _ limit: TokenBucketLimit?, _ state: TokenBucket.State?, _ now: UInt64
    ) -> TokenBucket? {
        guard let limit else { return nil }
        guard let state else { return TokenBucket(limit, now: now) }
        return TokenBucket(limit, state, now: now)
    }
}
