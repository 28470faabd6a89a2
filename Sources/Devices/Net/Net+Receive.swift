// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Frames to the guest. VIRTIO 1.2, 5.1.6.3 and 5.1.6.4.
extension Net {
    /// Fills the driver's buffers with what the link has.
    mutating func receive(_ pair: Int, _ queue: inout Virtqueue) throws(VirtqueueError) {
        if pair == 0, responder != nil { askResponder() }
        guard pairs[pair].hasInput || !pairs[pair].waiting.isEmpty else { return }
        // After an error the queue is of no more use, and what was taken from it neither.
        var run = runs[pair].take() ?? queue.makeRun()
        try fill(pair, &queue, &run)
        queue.putBack(&run)
        runs[pair] = consume run
    }

    private mutating func fill(
        _ pair: Int, _ queue: inout Virtqueue, _ run: inout WritableRun
    ) throws(VirtqueueError) {
        for _ in 0..<Self.turnLimit {
            if !pairs[pair].waiting.isEmpty {
                guard try deliver(pair, &queue, &run) else { return }
                if pair == 0, responder != nil { askResponder() }
                continue
            }
            // A frame is counted when it is there: a limiter lets one more in than it should, and
            // then holds back the next for as long.
            guard pairs[pair].hasInput, !limits.receive.isWaiting,
                try Self.gather(pairs[pair].window, most: driver.chainLimit, &queue, &run)
            else { return }
            try receiveFrame(pair, &queue, &run)
        }
        host.again.signal()
    }

    /// Takes buffers for `bytes` bytes, at most so many, or all there are; false if there is none.
    ///
    /// Not of an instance: a device that is only borrowed is copied for the call, a kilobyte.
    private static func gather(
        _ bytes: Int, most: Int, _ queue: inout Virtqueue, _ run: inout WritableRun
    ) throws(VirtqueueError) -> Bool {
        while run.byteCount < bytes, run.count < most, !run.isFull {
            guard try queue.take(into: &run, minimum: NetHeader.byteCount) else { break }
        }
        return run.count > 0
    }

    /// Reads one frame: a large one straight into the buffers, a small one by way of our memory, as
    /// then the kernel is told of one place, which is a shorter way. Which it will be nobody knows
    /// before; so each way has room for any.
    private mutating func receiveFrame(
        _ pair: Int, _ queue: inout Virtqueue, _ run: inout WritableRun
    ) throws(VirtqueueError) {
        let window = pairs[pair].window
        let isCopied = window <= Self.copyLimit
        let size: Int
        do throws(Errno) {
            size =
                isCopied
                ? try host.tail.receive(from: link.descriptor(pair))
                : try run.slices.receive(from: link.descriptor(pair), tail: host.tail)
        } catch {
            noteFailure(error, of: pair)
            return
        }
        pairs[pair].failures = 0
        guard size > NetHeader.byteCount else {
            // Sockets that stand in for a link have an end.
            if size == 0 { pairs[pair].hasInput = false }
            return
        }
        pairs[pair].window = max(size, window - window / 8)
        let inside = isCopied ? 0 : min(size, run.byteCount)
        guard limits.receive.admit(bytes: size - NetHeader.byteCount) else {
            // It is late, not lost.
            pairs[pair].waiting = frame(size, inside: inside, run)
            return
        }
        try place(size, inside: inside, pair, &queue, &run)
    }

    /// A frame that the kernel cannot hand over is gone, and those behind it are read. A link that is
    /// gone has no frame, however often it is read.
    private mutating func noteFailure(_ error: Errno, of pair: Int) {
        guard error != .interrupted else { return }
        if error != .again {
            statistics.readFailures &+= 1
            pairs[pair].failures += 1
            guard pairs[pair].failures >= Self.failureLimit else { return }
        }
        // The poller tells when there is something again.
        pairs[pair].hasInput = false
        pairs[pair].failures = 0
    }

    /// A frame that was read, header included, as bytes of ours: `inside` of them are in the run.
    private func frame(
        _ size: Int, inside: Int, _ run: borrowing WritableRun
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: inside)
        _ = run.slices.copyOut(at: 0, count: inside, into: &frame, at: 0)
        return frame + host.tail.prefix(size - inside)
    }

    /// Gives the driver the frame that was read: `inside` bytes of it are in the run already, the
    /// others in the tail.
    private mutating func place(
        _ size: Int, inside: Int, _ pair: Int, _ queue: inout Virtqueue,
        _ run: inout WritableRun
    ) throws(VirtqueueError) {
        if size > inside {
            guard driver.isMerging || size <= run.byteCount, size < inside + host.tail.count
            else {
                statistics.oversized &+= 1
                return
            }
            while run.byteCount < size, !run.isFull {
                guard try queue.take(into: &run, minimum: NetHeader.byteCount) else { break }
            }
            guard run.byteCount >= size else {
                statistics.starved &+= 1
                pairs[pair].waiting = frame(size, inside: inside, run)
                return
            }
            run.slices.copyIn(host.tail, count: size - inside, at: inside)
        }
        finish(size, &queue, &run)
    }

    /// Gives the driver the frame that waits; false if there are too few buffers.
    private mutating func deliver(
        _ pair: Int, _ queue: inout Virtqueue, _ run: inout WritableRun
    ) throws(VirtqueueError) -> Bool {
        let size = pairs[pair].waiting.count
        guard !limits.receive.isWaiting,
            try Self.gather(size, most: driver.chainLimit, &queue, &run)
        else { return false }
        if run.byteCount < size {
            guard !driver.isMerging || run.isFull || run.count >= Int(queue.size) else {
                return false
            }
            // It fits in no buffer, ever.
            statistics.oversized &+= 1
            pairs[pair].waiting.removeAll()
            return true
        }
        guard limits.receive.admit(bytes: size - NetHeader.byteCount) else { return false }
        let frame = pairs[pair].waiting
        pairs[pair].waiting = []
        run.slices.copyIn(frame[...])
        finish(size, &queue, &run)
        return true
    }

    /// Completes the header that came with the frame, and gives both to the driver.
    private mutating func finish(
        _ size: Int, _ queue: inout Virtqueue, _ run: inout WritableRun
    ) {
        let count = driver.isMerging ? run.chains(for: size) : 1
        run.slices.setHalf(
            UInt16(truncatingIfNeeded: count), at: NetHeader.Offset.bufferCount)
        // A driver that takes no unfinished frames is told nothing about checksums. 5.1.6.4.1.
        if !driver.takesUnfinished { run.slices.setByte(0, at: NetHeader.Offset.flags) }
        queue.complete(&run, written: size)
        statistics.receivedFrames &+= 1
        statistics.receivedBytes &+= UInt64(size - NetHeader.byteCount)
    }

    // MARK: The responder

    /// Lets the responder's next frame wait in the first pair, and itself be asked again in time.
    mutating func askResponder() {
        guard let responder, pairs[0].waiting.isEmpty else { return }
        if let frame = responder.nextFrame(),
            (Self.frameMinimum...Self.frameLimit).contains(frame.count)
        {
            pairs[0].waiting = [UInt8](repeating: 0, count: NetHeader.byteCount) + frame
        }
        let deadline = responder.deadline
        if deadline != .max { host.timer.arm(at: deadline) }
    }
}
