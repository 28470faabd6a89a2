// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// One connection between a socket of the host and a port of the guest.
final class VsockConnection {
    enum Phase {
        /// A program of the host has connected and not yet said to which port.
        case greeting
        /// The guest was asked and has not answered.
        case requested
        case connected
        /// Both halves are over for the host; the guest has still to say so.
        case closing
        /// The guest has closed; what it sent before is still on its way to the host.
        case draining
    }

    /// Packets without payload that wait for the guest's buffers.
    struct Pending: OptionSet {
        let rawValue: UInt8
        static let request = Pending(rawValue: 1)
        static let response = Pending(rawValue: 2)
        static let shutdown = Pending(rawValue: 8)
        static let creditUpdate = Pending(rawValue: 16)
        static let creditRequest = Pending(rawValue: 32)
    }

    let token: UInt64
    let socket: FileDescriptor
    var ports: VsockPorts
    var phase: Phase
    var pending: Pending = []
    /// ``Linux/Clock/monotonic`` at which patience ends; `.max` for never.
    var deadline = UInt64.max
    var host = HostHalf()
    var guest: GuestHalf

    /// From the host to the guest.
    struct HostHalf {
        /// The socket may have something to read.
        var hasInput = false
        /// Nothing more will come.
        var hasEnded = false
        /// Nobody reads any more.
        var isGone = false
        /// Bytes sent to the guest; wraps.
        var sent: UInt32 = 0
        /// What the guest said of its buffer.
        var bufferSize: UInt32 = 0
        var forwarded: UInt32 = 0
        /// The guest was asked for credit and has given none.
        var hasAsked = false

        /// Bytes that the guest has room for; a guest that counts wrong has none.
        var credit: UInt32 {
            let inFlight = sent &- forwarded
            return inFlight < bufferSize ? bufferSize &- inFlight : 0
        }
    }

    /// From the guest to the host.
    struct GuestHalf {
        /// What the guest has ended.
        var ended: VsockShutdown = []
        var backlog: VsockBacklog
        /// Bytes that came and that went on; wrap.
        var received: UInt32 = 0
        var forwarded: UInt32 = 0
        /// ``forwarded`` as the guest knows it.
        var told: UInt32 = 0

        var bufferSize: UInt32 { UInt32(backlog.capacity) }
        /// Bytes that the guest may still send.
        var room: UInt32 {
            let inFlight = received &- forwarded
            return inFlight < bufferSize ? bufferSize &- inFlight : 0
        }
        /// The guest has reason to think that its credit is running out, and it is not.
        var owesCredit: Bool { forwarded &- told >= bufferSize / 2 }
    }

    init(
        _ socket: consuming FileDescriptor, token: UInt64, ports: VsockPorts, phase: Phase,
        bufferSize: Int, store: VsockStore
    ) {
        self.socket = socket
        self.token = token
        self.ports = ports
        self.phase = phase
        guest = GuestHalf(backlog: VsockBacklog(capacity: bufferSize, from: store))
    }

    /// The socket's bytes may be passed on.
    var canReceive: Bool {
        phase == .connected && host.hasInput && !host.hasEnded && !guest.ended.contains(.receive)
    }

    /// There is a packet for the guest.
    var hasPacket: Bool { !pending.isEmpty || canReceive && host.credit > 0 }

    /// What the host's end has ended, for the guest.
    var hostShutdown: VsockShutdown {
        var ended: VsockShutdown = []
        if host.hasEnded { ended.insert(.send) }
        if host.isGone { ended.insert(.receive) }
        return ended
    }

    /// Takes what every packet of the guest says about its buffer.
    func noteCredit(_ header: VsockHeader) {
        host.bufferSize = header.bufferSize
        host.forwarded = header.forwarded
        if host.credit > 0 { host.hasAsked = false }
    }

    /// A packet for the guest, without its operation.
    func header(guestCID: UInt64) -> VsockHeader {
        var header = VsockHeader()
        header.sourceCID = VsockHeader.hostCID
        header.destinationCID = guestCID
        header.sourcePort = ports.host
        header.destinationPort = ports.guest
        header.bufferSize = guest.bufferSize
        header.forwarded = guest.forwarded
        guest.told = guest.forwarded
        return header
    }
}
