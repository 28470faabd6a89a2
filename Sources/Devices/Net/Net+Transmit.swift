// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Frames from the guest. VIRTIO 1.2, 5.1.6.2.
extension Net {
    private enum Fate {
        /// Sent, or not to be sent.
        case over
        /// To be sent later.
        case waits
    }

    /// Sends what the driver has made available.
    mutating func transmit(_ pair: Int, _ queues: inout Virtqueues) throws(VirtqueueError) {
        let index = pair * 2 + 1
        pairs[pair].isBlocked = false
        pairs[pair].waitsForRoom = false
        guard !limits.transmit.isWaiting else { return }
        var hasAnswers = false
        var begun = Clock.monotonic
        for turn in 0..<Self.turnLimit {
            guard let chain = try queues[index].next() else {
                if turn == 0 { statistics.idle &+= 1 }
                if hasAnswers { try receive(0, &queues[0]) }
                return
            }
            switch send(chain.readable, pair, &hasAnswers, &begun) {
            case .over: queues[index].complete(chain, written: 0)
            case .waits:
                queues[index].putBack(chain)
                return
            }
        }
        if hasAnswers { try receive(0, &queues[0]) }
        pairs[pair].isBlocked = true
        host.again.signal()
    }

    private mutating func send(
        _ packet: borrowing GuestSlices, _ pair: Int, _ hasAnswers: inout Bool,
        _ begun: inout UInt64
    ) -> Fate {
        let size = packet.byteCount - NetHeader.byteCount
        guard size >= Self.frameMinimum, size <= Self.frameLimit,
            packet.copyOut(into: host.header),
            let header = NetHeader(host.header).checked(frameSize: size, driver.features)
        else {
            statistics.violations &+= 1
            return .over
        }
        guard limits.transmit.admit(bytes: size) else { return .waits }
        if let responder, offer(packet, size, to: responder) {
            hasAnswers = true
            return .over
        }
        header.store(in: host.header)
        return write(packet, size, pair, &begun)
    }

    /// The kernel sees our copy of the header, which the guest can no longer change. `begun` is when
    /// the frame before this one had been sent: the clock is read once a frame.
    private mutating func write(
        _ packet: borrowing GuestSlices, _ size: Int, _ pair: Int, _ begun: inout UInt64
    ) -> Fate {
        while true {
            do throws(Errno) {
                try packet.send(
                    to: link.descriptor(pair), head: host.header, at: NetHeader.byteCount)
                let now = Clock.monotonic
                writes.record(now &- begun)
                begun = now
                statistics.sentFrames &+= 1
                statistics.sentBytes &+= UInt64(size)
                return .over
            } catch .interrupted {
                continue
            } catch .again {
                // The poller tells when there is room; this frame's tokens are paid twice then.
                pairs[pair].waitsForRoom = true
                return .waits
            } catch {
                // The interface is down, or does not like the frame. Networks lose frames.
                statistics.refused &+= 1
                return .over
            }
        }
    }

    /// Gives a frame to the responder if that claims it.
    private mutating func offer(
        _ packet: borrowing GuestSlices, _ size: Int, to responder: any NetResponder
    ) -> Bool {
        let count = packet.copyOut(
            at: NetHeader.byteCount, count: min(size, Self.headLimit), into: &head, at: 0)
        guard responder.claims(head[..<count]) else { return false }
        var frame = [UInt8](repeating: 0, count: size)
        let got = packet.copyOut(at: NetHeader.byteCount, count: size, into: &frame, at: 0)
        if got == size { responder.take(frame) }
        return true
    }
}
