// SPDX-License-Identifier: Apache-2.0

/// Answers the bytes of one connection: what to send, and whether nothing follows it.
package typealias StreamAnswer = @Sendable (_ bytes: [UInt8]) -> (bytes: [UInt8], isOver: Bool)

/// One TCP connection of the guest to the metadata service. RFC 9293, the passive side of it.
///
/// It takes bytes in order only, keeps what it sent until that is acknowledged, and sends it again
/// from the start of what is missing. It never waits for the guest: everything it keeps is bounded.
struct MetadataConnection {
    /// Bytes of requests that may be under way, as the guest is told.
    static let window: UInt16 = 16_384
    /// Reply bytes above which no request is taken.
    static let backlogLimit = 64 << 10
    /// Nanoseconds until something is sent again, at first and at most.
    private static let patience: UInt64 = 300_000_000
    private static let patienceLimit: UInt64 = 5_000_000_000
    /// How often that is done before the guest is given up.
    private static let attemptLimit = 8

    let guest: PacketEnds
    let guestPort: UInt16
    private(set) var lastUse: UInt64
    /// When something is to be sent again; `.max` for never.
    private(set) var deadline = UInt64.max
    /// Nothing is left to do.
    private(set) var isDone = false

    private let answer: StreamAnswer
    private let segmentSize: Int
    /// Replies that are not acknowledged; the first byte has the number `base`.
    private var outgoing: [UInt8] = []
    private var base: UInt32
    /// Of ``outgoing``, what was sent.
    private var sent = 0
    private var guestWindow: Int
    private var expected: UInt32
    private var isEstablished = false
    private var mustGreet = true
    private var mustAcknowledge = false
    /// Nothing follows ``outgoing``: a FIN is sent behind it, and has been.
    private var isEnding = false
    private var finSent = false
    private var guestEnded = false
    private var attempts = 0
    /// One byte may go although the guest has no room: it then says again how much it has.
    private var mayProbe = false

    /// Begins with the guest's SYN.
    init(
        _ syn: TCPSegment, from guest: PacketEnds, number: UInt32, now: UInt64, limit: Int,
        answer: @escaping StreamAnswer
    ) {
        self.guest = guest
        self.answer = answer
        guestPort = syn.sourcePort
        lastUse = now
        base = number &+ 1
        expected = syn.sequence &+ 1
        guestWindow = Int(syn.window)
        // What every host takes, unless it says more. RFC 9293, 3.7.1.
        segmentSize = max(64, min(Int(syn.segmentLimit ?? 536), limit))
    }

    // MARK: Receiving

    mutating func receive(_ segment: TCPSegment, now: UInt64) {
        lastUse = now
        if segment.flags.contains(.rst) {
            // Only one that names the next byte is believed. RFC 5961, 3.2.
            if segment.sequence == expected { isDone = true }
            return
        }
        if segment.flags.contains(.syn) {
            // The first again: its answer was lost.
            if segment.sequence &+ 1 == expected, !isEstablished { mustGreet = true }
            return
        }
        guard segment.flags.contains(.ack), acknowledge(segment, now: now) else { return }
        take(segment)
        if isEnding, finSent, outgoing.isEmpty, guestEnded { isDone = true }
    }

    /// False: it acknowledges what was never sent.
    private mutating func acknowledge(_ segment: TCPSegment, now: UInt64) -> Bool {
        let count = Int(segment.acknowledgement &- base)
        let most = sent + (finSent ? 1 : 0)
        guard count <= most else {
            // An old one, or nonsense.
            return Int32(bitPattern: segment.acknowledgement &- base) <= 0 && isEstablished
        }
        if !isEstablished {
            isEstablished = true
            mustGreet = false
            deadline = .max
        }
        guestWindow = Int(segment.window)
        guard count > 0 else { return true }
        let bytes = min(count, sent)
        outgoing.removeFirst(bytes)
        sent -= bytes
        base &+= UInt32(truncatingIfNeeded: count)
        if count > bytes {
            // The FIN too; nothing is left to be sent.
            finSent = true
            if guestEnded { isDone = true }
        }
        attempts = 0
        deadline = sent > 0 || finSent && count <= bytes ? now &+ Self.patience : .max
        if outgoing.count < Self.backlogLimit, !isEnding { ask([]) }
        return true
    }

    private mutating func take(_ segment: TCPSegment) {
        guard segment.length > 0 else { return }
        mustAcknowledge = true
        // How much of it is known already.
        let known = expected &- segment.sequence
        guard Int32(bitPattern: known) >= 0, known <= segment.length else { return }
        let fresh = segment.payload.dropFirst(Int(known)).prefix(Int(Self.window))
        if !fresh.isEmpty {
            // Without room it is dropped, and comes again.
            guard outgoing.count < Self.backlogLimit, !guestEnded else { return }
            expected &+= UInt32(truncatingIfNeeded: fresh.count)
            if !isEnding { ask(Array(fresh)) }
        }
        let end = segment.sequence &+ UInt32(truncatingIfNeeded: segment.payload.count)
        if segment.flags.contains(.fin), expected == end, !guestEnded {
            expected &+= 1
            guestEnded = true
            isEnding = true
        }
    }

    private mutating func ask(_ bytes: [UInt8]) {
        let (reply, isOver) = answer(bytes)
        outgoing += reply
        if isOver { isEnding = true }
    }

    // MARK: Sending

    /// The next segment that can go now.
    mutating func next(port: UInt16, limit: UInt16, now: UInt64) -> OutgoingSegment? {
        expire(now)
        guard !isDone else { return nil }
        var segment = OutgoingSegment(
            port: port, guestPort: guestPort, sequence: base &+ UInt32(truncatingIfNeeded: sent),
            acknowledgement: expected, flags: .ack, window: Self.window)
        if !isEstablished {
            guard mustGreet else { return nil }
            mustGreet = false
            segment.sequence = base &- 1
            segment.flags = [.syn, .ack]
            segment.segmentLimit = limit
            wait(now)
            return segment
        }
        if let payload = payload(now) {
            segment.payload = payload
            segment.flags.insert(.psh)
            sent += payload.count
        }
        if isEnding, !finSent, sent == outgoing.count {
            segment.flags.insert(.fin)
            finSent = true
            if deadline == .max { wait(now) }
        }
        guard !segment.payload.isEmpty || segment.flags.contains(.fin) || mustAcknowledge else {
            return nil
        }
        mustAcknowledge = false
        return segment
    }

    /// Bytes that may go now, as far as the guest has room.
    private mutating func payload(_ now: UInt64) -> ArraySlice<UInt8>? {
        let waiting = outgoing.count - sent
        guard waiting > 0 else { return nil }
        var room = max(0, guestWindow - sent)
        if room == 0, mayProbe, sent == 0 { room = 1 }
        mayProbe = false
        if deadline == .max { wait(now) }
        let count = min(waiting, room, segmentSize)
        return count > 0 ? outgoing[sent..<sent + count] : nil
    }

    private mutating func wait(_ now: UInt64) {
        deadline = now &+ min(Self.patience << UInt64(attempts), Self.patienceLimit)
    }

    /// What was not acknowledged in time goes again.
    private mutating func expire(_ now: UInt64) {
        guard now >= deadline else { return }
        attempts += 1
        guard attempts <= Self.attemptLimit else {
            isDone = true
            return
        }
        if !isEstablished { mustGreet = true }
        sent = 0
        finSent = false
        mayProbe = true
        wait(now)
    }
}
