// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// Guest time: the host's, or one that counts retired instructions.
///
/// Deterministic time is one nanosecond an instruction. Processors then run one at a time, in turn,
/// and time that nobody uses is skipped; whoever has the turn sees the time that all before him
/// have used up.
final class MachineTime: Sendable {
    let isDeterministic: Bool
    private let origin: UInt64
    private let turns: Mutex<Turns>

    fileprivate struct Turns {
        /// Guest time when the present turn began.
        var base: UInt64 = 0
        /// Retired instructions of its processor then.
        var retired: UInt64 = 0
        var holder: Int?
        var next = 0
        /// Wake-up times of processors that are idle (`.max`: only by a signal); nil: it runs.
        var idleUntil: [UInt64?]
    }

    init(deterministic: Bool, cpuCount: Int) {
        isDeterministic = deterministic
        origin = Clock.monotonic
        turns = Mutex(Turns(idleUntil: Array(repeating: nil, count: cpuCount)))
    }

    /// Guest time in nanoseconds, for a processor that has retired so many instructions.
    @inline(__always) func now(retired: UInt64) -> UInt64 {
        guard isDeterministic else { return Clock.monotonic &- origin }
        return turns.withLock { $0.base &+ (retired &- $0.retired) }
    }

    /// The host's clock at a guest time; `.max` stays `.max`.
    func hostTime(of guest: UInt64) -> UInt64 {
        let (sum, overflow) = guest.addingReportingOverflow(origin)
        return overflow ? .max : sum
    }

    /// Waits until it is processor `index`'s turn, giving up the turn it had.
    func takeTurn(_ index: Int, retired: UInt64) {
        turns.withLock { turns in
            if turns.holder == index { turns.release(retired) }
            turns.idleUntil[index] = nil
        }
        while true {
            let isMine = turns.withLock { turns -> Bool in
                guard turns.holder == nil, turns.nextRunnable() == index else { return false }
                turns.holder = index
                turns.retired = retired
                turns.next = (index + 1) % turns.idleUntil.count
                return true
            }
            if isMine { return }
            Thread.yield()
        }
    }

    /// Gives up the turn until guest time `deadline` or a signal. If all are idle, time jumps to the
    /// first deadline.
    func idle(_ index: Int, retired: UInt64, until deadline: UInt64, _ signals: Signalbox) {
        turns.withLock { turns in
            if turns.holder == index { turns.release(retired) }
            turns.idleUntil[index] = deadline
        }
        while !signals.isRaised {
            let wakes = turns.withLock { turns -> Bool in
                guard turns.holder == nil else { return false }
                if !turns.idleUntil.contains(where: { $0 == nil }) {
                    let first = turns.idleUntil.compactMap { $0 }.min() ?? .max
                    if first != .max { turns.base = max(turns.base, first) }
                }
                return deadline <= turns.base
            }
            if wakes { break }
            let alone = turns.withLock { $0.idleUntil.allSatisfy { $0 == .max } }
            if alone {
                signals.wait(until: .max)
            } else {
                Thread.yield()
            }
        }
        turns.withLock { $0.idleUntil[index] = nil }
    }
}

extension MachineTime.Turns {
    fileprivate mutating func release(_ now: UInt64) {
        base &+= now &- retired
        retired = now
        holder = nil
    }

    /// The first processor from `next` on that is not idle.
    fileprivate func nextRunnable() -> Int? {
        for offset in idleUntil.indices {
            let index = (next + offset) % idleUntil.count
            if idleUntil[index] == nil { return index }
        }
        return nil
    }
}
