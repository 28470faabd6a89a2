// SPDX-License-Identifier: Apache-2.0

/// How much a bucket holds and how fast it fills: Firecracker's `TokenBucket`.
package struct TokenBucketLimit: Hashable, Sendable {
    /// Tokens in a full bucket; 0 is no limit at all, as for Firecracker.
    package var size: UInt64
    /// Milliseconds in which an empty bucket fills; 0 is no limit at all.
    package var refillTime: UInt64
    /// Tokens on top of the first full bucket, given once.
    package var oneTimeBurst: UInt64

    package init(size: UInt64, refillTime: UInt64, oneTimeBurst: UInt64 = 0) {
        self.size = size
        self.refillTime = refillTime
        self.oneTimeBurst = oneTimeBurst
    }

    /// Whether it limits anything.
    package var isLimit: Bool { size > 0 && refillTime > 0 }
}

/// Tokens that run out with use and come back with time.
///
/// A demand larger than the bucket waits for a full one and leaves a debt, so that the rate holds
/// in the long run whatever the demands are.
package struct TokenBucket: Hashable, Sendable {
    package let limit: TokenBucketLimit
    /// Tokens there now; below zero is a debt.
    package private(set) var balance: Int64
    /// What is left of the one-time burst.
    package private(set) var burst: UInt64
    /// When ``balance`` was last brought up to date, in ns of `Clock.monotonic`.
    private var updated: UInt64

    /// Most tokens a bucket counts, so that no sum overflows.
    private static var sizeLimit: UInt64 { 1 << 61 }

    /// A full bucket, or nil if `limit` is none.
    package init?(_ limit: TokenBucketLimit, now: UInt64) {
        guard limit.isLimit else { return nil }
        self.limit = limit
        balance = Int64(min(limit.size, Self.sizeLimit))
        burst = min(limit.oneTimeBurst, Self.sizeLimit)
        updated = now
    }

    /// A bucket that goes on with `state`; what it says is brought within the limit.
    package init?(_ limit: TokenBucketLimit, _ state: State, now: UInt64) {
        self.init(limit, now: now)
        balance = max(min(state.balance, balance), -Int64(Self.sizeLimit))
        burst = min(state.burst, burst)
    }

    private var size: Int64 { Int64(min(limit.size, Self.sizeLimit)) }

    private var refillNanoseconds: UInt64 {
        let (product, overflow) = limit.refillTime.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : product
    }

    /// Whether ``take(_:)`` may take `tokens` now.
    package mutating func has(_ tokens: UInt64, now: UInt64) -> Bool {
        refill(now)
        return missing(tokens) == 0
    }

    /// Takes `tokens`; ``has(_:now:)`` said that it may.
    package mutating func take(_ tokens: UInt64) {
        let tokens = min(tokens, Self.sizeLimit)
        let fromBurst = min(tokens, burst)
        burst -= fromBurst
        balance -= Int64(tokens - fromBurst)
    }

    /// Nanoseconds until ``has(_:now:)`` is true of `tokens`; 0: now.
    package func delay(_ tokens: UInt64) -> UInt64 {
        let time = UInt128(missing(tokens)) * UInt128(refillNanoseconds)
        let (quotient, rest) = time.quotientAndRemainder(dividingBy: UInt128(size))
        return UInt64(clamping: quotient + (rest > 0 ? 1 : 0))
    }

    /// Tokens to come before so many can be taken.
    private func missing(_ tokens: UInt64) -> UInt64 {
        let demand = min(tokens, Self.sizeLimit)
        // Of what the burst does not pay, at most a full bucket is waited for.
        let wanted = min(Int64(demand - min(demand, burst)), size)
        return wanted > balance ? (wanted - balance).magnitude : 0
    }

    private mutating func refill(_ now: UInt64) {
        guard now > updated else { return }
        let elapsed = now - updated
        let time = UInt128(refillNanoseconds)
        let came = UInt128(elapsed) * UInt128(size) / time
        guard came < UInt128((size - balance).magnitude) else {
            balance = size
            updated = now
            return
        }
        balance += Int64(came)
        // The time that these tokens took; the rest counts towards the next.
        let (whole, rest) = (came * time).quotientAndRemainder(dividingBy: UInt128(size))
        updated += UInt64(whole) + (rest > 0 ? 1 : 0)
    }

    /// How full a bucket was; a plain value for a snapshot.
    package struct State: Hashable, Sendable {
        package var balance: Int64
        package var burst: UInt64

        package init(balance: Int64, burst: UInt64) {
            self.balance = balance
            self.burst = burst
        }
    }

    package var state: State { State(balance: balance, burst: burst) }
}
