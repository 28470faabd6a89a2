// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Frames from the guest. VIRTIO 1.2, 5.1.6.2.
extension Net {
    /// Sends what the driver has made available.
    mutating func transmit(_ pair: Int, _ queues: inout Virtqueues) throws(VirtqueueError) {
        pairs[pair].isBlocked = false
        pairs[pair].waitsForRoom = false
        guard !limits.transmit.isWaiting else { return }
        if try sendAvailable(pair, &queues[pair * 2 + 1]) { try receive(0, &queues[0]) }
    }

    /// Sends until there is nothing more, nothing more goes, or the turn is over; true if the
    /// responder has taken a frame, so that it may have an answer.
    private mutating func sendAvailable(
        _ pair: Int, _ queue: inout Virtqueue
    ) throws(VirtqueueError) -> Bool {
        var hasAnswers = false
        var series = Latency.Series()
        defer { series.end(in: &writes) }
        for turn in 0..<Self.turnLimit {
            // The guest sees nothing written to its frames.
            let loan = try queue.lend { chain in
                send(&chain.readable, pair, &hasAnswers, &series) ? 0 : nil
            }
            switch loan {
            case .done: continue
            case .none: if turn == 0 { statistics.idle &+= 1 }
            case .again: break
            }
            return hasAnswers
        }
        pairs[pair].isBlocked = true
        host.again.signal()
        return hasAnswers
    }

    /// True if the frame was sent, or is not to be sent; false if it is to be sent later.
    @inline(__always)
    private mutating func send(
        _ packet: inout GuestSlices, _ pair: Int, _ hasAnswers: inout Bool,
        _ series: inout Latency.Series
    ) -> Bool {
        let size = packet.byteCount - NetHeader.byteCount
        guard size >= Self.frameMinimum, size <= Self.frameLimit,
            packet.copyOut(into: host.header),
            let header = NetHeader(host.header).checked(frameSize: size, driver.features)
        else {
            statistics.violations &+= 1
            return true
        }
        guard limits.transmit.admit(bytes: size) else { return false }
        packet.removeFirst(NetHeader.byteCount)
        if let responder, offer(packet, to: responder) {
            hasAnswers = true
            return true
        }
        header.store(in: host.header)
        return write(packet, pair, &series)
    }

    /// The kernel sees our copy of the header, which the guest can no longer change.
    @inline(__always)
    private mutating func write(
        _ frame: borrowing GuestSlices, _ pair: Int, _ series: inout Latency.Series
    ) -> Bool {
        while true {
            do throws(Errno) {
                try frame.send(to: link.descriptor(pair), head: host.header)
                series.note(in: &writes)
                statistics.sentFrames &+= 1
                statistics.sentBytes &+= UInt64(frame.byteCount)
                if let givenMAC { noteSender(of: frame, givenMAC) }
                return true
            } catch .interrupted {
                continue
            } catch .again {
                // The poller tells when there is room; this frame's tokens are paid twice then.
                pairs[pair].waitsForRoom = true
                return false
            } catch {
                // The interface is down, or does not like the frame. Networks lose frames.
                statistics.refused &+= 1
                return true
            }
        }
    }

    /// Counts a frame that another interface seems to have sent. The guest may have given its own
    /// another address, or have a bridge; who wants to forbid that has the host's filters for it.
    @inline(__always)
    private mutating func noteSender(of frame: borrowing GuestSlices, _ mac: MACAddress) {
        // The last two bytes of the receiver's address come with it.
        guard let word = frame.load(UInt64.self, at: 4), MACAddress(word >> 16) != mac else {
            return
        }
        statistics.spoofed &+= 1
    }

    /// Gives a frame to the responder if that claims it.
    private mutating func offer(
        _ frame: borrowing GuestSlices, to responder: any NetResponder
    ) -> Bool {
        let size = frame.byteCount
        let count = frame.copyOut(at: 0, count: min(size, Self.headLimit), into: &head, at: 0)
        guard responder.claims(head[..<count]) else { return false }
        var bytes = [UInt8](repeating: 0, count: size)
        if frame.copyOut(at: 0, count: size, into: &bytes, at: 0) == size { responder.take(bytes) }
        return true
    }
}
