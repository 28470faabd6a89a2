// SPDX-License-Identifier: Apache-2.0
import Linux

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

    package mutating func record(_ time: UInt64) { record(time, of: 1) }

    /// So many took `time` together, each as long as the others for all that is known.
    package mutating func record(_ time: UInt64, of count: UInt64) {
        guard count > 0 else { return }
        let each = time / count
        self.count &+= count
        sum &+= time
        most = max(most, each)
        least = min(least, each)
        let bounds = Self.bounds
        var index = 0
        while index < bounds.count, each > bounds[index] { index &+= 1 }
        buckets[index] &+= count
    }

    /// 0 if there was none.
    package var leastOrZero: UInt64 { count == 0 ? 0 : least }

    /// How many took at most each of ``bounds``, and one more for the rest; not cumulative.
    package var counts: [UInt64] { buckets.indices.map { buckets[$0] } }

    /// What follows one upon the other, and is timed by the group: to look at the clock takes as
    /// long as a good part of the shortest.
    package struct Series {
        /// How many make a group. What one of them took longer than the others is told as a
        /// sixteenth of it for each.
        package static var groupSize: UInt64 { 16 }

        private var begun: UInt64
        private var count: UInt64 = 0

        /// The first begins at `now`, on `Clock.monotonic`.
        package init(now: UInt64 = Clock.monotonic) { begun = now }

        /// One is over, and the next begins.
        @inline(__always)
        package mutating func note(
            in latency: inout Latency, now: @autoclosure () -> UInt64 = Clock.monotonic
        ) {
            count &+= 1
            if count == Self.groupSize { end(in: &latency, now: now()) }
        }

        /// Records those that are over. If there are none, the clock is not looked at.
        @inline(__always)
        package mutating func end(
            in latency: inout Latency, now: @autoclosure () -> UInt64 = Clock.monotonic
        ) {
            guard count > 0 else { return }
            let now = now()
            latency.record(now &- begun, of: count)
            begun = now
            count = 0
        }
    }
}
