// SPDX-License-Identifier: Apache-2.0

/// How often something took how long. Whoever guards the device guards this: to count is to add.
package struct Latency: Sendable {
    /// Upper bounds of the histogram, in nanoseconds; one more bucket follows.
    package static var bounds: InlineArray<10, UInt64> {
        [
            10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 25_000_000,
            250_000_000,
        ]
    }

    package private(set) var count: UInt64 = 0
    /// In nanoseconds, as the others.
    package private(set) var sum: UInt64 = 0
    package private(set) var most: UInt64 = 0
    private var least: UInt64 = .max
    private var buckets = InlineArray<11, UInt64>(repeating: 0)

    package init() {}

    package mutating func record(_ time: UInt64) {
        count &+= 1
        sum &+= time
        most = max(most, time)
        least = min(least, time)
        let bounds = Self.bounds
        var index = 0
        while index < bounds.count, time > bounds[index] { index &+= 1 }
        buckets[index] &+= 1
    }

    /// 0 if there was none.
    package var leastOrZero: UInt64 { count == 0 ? 0 : least }

    /// How many took at most each of ``bounds``, and one more for the rest; not cumulative.
    package var counts: [UInt64] { buckets.indices.map { buckets[$0] } }
}
