// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Why a socket device could not be made.
package enum VsockError: Error, Hashable, Sendable {
    /// Guest context IDs go from 3 to 4,294,967,294.
    case guestCID(UInt32)
    /// The path of the host's socket is empty, or longer than 96 bytes.
    case path(String)
    /// The host refused.
    case host(Errno)
}

/// Stream sockets between guest and host. VIRTIO 1.2, 5.10.
///
/// On the host it speaks Firecracker's protocol: a program connects to the Unix socket at `path`,
/// says `CONNECT <port>\n` and hears `OK <host port>\n` once the guest has accepted; a connection
/// of the guest to port P of the host (CID 2) ends at the Unix socket `<path>_<P>`.
///
/// Bytes go straight between guest memory and socket; only what a socket does not take at once is
/// kept, at most the credit that the guest was given. Everything is served on the event loop's
/// thread, behind one descriptor (``Linux/Poller``).
package struct Vsock: ~Copyable, VirtioDevice {
    package static let id = DeviceID.vsock
    /// To the guest, from the guest, events.
    package static let queueSizes: [UInt16] = [256, 256, 64]

    /// Longest path of the host's socket in bytes: a port is appended to it.
    package static var pathLimit: Int { UnixSocket.pathLimit - 11 }
    /// How long the guest has to answer a request, and to end what the host has ended, in ns.
    static let patience: UInt64 = 2_000_000_000
    /// How long a program of the host has to say to which port it calls, in ns.
    var greetingPatience: UInt64 = 10_000_000_000
    /// Packets each way in one turn; then others of the event loop have theirs.
    static let turnLimit = 256
    /// Answers to packets without a connection that wait at most; then the guest's wait.
    static let resetLimit = 256
    /// Bytes of payload in one packet at most, as drivers expect.
    static let packetLimit = 64 << 10

    enum Queue { static let receive = 0, transmit = 1, event = 2 }
    enum Token { static let listener: UInt64 = 1, again: UInt64 = 2, timer: UInt64 = 3 }

    /// Counts since the device was made.
    package struct Statistics: Hashable, Sendable {
        package var connections = 0
        package var closed: UInt64 = 0
        /// Connections whose guest did not answer in time.
        package var abandoned: UInt64 = 0
        package var packetsToGuest: UInt64 = 0
        package var packetsFromGuest: UInt64 = 0
        /// Errors of sockets.
        package var readFailures: UInt64 = 0
        package var writeFailures: UInt64 = 0
        /// Programs of the host that left before they had all that was kept for them.
        package var flushFailures: UInt64 = 0
        package var bytesToGuest: UInt64 = 0
        package var bytesFromGuest: UInt64 = 0
        /// Packets that no well-behaved driver sends.
        package var violations: UInt64 = 0
    }

    package let guestCID: UInt32
    let path: String
    package internal(set) var statistics = Statistics()
    var table = VsockTable()
    /// Connections that the last reset has ended; their sockets are still open.
    var over: [VsockConnection] = []
    let host: Host
    /// Answers to packets that belong to no connection.
    var resets: [VsockPorts] = []
    var flags = Flags()
    /// Room for what the poller says.
    var events: [Poller.Event] = []
    /// The host port that the next connection from the host gets.
    var nextPort: UInt32 = 1 << 30

    /// The descriptors of the host side.
    struct Host: ~Copyable {
        let poller: Poller
        let listener: FileDescriptor
        let again: EventFD
        let timer: Timer
        /// For calls of the guest.
        let reserve: SocketReserve
    }

    struct Flags {
        /// The driver is ready.
        var isActive = false
        /// Programs may be waiting to be accepted.
        var hasCallers = false
        /// The guest's packets wait for room for answers.
        var isStalled = false
        /// The guest must hear that all its connections are gone.
        var owesReset = false
        /// When the timer goes off.
        var alarm = UInt64.max
    }

    /// - Parameters:
    ///   - guestCID: The guest's address, at least 3.
    ///   - path: Where the host's socket is made, mode 0600; it must not exist. It is removed
    ///     with the device.
    ///   - reserve: Calls of the guest for which sockets are made now, so that they reach abstract
    ///     names also when the process has left its network namespace.
    package init(guestCID: UInt32, path: String, reserve: Int = 0) throws(VsockError) {
        guard guestCID >= 3, guestCID < .max else { throw .guestCID(guestCID) }
        guard !path.isEmpty, path.utf8.count <= Self.pathLimit else { throw .path(path) }
        let host = try Self.makeHost(path, reserve)
        Signals.ignoreBrokenPipe()
        self.guestCID = guestCID
        self.path = path
        self.host = host
        resets.reserveCapacity(Self.resetLimit)
        events.reserveCapacity(64)
    }

    private static func makeHost(_ path: String, _ reserve: Int) throws(VsockError) -> Host {
        do throws(Errno) {
            return try Host(path: path, reserve: try SocketReserve(count: reserve))
        } catch {
            throw .host(error)
        }
    }

    deinit { UnixSocket.remove(path) }

    // MARK: Configuration

    package var configurationSize: Int { 8 }

    package func configurationByte(at offset: Int) -> UInt8 {
        offset < 4 ? UInt8(truncatingIfNeeded: guestCID >> UInt32(offset * 8)) : 0
    }

    // MARK: Serving

    package var hostEvents: CInt? { host.poller.descriptor.rawValue }

    package mutating func activate(features: FeatureSet) {
        flags.isActive = true
        host.again.signal()
    }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        closeEnded()
        if index == Queue.event { try sendEvents(&queues) }
        try work(&queues, transmitting: index == Queue.transmit)
    }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        closeEnded()
        let again = takeHostEvents()
        if flags.isActive, flags.hasCallers { acceptCallers() }
        if again { try sendEvents(&queues) }
        try work(&queues, transmitting: again)
    }

    private mutating func work(
        _ queues: inout Virtqueues, transmitting: Bool
    ) throws(VirtqueueError) {
        // Answers that wait go first: they make room for others.
        try receive(&queues)
        guard transmitting || flags.isStalled else { return }
        try transmit(&queues)
        try receive(&queues)
    }

    /// Tells the guest that its connections are gone. VIRTIO 1.2, 5.10.6.6.
    private mutating func sendEvents(_ queues: inout Virtqueues) throws(VirtqueueError) {
        guard flags.owesReset, let chain = try queues[Queue.event].next() else { return }
        let written = chain.writable.store(UInt32(0)) ? 4 : 0
        queues[Queue.event].complete(chain, written: written)
        flags.owesReset = written == 0
    }

    /// On the thread of the vCPU that asks for it, which closes no descriptor: the event loop's does.
    package mutating func reset() {
        over += table.takeAll()
        if !over.isEmpty { host.again.signal() }
        resets.removeAll(keepingCapacity: true)
        let hasCallers = flags.hasCallers
        flags = Flags()
        flags.hasCallers = hasCallers
    }

    // MARK: Save and restore

    /// Connections do not outlive their host: after a restore the guest is told that they are
    /// gone, and learns its address anew.
    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        /// Of the device that was saved; the one that goes on may have another.
        package var guestCID: UInt32
        package var isActive: Bool
    }

    package func save() -> State { State(guestCID: guestCID, isActive: flags.isActive) }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        flags.isActive = state.isActive
        flags.owesReset = state.isActive
        host.again.signal()
    }
}

extension Vsock.Host {
    fileprivate init(path: String, reserve: SocketReserve) throws(Errno) {
        let poller = try Poller()
        let again = try EventFD()
        let timer = try Timer()
        let listener = try UnixSocket.listen(at: path)
        do throws(Errno) {
            try poller.add(again.descriptor.rawValue, token: Vsock.Token.again)
            try poller.add(timer.descriptor.rawValue, token: Vsock.Token.timer)
            try poller.add(listener.rawValue, token: Vsock.Token.listener)
        } catch {
            UnixSocket.remove(path)
            throw error
        }
        self.poller = poller
        self.again = again
        self.timer = timer
        self.listener = listener
        self.reserve = reserve
    }
}
