// SPDX-License-Identifier: Apache-2.0
import Memory

/// Chains taken ahead, for input of which nobody knows yet how much comes.
extension Virtqueue {
    /// An empty run for chains of this queue.
    package func makeRun() -> WritableRun { WritableRun(memory) }

    /// Takes the next chain's writable part into `run`, behind what is there; false if there is
    /// none. Chains with less than `minimum` bytes to write are of no use: each is given back at
    /// once, or with the chains before it.
    package mutating func take(
        into run: inout WritableRun, minimum: Int
    ) throws(VirtqueueError) -> Bool {
        for _ in 0..<state.size {
            if try takeSingle(into: &run, minimum: minimum) { return true }
            guard let chain = try next() else { return false }
            let isUseful = chain.writable.byteCount >= minimum
            if !isUseful, run.count == 0 {
                complete(chain, written: 0)
                continue
            }
            // Given back out of turn it would come again in place of those that are put back.
            if isUseful { run.append(chain) } else { run.append(uselessHead: chain.head) }
            inFlight += 1
            recycle(chain)
            if isUseful { return true }
        }
        return false
    }

    /// As ``take(into:minimum:)``, for a chain of one buffer that is large enough, which almost all
    /// are; false for any other, and nothing is done.
    @inline(__always)
    private mutating func takeSingle(
        into run: inout WritableRun, minimum: Int
    ) throws(VirtqueueError) -> Bool {
        guard try hasNext() else { return false }
        let head = try nextHead()
        let descriptor = try loadDescriptor(head, in: state.descriptors)
        guard descriptor.flags == Descriptor.isWritable, descriptor.length >= UInt32(minimum),
            descriptor.length > 0
        else { return false }
        let address = GuestAddress(descriptor.address)
        do throws(MemoryError) {
            try run.append(head: head, address, count: descriptor.length)
        } catch {
            throw .buffer(address, count: descriptor.length)
        }
        state.nextAvailable &+= 1
        inFlight += 1
        return true
    }

    /// Gives the first chains of `run` back, as many as `written` bytes fill and at least one, and
    /// the useless ones behind them. The driver sees all of them at once.
    package mutating func complete(_ run: inout WritableRun, written: Int) {
        var left = written
        var index = state.nextUsed
        repeat {
            guard let element = run.takeFirst(written: left) else { break }
            let slot = index & (state.size &- 1)
            memory.store64(element.word, at: state.used &+ (4 &+ UInt64(slot) &* 8))
            left -= Int(element.length)
            index &+= 1
            inFlight -= 1
        } while left > 0 || run.beginsUseless
        state.nextUsed = index
        try? memory.storeRelease(index, at: state.used &+ 2)
    }

    /// Undoes the takes that are left in `run`: these chains come again.
    package mutating func putBack(_ run: inout WritableRun) {
        state.nextAvailable &-= UInt16(truncatingIfNeeded: run.count)
        inFlight -= run.count
        run.removeAll()
    }
}
