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
            packet.copyOut(Self.copied(of: packet.byteCount), into: host.front),
            let header = NetHeader(host.front).checked(frameSize: size, driver.features)
        else {
            statistics.violations &+= 1
            return true
        }
        guard limits.transmit.admit(bytes: size) else { return false }
        if let responder, offer(packet, to: responder) {
            hasAnswers = true
            return true
        }
        header.store(in: host.front)
        return write(&packet, size, pair, &series)
    }

    /// How many of a packet's bytes are copied before they are looked at: all, or so many that the
    /// header and all that anybody decides by are among them.
    @inline(__always)
    private static func copied(of count: Int) -> Int {
        count <= copyLimit ? count : NetHeader.byteCount + headLimit
    }

    /// What was copied is what the kernel sees, and the guest can no longer change it: a small
    /// packet, or how a large one begins.
    @inline(__always)
    private mutating func write(
        _ packet: inout GuestSlices, _ size: Int, _ pair: Int, _ series: inout Latency.Series
    ) -> Bool {
        let copied = Self.copied(of: packet.byteCount)
        let isCopied = copied == packet.byteCount
        if !isCopied { packet.removeFirst(copied) }
        while true {
            do throws(Errno) {
                if isCopied {
                    try host.front.send(to: link.descriptor(pair), count: copied)
                } else {
                    try packet.send(
                        to: link.descriptor(pair), head: host.front, count: copied)
                }
                series.note(in: &writes)
                statistics.sentFrames &+= 1
                statistics.sentBytes &+= UInt64(size)
                if let givenMAC { noteSender(givenMAC) }
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
    private mutating func noteSender(_ mac: MACAddress) {
        // The last two bytes of the receiver's address come with it.
        let word = host.front.word(at: NetHeader.byteCount + 4)
        if MACAddress(word >> 16) != mac { statistics.spoofed &+= 1 }
    }

    /// Gives the frame of a packet to the responder if that claims it. What was copied decides, and
    /// is what the responder gets, or the link.
    private mutating func offer(
        _ packet: borrowing GuestSlices, to responder: any NetResponder
    ) -> Bool {
        let begin = NetHeader.byteCount
        let size = packet.byteCount - begin
        let copied = Self.copied(of: packet.byteCount) - begin
        let count = host.front.copyOut(at: begin, limit: copied, into: &head)
        guard responder.claims(head[..<count]) else { return false }
        var bytes = [UInt8](repeating: 0, count: size)
        _ = host.front.copyOut(at: begin, limit: copied, into: &bytes)
        _ = packet.copyOut(
            at: begin + copied, count: size - copied, into: &bytes, at: copied)
        responder.take(bytes)
        return true
    }
}
