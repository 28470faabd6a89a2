// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// What a balloon can do; it does not change while the guest runs.
package struct BalloonOptions: Hashable, Sendable {
    /// The guest takes pages back rather than kill a process.
    package var deflatesOnOOM = false
    /// Seconds between statistics; 0: none, for ever.
    package var statisticsInterval: UInt16 = 0
    /// The host may ask once for all free pages.
    package var hints = false
    /// The guest reports pages whenever they have been free for a while.
    package var reports = false

    package init() {}
}

/// Memory that the guest lends to the host. VIRTIO 1.2, 5.5.
///
/// Pages that the driver puts into the balloon, reports or hints go back to the host at once; a
/// page that the guest touches again is a new one, full of zeroes. The balloon is a request, not a
/// limit: a hostile guest may keep all of its memory, and no more than it.
///
/// Served on the event loop's thread, in turns, so that a long list holds up no other device.
package struct Balloon: ~Copyable, VirtioDevice {
    package static let id = DeviceID.balloon
    /// Inflate, deflate, and three that the driver numbers as it likes: see ``role(of:_:)``.
    package static let queueSizes: [UInt16] = [256, 256, 256, 256, 256]

    /// Pages are counted and numbered by 4 KiB, whatever the host's are.
    package static var pageSize: UInt64 { 4096 }
    /// Page numbers that one chain may hold; Linux sends 256. What comes after is not looked at.
    package static var listLimit: Int { 1024 }
    /// Chains of a queue in one turn; then others of the event loop have theirs.
    static var turnLimit: Int { 16 }
    /// Bytes of what a queue's chains lend that go back in one turn, as a chain may have 4 GiB. A
    /// multiple of the largest granule, so that no turn does nothing.
    static var turnBytes: UInt64 { 64 << 20 }
    /// Pieces that a queue's chains name and that go back in one turn, each with a call of the kernel. A
    /// chain of the smallest is as many.
    static var turnPieces: Int { 256 }

    /// Features of this device. 5.5.3.
    enum Feature {
        static let statistics = FeatureSet(bit: 1)
        static let deflateOnOOM = FeatureSet(bit: 2)
        static let hinting = FeatureSet(bit: 3)
        static let reporting = FeatureSet(bit: 5)
    }

    /// What a queue is for. 5.5.2.
    enum Role { case inflate, deflate, statistics, hinting, reporting }

    /// Counts since the device was made.
    package struct Counts: Hashable, Sendable {
        /// Bytes that went back to the host.
        package var discarded: UInt64 = 0
        /// Pages and ranges that no well-behaved driver names.
        package var violations: UInt64 = 0
        /// Times that the guest sent statistics.
        package var reports: UInt64 = 0
        /// Statistics among them that nobody knows, or that were cut off.
        package var wrongReports: UInt64 = 0
        /// Lists of pages put in, and taken out.
        package var inflations: UInt64 = 0
        package var deflations: UInt64 = 0
        /// Chains of pages that were reported, and hinted; bytes of them that went to the host, and
        /// chains of which some did not.
        package var free = FreePages()
        package var hinted = FreePages()

        package struct FreePages: Hashable, Sendable {
            package var chains: UInt64 = 0
            package var bytes: UInt64 = 0
            package var failures: UInt64 = 0
        }
    }

    package let options: BalloonOptions
    /// Pages that the host would like the balloon to have.
    package internal(set) var target: UInt32
    /// Pages that the balloon has, if the guest says the truth.
    package internal(set) var actual: UInt32 = 0
    package internal(set) var statistics = BalloonStatistics()
    package internal(set) var hinting = BalloonHinting()
    package internal(set) var counts = Counts()
    /// Seconds between statistics; see ``setStatisticsInterval(_:)``.
    package internal(set) var interval: UInt16
    var accepted: FeatureSet = []
    /// By queue; empty until it is known which queues the driver set up.
    private var roles: [Role?] = []
    /// By queue, how far the chain has come that its turn was too short for.
    var progress = InlineArray<5, Progress>(repeating: Progress())
    /// Bit a queue whose turn was cut short.
    var stalled: UInt32 = 0
    var isStatisticsDue = false
    /// The buffer that is next in its queue has been read.
    var holdsStatistics = false
    var hasNewConfiguration = false
    let host: Host
    private var events: [Poller.Event] = []
    /// The page numbers of the chain that is looked at.
    var list = PageList()

    /// What is done of a chain that lends or lists memory. It lies in its queue meanwhile, and is taken
    /// again: so a pause has nothing to wait for. A new process does not know of this and begins anew,
    /// which is as good: until the driver has it back it has no use for what it names.
    struct Progress {
        /// Of all ranges that are lent, one behind the other.
        var byteCount: UInt64 = 0
        /// Of those that are listed, the least that has not gone.
        var page: UInt64 = 0
        /// A part of it is nothing that can be discarded.
        var hasFailed = false
    }

    /// The descriptors of the host side.
    struct Host: ~Copyable {
        let poller: Poller
        let again: EventFD
        let timer: Timer

        init() throws(Errno) {
            let poller = try Poller()
            let again = try EventFD()
            let timer = try Timer()
            try poller.add(again.descriptor.rawValue, token: 0)
            try poller.add(timer.descriptor.rawValue, token: 1)
            self.poller = poller
            self.again = again
            self.timer = timer
        }
    }

    /// - Parameter target: Pages that the balloon is to have.
    package init(_ options: BalloonOptions, target: UInt32 = 0) throws(Errno) {
        self.options = options
        self.target = target
        interval = options.statisticsInterval
        host = try Host()
        events.reserveCapacity(64)
    }

    package var features: FeatureSet {
        var set: FeatureSet = []
        if options.statisticsInterval > 0 { set.insert(Feature.statistics) }
        if options.deflatesOnOOM { set.insert(Feature.deflateOnOOM) }
        if options.hints { set.insert(Feature.hinting) }
        if options.reports { set.insert(Feature.reporting) }
        return set
    }

    // MARK: Configuration. 5.5.4

    package var configurationSize: Int { 16 }

    package func configurationByte(at offset: Int) -> UInt8 {
        let word: UInt32 =
            switch offset / 4 {
            case 0: target
            case 1: actual
            case 2: hinting.hostCommand
            default: 0
            }
        return UInt8(truncatingIfNeeded: word >> UInt32(offset % 4 * 8))
    }

    /// The driver says how many pages there are; all else is the host's.
    package mutating func setConfigurationByte(at offset: Int, to value: UInt8) {
        guard offset / 4 == 1 else { return }
        let shift = UInt32(offset % 4 * 8)
        actual = actual & ~(0xff << shift) | UInt32(value) << shift
    }

    package mutating func takeConfigurationChange() -> Bool {
        defer { hasNewConfiguration = false }
        return hasNewConfiguration
    }

    // MARK: Serving

    package var hostEvents: CInt? { host.poller.descriptor.rawValue }

    package mutating func activate(features: FeatureSet) {
        accepted = features
        roles = []
        armTimer()
    }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        switch role(of: index, queues) {
        case .inflate: try inflate(&queues, index)
        case .deflate: try deflate(&queues, index)
        case .statistics: try readStatistics(&queues, index)
        case .hinting: try takeHints(&queues, index)
        case .reporting: try takeReports(&queues, index)
        case nil: break
        }
    }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        takeHostEvents()
        let waiting = stalled
        stalled = 0
        for index in 0..<Self.queueSizes.count where waiting & 1 << UInt32(index) != 0 {
            try serve(&queues, index: index)
        }
        guard isStatisticsDue, accepted.contains(Feature.statistics) else { return }
        isStatisticsDue = false
        for index in 2..<Self.queueSizes.count where role(of: index, queues) == .statistics {
            try askForStatistics(&queues, index)
        }
    }

    private mutating func takeHostEvents() {
        host.poller.poll(into: &events)
        for event in events {
            if event.token == 0 {
                host.again.drain()
            } else {
                if host.timer.drain() > 0 { isStatisticsDue = true }
            }
        }
    }

    /// Goes on with queue `index` in another turn.
    mutating func stall(_ index: Int) {
        stalled |= 1 << UInt32(index)
        host.again.signal()
    }

    /// What queue `index` is for.
    ///
    /// The standard numbers all five, used or not. Linux counts only those it uses. The two differ
    /// where a queue is left out, and then only Linux's leave no gap.
    private mutating func role(of index: Int, _ queues: borrowing Virtqueues) -> Role? {
        if roles.isEmpty { roles = assignRoles(queues) }
        return roles[index]
    }

    private func assignRoles(_ queues: borrowing Virtqueues) -> [Role?] {
        let all: [Role?] = [
            .inflate, .deflate,
            accepted.contains(Feature.statistics) ? .statistics : nil,
            accepted.contains(Feature.hinting) ? .hinting : nil,
            accepted.contains(Feature.reporting) ? .reporting : nil,
        ]
        let used = all.filter { $0 != nil }
        for index in used.count..<all.count where queues[index].size > 0 { return all }
        return used + [Role?](repeating: nil, count: all.count - used.count)
    }

    // MARK: The host's wishes. Behind `MMIOTransport.updateConfiguration`.

    package mutating func setTarget(_ pages: UInt32) { target = pages }

    /// Begins a run of hinting: the guest is to name all its free pages.
    package mutating func startHinting(acknowledgesStop: Bool) {
        hinting.start(acknowledgesStop: acknowledgesStop)
    }

    /// Ends it: the guest may use the pages that it named.
    package mutating func stopHinting() { hinting.stop() }

    // MARK: Reset, save and restore

    package mutating func reset() {
        accepted = []
        roles = []
        actual = 0
        progress = InlineArray(repeating: Progress())
        stalled = 0
        isStatisticsDue = false
        holdsStatistics = false
        hasNewConfiguration = false
        statistics = BalloonStatistics()
        hinting.guestCommand = nil
        host.timer.disarm()
    }

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package var target: UInt32
        package var actual: UInt32
        package var interval: UInt16
        package var statistics: BalloonStatistics
        package var hinting: BalloonHinting
    }

    package func save() -> State {
        State(
            target: target, actual: actual, interval: interval, statistics: statistics,
            hinting: hinting)
    }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard options.statisticsInterval > 0 || state.interval == 0 else {
            throw .value("interval")
        }
        target = state.target
        actual = state.actual
        interval = state.interval
        statistics = state.statistics
        hinting = state.hinting
        armTimer()
    }
}
