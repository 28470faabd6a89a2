// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The host's clocks, in nanoseconds.
package enum Clock {
    /// Since some fixed moment, never going back.
    package static var monotonic: UInt64 { clinux_clock(CLOCK_MONOTONIC) }
    /// ``monotonic`` in so many seconds, 0 to a billion.
    package static func deadline(in seconds: Double) -> UInt64 {
        monotonic &+ UInt64(max(0, min(seconds, 1e9)) * 1e9)
    }
    /// Since 1970-01-01 00:00 UTC.
    package static var realtime: UInt64 { clinux_clock(CLOCK_REALTIME) }
    /// Seconds that local time is ahead of UTC now.
    package static var zoneOffset: Int { Int(clinux_zone_offset()) }
    /// Processor time of this process.
    package static var processCPU: UInt64 { clinux_clock(CLOCK_PROCESS_CPUTIME_ID) }
}

/// A timer that makes a descriptor readable. timerfd(2), monotonic clock.
package struct Timer: ~Copyable, Sendable {
    package let descriptor: FileDescriptor

    package init() throws(Errno) {
        descriptor = FileDescriptor(adopting: try Errno.check(clinux_timerfd()))
    }

    /// Fires once at `deadline` (``Clock/monotonic``), then every `period` ns if that is not 0.
    package func arm(at deadline: UInt64, period: UInt64 = 0) {
        _ = clinux_timerfd_set(descriptor.rawValue, 1, max(deadline, 1), period)
    }

    package func disarm() { _ = clinux_timerfd_set(descriptor.rawValue, 0, 0, 0) }

    /// How often it fired since last asked.
    @discardableResult
    package func drain() -> UInt64 {
        var count: UInt64 = 0
        return unsafe clinux_read(descriptor.rawValue, &count, 8) == 8 ? count : 0
    }
}
