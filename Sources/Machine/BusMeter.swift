// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// Counts the accesses of processors to one kind of device, and how long they took.
final class BusMeter: Sendable {
    private let count = Atomic<UInt64>(0)
    /// In nanoseconds; the least is centuries before the first, and fits a signed number: the
    /// atomic minimum of Swift 6.3 compares as one.
    private let least = Atomic<UInt64>(1 << 62)
    private let most = Atomic<UInt64>(0)
    private let sum = Atomic<UInt64>(0)
    private let buckets = Atomics()

    /// Upper bounds of the histogram, in nanoseconds; one more bucket follows.
    static var bounds: [UInt64] {
        [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000, 10_000_000]
    }

    /// Atomics do not go into an array.
    private final class Atomics: Sendable {
        let counts = BusMeter.bounds.map { _ in Box() } + [Box()]
        final class Box: Sendable { let value = Atomic<UInt64>(0) }
    }

    /// Runs `access` and counts it.
    @inline(__always) func measure<Result>(_ access: () -> Result) -> Result {
        let start = Clock.monotonic
        let result = access()
        record(Clock.monotonic &- start)
        return result
    }

    private func record(_ time: UInt64) {
        count.wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(time, ordering: .relaxed)
        least.min(time, ordering: .relaxed)
        most.max(time, ordering: .relaxed)
        let index = Self.bounds.firstIndex { time <= $0 } ?? Self.bounds.count
        buckets.counts[index].value.wrappingAdd(1, ordering: .relaxed)
    }

    /// What has been counted since the start.
    var reading: BusReading {
        var reading = BusReading()
        reading.count = count.load(ordering: .relaxed)
        reading.sum = sum.load(ordering: .relaxed)
        reading.least = reading.count == 0 ? 0 : least.load(ordering: .relaxed)
        reading.most = most.load(ordering: .relaxed)
        reading.buckets = buckets.counts.map { $0.value.load(ordering: .relaxed) }
        return reading
    }
}

/// Accesses to one kind of device; times in nanoseconds.
package struct BusReading: Hashable, Sendable {
    package var count: UInt64 = 0
    package var sum: UInt64 = 0
    package var least: UInt64 = 0
    package var most: UInt64 = 0
    /// How many took at most each of ``bounds``, and one more for the rest; not cumulative.
    package var buckets: [UInt64] = []

    package static var bounds: [UInt64] { BusMeter.bounds }
}

/// Accesses of all kinds.
package struct BusReadings: Hashable, Sendable {
    package var portReads = BusReading()
    package var portWrites = BusReading()
    package var memoryReads = BusReading()
    package var memoryWrites = BusReading()
}
