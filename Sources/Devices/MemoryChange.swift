// SPDX-License-Identifier: Apache-2.0
import Memory

/// A change of many blocks, done in steps: an engine maps or unmaps each block by itself, and the host
/// takes its memory back.
///
/// To a driver it is one change. All blocks become RAM at once, when the engine has them all, and all
/// cease to be at once, before the first is given back; what can be refused is refused before that.
struct MemoryChange {
    /// Blocks that the steps of one turn may change, and that they may have forgotten.
    struct Turn {
        var changes: Int
        var forgets: Int

        init(blocks: Int) {
            changes = blocks
            forgets = blocks
        }
    }

    private enum Phase {
        /// The engine gets the blocks, which are no RAM yet.
        case entering
        /// They are RAM, and what processors know of their addresses is of an earlier life.
        case forgetting
        /// They are no RAM, and go.
        case leaving
    }

    let range: Range<Int>
    private var phase: Phase
    /// The first block that the phase has not come to, and the one behind its last.
    private var next: Int
    private var end: Int
    /// The engine had no room for them.
    private(set) var isRefused = false
    /// The host has not taken all memory back.
    private(set) var isKeptByHost = false

    private init(_ range: Range<Int>, _ phase: Phase) {
        self.range = range
        self.phase = phase
        next = range.lowerBound
        end = range.upperBound
    }

    /// Begins to plug `range`, of which nothing is plugged.
    static func plug(_ range: Range<Int>) -> Self { Self(range, .entering) }

    /// Begins to unplug what is plugged of `range`; nil, and nothing changes, if some of it is in use.
    static func unplug(_ range: Range<Int>, of memory: GuestMemory) -> Self? {
        do throws(MemoryError) {
            try memory.withdraw(blocks: range)
        } catch {
            return nil
        }
        return Self(range, .leaving)
    }

    /// Goes on as far as `turn` lasts; true when all is done.
    mutating func goOn(in memory: GuestMemory, _ turn: inout Turn) -> Bool {
        while next < end {
            let left = phase == .forgetting ? turn.forgets : turn.changes
            guard left > 0 else { return false }
            step(next..<next + min(end - next, left), in: memory, &turn)
        }
        return true
    }

    private mutating func step(_ piece: Range<Int>, in memory: GuestMemory, _ turn: inout Turn) {
        next = piece.upperBound
        switch phase {
        case .entering:
            turn.changes -= piece.count
            do throws(MemoryError) {
                try memory.admit(blocks: piece)
            } catch {
                isRefused = true
                return turnBack()
            }
            guard next == end else { return }
            memory.enter(blocks: range)
            phase = .forgetting
            next = range.lowerBound
        case .forgetting:
            turn.forgets -= piece.count
            memory.forget(blocks: piece)
        case .leaving:
            turn.changes -= piece.count
            do throws(MemoryError) {
                try memory.giveBack(blocks: piece)
            } catch {
                // They are gone all the same.
                isKeptByHost = true
            }
        }
    }

    private mutating func turnBack() {
        phase = .leaving
        end = next
        next = range.lowerBound
    }

    /// Nobody waits for it any more. What is no RAM yet will be none; all else takes its course. Answers
    /// whether the change comes about.
    mutating func revoke() -> Bool {
        if phase == .entering {
            isRefused = true
            turnBack()
        }
        return !isRefused
    }
}
