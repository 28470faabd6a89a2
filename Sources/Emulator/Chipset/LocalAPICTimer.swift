// SPDX-License-Identifier: Apache-2.0

/// The timer of a local APIC. It counts at 1 GHz over the programmed divider, which is guest
/// nanoseconds. Intel SDM 3, 11.5.4.
package struct LocalAPICTimer: Hashable, Sendable {
    /// Bits 17 and 18 of the timer's LVT entry.
    package enum Mode: UInt8, Hashable, Sendable {
        case oneShot, periodic, deadline, reserved
    }

    package var mode = Mode.oneShot
    package var initialCount: UInt32 = 0
    /// Bits 0, 1 and 3 as the guest wrote them.
    package var divideConfiguration: UInt32 = 0
    /// Guest nanoseconds at which the count reaches zero; nil while it does not count.
    package var expiry: UInt64?
    /// IA32_TSC_DEADLINE; 0 is disarmed.
    package var tscDeadline: UInt64 = 0
    /// What the processor's TSC shows beyond guest time; wraps.
    package var tscOffset: UInt64 = 0
    /// How fast the TSC runs.
    package var scale = TimeStampScale.natural

    package init() {}

    private func timeStamp(_ now: UInt64) -> UInt64 { scale.ticks(in: now) &+ tscOffset }

    /// 1, 2, 4 … 128.
    package var divisor: UInt64 {
        let code = (divideConfiguration & 3) | (divideConfiguration >> 1 & 4)
        return 1 << UInt64((code &+ 1) & 7)
    }

    private var period: UInt64 { UInt64(initialCount) &* divisor }

    /// Selects a mode; to or from the TSC deadline it also disarms.
    package mutating func select(_ new: Mode) {
        if new != mode, new == .deadline || new == .reserved || mode == .deadline {
            disarm()
            initialCount = 0
        }
        mode = new
    }

    package mutating func disarm() {
        expiry = nil
        tscDeadline = 0
    }

    /// Starts counting down from `count`, or stops for 0. Ignored in TSC-deadline mode.
    package mutating func start(count: UInt32, now: UInt64) {
        guard mode == .oneShot || mode == .periodic else { return }
        initialCount = count
        expiry = count == 0 ? nil : later(now, by: period)
    }

    /// What is left of the count at `now`.
    package func currentCount(now: UInt64) -> UInt32 {
        guard let expiry, expiry > now else { return 0 }
        let left = (expiry &- now &+ (divisor &- 1)) / divisor
        return UInt32(truncatingIfNeeded: min(left, UInt64(initialCount)))
    }

    /// A new divider keeps the count that is left.
    package mutating func setDivideConfiguration(_ value: UInt32, now: UInt64) {
        let left = UInt64(currentCount(now: now))
        divideConfiguration = value & 0xb
        if expiry != nil { expiry = later(now, by: left &* divisor) }
    }

    /// Arms the TSC deadline, or disarms it for 0. Ignored in other modes.
    package mutating func setDeadline(_ value: UInt64) {
        if mode == .deadline { tscDeadline = value }
    }

    /// True once for each expiry up to `now`. Periods that have been missed are skipped, and the
    /// next one stays on the grid of the first.
    package mutating func fire(now: UInt64) -> Bool {
        if mode == .deadline {
            guard tscDeadline != 0, timeStamp(now) >= tscDeadline else { return false }
            tscDeadline = 0
            return true
        }
        guard let due = expiry, due <= now else { return false }
        if mode == .periodic, period != 0 {
            let behind = (now &- due) % period
            expiry = later(now, by: period &- behind)
        } else {
            expiry = nil
        }
        return true
    }

    /// When ``fire(now:)`` will next answer true; `.max` for never.
    package func nextExpiry(now: UInt64) -> UInt64 {
        guard mode == .deadline else { return expiry ?? .max }
        guard tscDeadline != 0 else { return .max }
        let tsc = timeStamp(now)
        guard tscDeadline > tsc else { return now }
        let delta = tscDeadline &- tsc
        guard scale != .natural else { return later(now, by: delta) }
        // Rounding may end a nanosecond short.
        let nanoseconds = scale.nanoseconds(for: delta)
        return later(now, by: nanoseconds == .max ? .max : nanoseconds &+ 1)
    }

    private func later(_ now: UInt64, by delta: UInt64) -> UInt64 {
        let (sum, overflow) = now.addingReportingOverflow(delta)
        return overflow ? .max : sum
    }
}
