// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Blocks that come and go. One call may change all there are, or its steps a few at a time, so that
/// nobody waits for all. Blocks that are not there are nobody's.
extension GuestMemory {
    /// Makes the blocks `range` RAM, all zeroes. Throws, and nothing changes, if the engine has no
    /// room for them.
    package func plug(blocks range: Range<Int>) throws(MemoryError) {
        do throws(MemoryError) {
            try admit(blocks: range)
        } catch {
            try? giveBack(blocks: range)
            throw error
        }
        enter(blocks: range)
        forget(blocks: range)
    }

    /// Takes the blocks `range` away and gives their memory back to the host.
    ///
    /// Throws ``MemoryError/inUse`` if a device is about to touch one, and then nothing changes; after
    /// another error the blocks are gone, and the host has not taken their memory.
    package func unplug(blocks range: Range<Int>) throws(MemoryError) {
        try withdraw(blocks: range)
        try giveBack(blocks: range)
    }

    // MARK: Steps in

    /// Lets the engine have the blocks `range`, which are no RAM yet; the first step. After an error
    /// they are to be given back.
    package func admit(blocks range: Range<Int>) throws(MemoryError) {
        guard let (blocks, range) = known(range) else { return }
        try blocks.changes.withLock { _ throws(MemoryError) in try blocks.admit(range) }
    }

    /// Makes the blocks `range` RAM, all of which the engine has; the second step.
    package func enter(blocks range: Range<Int>) {
        guard let (blocks, range) = known(range) else { return }
        blocks.changes.withLock { _ in
            for block in range { blocks.enter(block) }
        }
    }

    /// Lets nobody go on with what he knows of an earlier life of the blocks `range`; the last step.
    package func forget(blocks range: Range<Int>) {
        guard let (blocks, range) = known(range) else { return }
        let offset = UInt64(range.lowerBound) * blocks.blockSize
        didWrite(blocks.region.base &+ offset, UInt64(range.count) * blocks.blockSize)
    }

    // MARK: Steps out

    /// Makes the blocks `range` no RAM any more; the first step. Throws ``MemoryError/inUse``, and
    /// nothing changes, if a device is about to touch one.
    package func withdraw(blocks range: Range<Int>) throws(MemoryError) {
        guard let (blocks, range) = known(range) else { return }
        guard blocks.changes.withLock({ _ in blocks.clear(range) }) else { throw .inUse }
    }

    /// Takes those blocks of `range` that are no RAM from the engine, if it has some, and gives their
    /// memory back to the host; the last step.
    package func giveBack(blocks range: Range<Int>) throws(MemoryError) {
        guard let (blocks, range) = known(range) else { return }
        var refusal: MemoryError?
        let isLess = blocks.changes.withLock { _ in
            var isLess = false
            for block in range where blocks.takePassing(block) {
                blocks.observer?.unplug(block)
                isLess = true
            }
            guard isLess else { return false }
            do throws(MemoryError) {
                try punchUnplugged(range, of: blocks)
            } catch {
                refusal = error
            }
            return true
        }
        // Of what the host has not taken, too: processors have no business there any more.
        if isLess { blocks.observer?.didUnplug(range) }
        if let refusal { throw refusal }
    }

    /// Gives the memory of those blocks of `range` that are unplugged back to the host, once more.
    package func discardUnplugged(_ range: Range<Int>) throws(MemoryError) {
        guard let (blocks, range) = known(range) else { return }
        try blocks.changes.withLock { _ throws(MemoryError) in
            try punchUnplugged(range, of: blocks)
        }
    }

    /// Tries all of them; throws the last error.
    private func punchUnplugged(
        _ range: Range<Int>, of blocks: PluggableMemory
    ) throws(MemoryError) {
        var refusal: MemoryError?
        var first = range.lowerBound
        while first < range.upperBound {
            var end = first
            while end < range.upperBound, !blocks.isPlugged(end) { end += 1 }
            if first < end {
                let offset = UInt64(first) * blocks.blockSize
                do throws(MemoryError) {
                    try punch(
                        UInt64(blocks.region.fileOffset) + offset,
                        UInt64(end - first) * blocks.blockSize)
                } catch {
                    refusal = error
                }
            }
            first = end + 1
        }
        if let refusal { throw refusal }
    }

    /// The blocks of `range` that are there; nil: none.
    private func known(_ range: Range<Int>) -> (PluggableMemory, Range<Int>)? {
        guard let pluggable else { return nil }
        let range = range.clamped(to: 0..<pluggable.blockCount)
        return range.isEmpty ? nil : (pluggable, range)
    }
}
