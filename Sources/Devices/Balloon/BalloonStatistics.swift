// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// What a guest says of its memory, if it says the truth. VIRTIO 1.2, 5.5.6.4.
///
/// What it did not say is nil. Amounts are bytes, all else are counts.
package struct BalloonStatistics: Hashable, Sendable {
    package var swapIn: UInt64?
    package var swapOut: UInt64?
    package var majorFaults: UInt64?
    package var minorFaults: UInt64?
    package var freeMemory: UInt64?
    package var totalMemory: UInt64?
    package var availableMemory: UInt64?
    package var diskCaches: UInt64?
    package var hugetlbAllocations: UInt64?
    package var hugetlbFailures: UInt64?
    package var oomKill: UInt64?
    package var allocStall: UInt64?
    package var asyncScan: UInt64?
    package var directScan: UInt64?
    package var asyncReclaim: UInt64?
    package var directReclaim: UInt64?

    /// By tag, with the names that Firecracker's API gives them.
    package static var fields: [(name: String, path: KeyPath<Self, UInt64?>)] {
        [
            ("swap_in", \.swapIn), ("swap_out", \.swapOut), ("major_faults", \.majorFaults),
            ("minor_faults", \.minorFaults), ("free_memory", \.freeMemory),
            ("total_memory", \.totalMemory), ("available_memory", \.availableMemory),
            ("disk_caches", \.diskCaches), ("hugetlb_allocations", \.hugetlbAllocations),
            ("hugetlb_failures", \.hugetlbFailures), ("oom_kill", \.oomKill),
            ("alloc_stall", \.allocStall), ("async_scan", \.asyncScan),
            ("direct_scan", \.directScan), ("async_reclaim", \.asyncReclaim),
            ("direct_reclaim", \.directReclaim),
        ]
    }

    package init() {}

    /// Notes what a guest says; ``fields`` are in the order of the tags. False for a tag that nobody knows.
    mutating func set(_ tag: UInt16, _ value: UInt64) -> Bool {
        switch tag {
        case 0: swapIn = value
        case 1: swapOut = value
        case 2: majorFaults = value
        case 3: minorFaults = value
        case 4: freeMemory = value
        case 5: totalMemory = value
        case 6: availableMemory = value
        case 7: diskCaches = value
        case 8: hugetlbAllocations = value
        case 9: hugetlbFailures = value
        case 10: oomKill = value
        case 11: allocStall = value
        case 12: asyncScan = value
        case 13: directScan = value
        case 14: asyncReclaim = value
        case 15: directReclaim = value
        default: return false
        }
        return true
    }
}

extension Balloon {
    /// Bytes of one statistic: its tag, then its value.
    static var statisticSize: Int { 10 }
    /// Statistics of one buffer that are looked at.
    static var statisticLimit: Int { 64 }

    /// Changes how often statistics are asked for; the first are asked for at once. A balloon made
    /// without statistics has none, and one made with keeps them: false, and nothing changes.
    package mutating func setStatisticsInterval(_ seconds: UInt16) -> Bool {
        guard (options.statisticsInterval > 0) == (seconds > 0) else { return false }
        interval = seconds
        armTimer()
        return true
    }

    /// Asks for statistics at once, and then after each interval.
    mutating func armTimer() {
        guard accepted.contains(Feature.statistics), interval > 0 else {
            return host.timer.disarm()
        }
        let period = UInt64(interval) * 1_000_000_000
        host.timer.arm(at: Clock.monotonic &+ period, period: period)
        isStatisticsDue = true
        host.again.signal()
    }

    /// The buffer stays the device's until it wants new statistics; until then it is in the ring,
    /// not taken, and a notification brings nothing new.
    mutating func readStatistics(
        _ queues: inout Virtqueues, _ index: Int
    ) throws(VirtqueueError) {
        guard !holdsStatistics, let chain = try queues[index].next() else { return }
        let count = min(chain.readable.byteCount / Self.statisticSize, Self.statisticLimit)
        for number in 0..<count {
            let place = number * Self.statisticSize
            if let tag = chain.readable.load(UInt16.self, at: place),
                let value = chain.readable.load(UInt64.self, at: place + 2),
                !statistics.set(tag, value)
            {
                counts.wrongReports &+= 1
            }
        }
        if chain.readable.byteCount != count * Self.statisticSize { counts.wrongReports &+= 1 }
        counts.reports &+= 1
        holdsStatistics = true
        queues[index].putBack(chain)
    }

    /// Gives the buffer back, which asks the driver to fill it anew.
    mutating func askForStatistics(
        _ queues: inout Virtqueues, _ index: Int
    ) throws(VirtqueueError) {
        guard let chain = try queues[index].next() else { return }
        queues[index].complete(chain, written: 0)
        holdsStatistics = false
        // Asks to be notified of the next, which may be there already.
        if try queues[index].hasNext() { try readStatistics(&queues, index) }
    }
}
