// SPDX-License-Identifier: Apache-2.0

/// What a processor must see now.
package struct Pending: Hashable, Sendable {
    package var nmi = false
    /// INIT has arrived: ``Chipset/takeInit(cpu:)``, then reset the processor.
    package var initSignal = false
    /// The page number at which a processor that waits for its startup begins.
    package var startupVector: UInt8?
    /// ``Chipset/acknowledge(cpu:now:)`` has a vector, should the processor's IF allow it.
    package var interrupt = false
    /// Guest nanoseconds at which to ask again at the latest; `.max` for never.
    package var nextDeadline = UInt64.max

    package init() {}
}

extension LocalAPIC {
    /// What the processor must see at `now`; `wire` is the level of the 8259s' output.
    @inline(__always)
    func pending(now: UInt64, wire: Bool) -> Pending {
        var answer = Pending()
        answer.nextDeadline = nextDeadline(now: now)
        answer.initSignal = signals.initialize
        guard !signals.isWaiting else {
            if !answer.initSignal { answer.startupVector = signals.startup }
            return answer
        }
        answer.nmi = signals.nonMaskable
        answer.interrupt = deliverable != nil || wire && takesExternal
        return answer
    }
}
