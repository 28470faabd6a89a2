// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// Guest time: the host's, or one that counts retired instructions.
///
/// Deterministic time is one nanosecond an instruction. Processors then run one at a time, in turn,
/// and time that nobody uses is skipped; whoever has the turn sees the time that all before him
/// have used up. Who comes next is decided under one lock by what the guest has done, never by
/// which host thread is quicker.
final class MachineTime: Sendable {
    let isDeterministic: Bool
    /// The host's clock at guest time 0; wraps.
    private let origin: Atomic<UInt64>
    private let turns: Mutex<Turns>
    /// One for each processor: its turn may have come.
    private let bells: [Signalbox]
    private let words: Mapping?

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

    init(deterministic: Bool, cpuCount: Int) throws(Errno) {
        isDeterministic = deterministic
        origin = Atomic(Clock.monotonic)
        turns = Mutex(Turns(idleUntil: Array(repeating: nil, count: cpuCount)))
        guard deterministic else {
            bells = []
            words = nil
            return
        }
        let pages = try Mapping.anonymous(byteCount: cpuCount * 64)
        bells = (0..<cpuCount).map { Signalbox(address: pages.address + UInt($0) * 64) }
        words = consume pages
    }

    /// Guest time in nanoseconds, for a processor that has retired so many instructions.
    @inline(__always) func now(retired: UInt64) -> UInt64 {
        guard isDeterministic else {
            return Clock.monotonic &- origin.load(ordering: .relaxed)
        }
        return turns.withLock { $0.base &+ (retired &- $0.retired) }
    }

    /// Guest time in nanoseconds while no processor runs.
    var now: UInt64 {
        guard isDeterministic else {
            return Clock.monotonic &- origin.load(ordering: .relaxed)
        }
        return turns.withLock { $0.base }
    }

    /// The host's clock at a guest time; `.max` stays `.max`.
    func hostTime(of guest: UInt64) -> UInt64 {
        guard guest != .max else { return .max }
        let origin = Int64(bitPattern: origin.load(ordering: .relaxed))
        // The origin of a machine that has been restored may lie before the host's own.
        if origin < 0 { return guest > origin.magnitude ? guest &- origin.magnitude : 0 }
        let (sum, overflow) = guest.addingReportingOverflow(UInt64(bitPattern: origin))
        return overflow ? .max : sum
    }

    /// Makes guest time `now`. While no processor runs, and before those have retired anything
    /// whose time is to be deterministic.
    func set(now: UInt64) {
        origin.store(Clock.monotonic &- now, ordering: .relaxed)
        turns.withLock { $0.base = now }
    }

    /// Gives up the turn that processor `index` may have, and waits until it is its turn again.
    func takeTurn(_ index: Int, retired: UInt64) {
        change { turns in
            if turns.holder == index { turns.release(retired) }
            turns.idleUntil[index] = nil
        }
        while true {
            _ = bells[index].take()
            let isMine = turns.withLock { turns -> Bool in
                guard turns.holder == nil, turns.nextRunnable() == index else { return false }
                turns.holder = index
                turns.retired = retired
                turns.next = (index + 1) % turns.idleUntil.count
                return true
            }
            if isMine { return }
            bells[index].wait(until: .max)
        }
    }

    /// Gives up the turn until guest time `deadline` or a ``wake(_:)``. When all are idle, time
    /// jumps to the first deadline.
    func idle(_ index: Int, retired: UInt64, until deadline: UInt64) {
        change { turns in
            if turns.holder == index { turns.release(retired) }
            turns.idleUntil[index] = deadline
        }
        while true {
            _ = bells[index].take()
            if turns.withLock({ $0.idleUntil[index] == nil }) { return }
            bells[index].wait(until: .max)
        }
    }

    /// Makes an idle processor run again: something has come for it.
    func wake(_ index: Int) {
        change { $0.idleUntil[index] = nil }
    }

    /// Gives up the turn for good: the processor's thread leaves the engine.
    func leave(_ index: Int, retired: UInt64) {
        change { turns in
            if turns.holder == index { turns.release(retired) }
            turns.idleUntil[index] = .max
        }
    }

    /// Changes who runs, then lets those know whom it may concern.
    private func change(_ body: (inout Turns) -> Void) {
        let next = turns.withLock { turns -> Int? in
            body(&turns)
            turns.settle()
            return turns.holder == nil ? turns.nextRunnable() : nil
        }
        if let next { bells[next].raise(1) }
    }
}

extension MachineTime.Turns {
    fileprivate mutating func release(_ now: UInt64) {
        base &+= now &- retired
        retired = now
        holder = nil
    }

    /// Wakes the processors whose time has come; skips the time in which all are idle.
    fileprivate mutating func settle() {
        guard holder == nil else { return }
        if !idleUntil.contains(where: { $0 == nil }) {
            let first = idleUntil.compactMap { $0 }.min() ?? .max
            if first != .max { base = max(base, first) }
        }
        for index in idleUntil.indices {
            if let deadline = idleUntil[index], deadline <= base { idleUntil[index] = nil }
        }
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
