// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// A network interface of the guest, on a TAP device of the host. VIRTIO 1.2, 5.1.
///
/// A frame is one system call. Large ones go straight between guest memory and the TAP device,
/// small ones are copied. Served on the event loop's thread, behind one descriptor
/// (``Linux/Poller``): readiness is told once, so a guest that gives no buffers costs nothing, and
/// when it gives some again reading goes on.
package struct Net: ~Copyable, VirtioDevice {
    package static let id = DeviceID.network
    /// Receive and transmit of each pair, then control; of a device with fewer pairs, the first.
    package static let queueSizes: [UInt16] = [256, 256, 256, 256, 256, 256, 64]

    /// Frames each way in one turn; then others of the event loop have theirs.
    static let turnLimit = 256
    /// Reads that fail one after the other before a link is left alone until it says more.
    static let failureLimit = 256
    /// Largest frame: 64 KiB behind an Ethernet header with a VLAN tag.
    package static let frameLimit = (64 << 10) + 18
    /// Smallest frame: an Ethernet header.
    static let frameMinimum = 14
    /// Most bytes of a frame, header included, that are copied: of so few a copy costs less than to
    /// tell the kernel of two places. To the guest, of a frame that is expected.
    static let copyLimit = 4096
    /// Bytes of a frame that a responder decides by.
    package static let headLimit = 64
    /// MTUs that may be told to a driver. 5.1.4.1.
    package static let mtuRange: ClosedRange<UInt16> = 68...65535

    enum Token {
        static let again: UInt64 = 1, timer: UInt64 = 2, receiveLimit: UInt64 = 3
        static let transmitLimit: UInt64 = 4, firstQueue: UInt64 = 16
    }

    /// What the driver is told, and what it is held to.
    package struct Configuration: Sendable {
        /// The interface's address; nil: the driver makes one up.
        package var mac: MACAddress?
        /// Largest packet in bytes; nil: the driver's own.
        package var mtu: UInt16?
        package var receiveLimits = RateLimits.none
        package var transmitLimits = RateLimits.none

        package init(mac: MACAddress? = nil, mtu: UInt16? = nil) {
            self.mac = mac
            self.mtu = mtu
        }
    }

    /// Counts since the device was made.
    package struct Statistics: Hashable, Sendable {
        package var receivedFrames: UInt64 = 0
        package var receivedBytes: UInt64 = 0
        package var sentFrames: UInt64 = 0
        package var sentBytes: UInt64 = 0
        /// Frames from the host that fit in no buffer of the driver.
        package var oversized: UInt64 = 0
        /// Frames that no well-behaved driver sends.
        package var violations: UInt64 = 0
        /// Frames that the host's interface refused.
        package var refused: UInt64 = 0
        /// Times that a frame waited for buffers.
        package var starved: UInt64 = 0
        /// Times that the link had something, or room again.
        package var linkEvents: UInt64 = 0
        /// Errors of the link at a read.
        package var readFailures: UInt64 = 0
        /// Frames from another address than the host gave the interface; they are sent.
        package var spoofed: UInt64 = 0
        /// Notifications without a frame.
        package var idle: UInt64 = 0
    }

    let link: TapDevice
    let mtu: UInt16?
    /// The address that the host gave the interface, if it did.
    let givenMAC: MACAddress?
    var hasMAC: Bool { givenMAC != nil }
    package let features: FeatureSet
    /// As the driver sees and sets it.
    package internal(set) var mac: MACAddress
    package internal(set) var statistics = Statistics()
    /// How long the link took to take a frame; of sixteen in a row, a mean.
    package internal(set) var writes = Latency()
    let host: Host
    var limits: Limits
    var pairs = InlineArray<3, Pair>(repeating: Pair())
    /// Runs of the pairs, made when first needed and then used again and again.
    var runs = InlineArray<3, WritableRun?> { _ in nil }
    var driver = Driver()
    /// Who else is on the link.
    package var responder: (any NetResponder)?
    /// Room for how a frame begins.
    var head = [UInt8](repeating: 0, count: Self.headLimit)
    /// Room for what the poller says.
    var events: [Poller.Event] = []

    /// The descriptors of the host side, and memory that the guest cannot reach.
    struct Host: ~Copyable {
        let poller: Poller
        let again: EventFD
        let timer: Timer
        /// How a frame from the guest begins, with its header before it; of a small one, all of it.
        let front = HostBytes(count: Net.copyLimit)
        /// A small frame to the guest, header included; of a large one, what the driver's buffers
        /// have no room for. One byte more than either has: what fills it all has been cut.
        let tail = HostBytes(count: NetHeader.byteCount + Net.frameLimit + 1)
    }

    /// How fast frames may go.
    struct Limits: ~Copyable {
        var receive: RateLimiter
        var transmit: RateLimiter
    }

    /// A receive and a transmit queue.
    struct Pair {
        /// The link may have a frame.
        var hasInput = false
        /// Reads that have failed, one after the other.
        var failures = 0
        /// The driver's frames wait for another turn.
        var isBlocked = false
        /// The driver's frames wait for room in the link.
        var waitsForRoom = false
        /// Bytes that the next frame is expected to have.
        var window = 1
        /// A frame, header included, that waits for buffers.
        var waiting: [UInt8] = []
    }

    /// What the driver has said since the last reset.
    struct Driver {
        var isActive = false
        var features: FeatureSet = [] {
            didSet {
                isMerging = features.contains(.netMergeableBuffers)
                takesUnfinished = features.contains(.netGuestChecksum)
            }
        }
        /// A frame may fill several buffers.
        private(set) var isMerging = false
        /// Most chains to be taken ahead.
        var chainLimit: Int { isMerging ? WritableRun.sliceLimit : 1 }
        private(set) var takesUnfinished = false
        /// Pairs in use.
        var pairCount = 1
        var offloads: TapDevice.Offloads = []
        var receiveMode = NetReceiveMode()
        /// Commands wait for another turn.
        var owesControl = false
    }

    package init(
        _ configuration: Configuration, on link: consuming TapDevice
    ) throws(Errno) {
        let limits = try Limits(configuration)
        host = try Host(link, limits)
        self.limits = limits
        features = Self.features(configuration, link)
        mtu = configuration.mtu
        mac = configuration.mac ?? MACAddress()
        givenMAC = configuration.mac
        self.link = link
        events.reserveCapacity(64)
    }

    private static func features(
        _ configuration: Configuration, _ link: borrowing TapDevice
    ) -> FeatureSet {
        var features: FeatureSet = [
            .netMergeableBuffers, .netStatus, .netControlQueue, .netControlReceive,
            .netControlReceiveExtra, .netControlMAC,
        ]
        features.formUnion(.net(offloads: link.offloads))
        if link.offloads.contains(.checksum) { features.insert(.netControlOffloads) }
        if configuration.mac != nil { features.insert(.netMAC) }
        if configuration.mtu != nil { features.insert(.netMTU) }
        if link.queueCount > 1 { features.insert(.netManyQueues) }
        return features
    }

    // MARK: Configuration

    /// MAC, status, pairs, MTU. 5.1.4.
    package var configurationSize: Int { 12 }

    package func configurationByte(at offset: Int) -> UInt8 {
        switch offset {
        case 0..<6: mac.bytes[offset]
        case 6: 1
        case 8: UInt8(link.queueCount)
        case 10: UInt8(truncatingIfNeeded: mtu ?? 0)
        case 11: UInt8(truncatingIfNeeded: (mtu ?? 0) >> 8)
        default: 0
        }
    }

    // MARK: Serving

    package var hostEvents: CInt? { host.poller.descriptor.rawValue }

    package mutating func activate(features: FeatureSet) {
        driver = Driver()
        driver.isActive = true
        driver.features = features
        setOffloads(features.netOffloads)
        setPairCount(1)
        host.again.signal()
    }

    /// The control queue comes behind as many pairs as the driver knows of. 5.1.2.
    @inline(__always)
    var controlIndex: Int {
        driver.features.contains(.netManyQueues) ? link.queueCount * 2 : 2
    }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        if index == controlIndex, driver.features.contains(.netControlQueue) {
            return try control(&queues[index])
        }
        let pair = index >> 1
        guard pair < driver.pairCount else { return }
        if index & 1 == 0 {
            try receive(pair, &queues[index])
        } else {
            try transmit(pair, &queues)
        }
    }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        takeHostEvents()
        guard driver.isActive else { return }
        for pair in 0..<driver.pairCount {
            try receive(pair, &queues[pair * 2])
            if pairs[pair].isBlocked { try transmit(pair, &queues) }
        }
        if driver.owesControl { try control(&queues[controlIndex]) }
    }

    private mutating func takeHostEvents() {
        host.poller.poll(into: &events)
        for event in events {
            switch event.token {
            case Token.again: host.again.drain()
            case Token.timer: host.timer.drain()
            case Token.receiveLimit: limits.receive.wake()
            case Token.transmitLimit:
                if limits.transmit.wake() { unblock() }
            default:
                let pair = Int(truncatingIfNeeded: event.token &- Token.firstQueue)
                guard pair < link.queueCount else { continue }
                statistics.linkEvents &+= 1
                if !event.events.isDisjoint(with: .input) {
                    pairs[pair].hasInput = true
                }
                if event.events.contains(.writable), pairs[pair].waitsForRoom {
                    pairs[pair].isBlocked = true
                }
            }
        }
    }

    /// Times that frames had to wait for the limits, to the guest and from it.
    package var limiterWaits: (receive: UInt64, transmit: UInt64) {
        (limits.receive.waits, limits.transmit.waits)
    }

    /// Times that such a wait was over.
    package var limiterEvents: (receive: UInt64, transmit: UInt64) {
        (limits.receive.events, limits.transmit.events)
    }

    private mutating func unblock() {
        for pair in 0..<link.queueCount { pairs[pair].isBlocked = true }
    }

    // MARK: What the driver decides

    mutating func setOffloads(_ offloads: TapDevice.Offloads) {
        driver.offloads = offloads.intersection(link.offloads)
        link.setOffloads(driver.offloads)
    }

    /// Lets the kernel spread frames over so many pairs; false if it refuses.
    @discardableResult
    mutating func setPairCount(_ count: Int) -> Bool {
        for pair in 0..<link.queueCount {
            do throws(Errno) {
                try link.setQueue(pair, enabled: pair < count)
            } catch {
                return false
            }
            pairs[pair].hasInput = pair < count
        }
        driver.pairCount = count
        return true
    }

    /// Changes how fast frames may go, while the device runs.
    package mutating func setLimits(receive: RateLimits? = nil, transmit: RateLimits? = nil) {
        if let receive { limits.receive.setLimits(receive) }
        if let transmit { limits.transmit.setLimits(transmit) }
    }

    package mutating func reset() {
        driver = Driver()
        limits.receive.reset()
        limits.transmit.reset()
        for pair in 0..<pairs.count {
            pairs[pair].failures = 0
            pairs[pair].isBlocked = false
            pairs[pair].waitsForRoom = false
            pairs[pair].waiting.removeAll()
            pairs[pair].window = 1
        }
        setOffloads([])
        setPairCount(1)
    }
}

extension Net.Limits {
    fileprivate init(_ configuration: Net.Configuration) throws(Errno) {
        let receive = try RateLimiter(configuration.receiveLimits)
        let transmit = try RateLimiter(configuration.transmitLimits)
        self.receive = receive
        self.transmit = transmit
    }
}

extension Net.Host {
    fileprivate init(
        _ link: borrowing TapDevice, _ limits: borrowing Net.Limits
    ) throws(Errno) {
        let poller = try Poller()
        let again = try EventFD()
        let timer = try Timer()
        try poller.add(again.descriptor.rawValue, token: Net.Token.again)
        try poller.add(timer.descriptor.rawValue, token: Net.Token.timer)
        try poller.add(limits.receive.descriptor, token: Net.Token.receiveLimit)
        try poller.add(limits.transmit.descriptor, token: Net.Token.transmitLimit)
        for queue in 0..<link.queueCount {
            try poller.add(
                link.descriptor(queue), token: Net.Token.firstQueue + UInt64(queue))
        }
        self.poller = poller
        self.again = again
        self.timer = timer
    }
}
