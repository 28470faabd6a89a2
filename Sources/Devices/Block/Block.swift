// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// A disk. VIRTIO 1.2, 5.2.
///
/// Bytes go straight between guest memory and file. A device has a thread of its own, so that a
/// slow disk holds up nobody else. The `Sync` engine does one request after the other; `Async`
/// hands all that the driver has to the kernel at once.
package struct Block: ~Copyable, VirtioDevice {
    package static let id = DeviceID.block
    package static let queueSizes: [UInt16] = Array(
        repeating: 256, count: BlockConfiguration.queueLimit)

    package enum Feature {
        /// The configuration space says how many segments a request may have.
        package static var segmentMax: FeatureSet { FeatureSet(bit: 2) }
        package static var readOnly: FeatureSet { FeatureSet(bit: 5) }
        package static var flush: FeatureSet { FeatureSet(bit: 9) }
        package static var multiQueue: FeatureSet { FeatureSet(bit: 12) }
        package static var discard: FeatureSet { FeatureSet(bit: 13) }
        package static var writeZeroes: FeatureSet { FeatureSet(bit: 14) }
    }

    /// Requests served in one turn; then others of the thread have theirs.
    static var turnLimit: Int { 256 }
    /// Bytes after which a turn of the engine `Sync` ends, which moves them while all others wait; a
    /// step that has begun goes to its end.
    static var turnBytes: Int { 4 << 20 }
    /// Segments of data in a request: its queue less header and status.
    static var segmentLimit: UInt32 { 254 }

    /// Counts since the device was made.
    package struct Statistics: Hashable, Sendable {
        package var requests: UInt64 = 0
        /// Requests that no well-behaved driver sends.
        package var violations: UInt64 = 0
    }

    package internal(set) var configuration: BlockConfiguration
    package private(set) var statistics = Statistics()
    package let tally = BlockTally()
    private(set) var disk: BlockDisk
    var limiter: RateLimiter
    /// Nil: the engine is `Sync`.
    private let ring: BlockRing?
    /// By queue, what its last turn on the engine `Sync` has left undone. Nothing else of that queue is
    /// begun before its end.
    private var unfinished = InlineArray<8, BlockRequest?> { _ in nil }
    /// The step that comes next for the request of ``errandQueue`` that is unfinished, and is to be
    /// done without the lock. Nothing is begun before its end: its turn is over.
    package private(set) var errand: BlockErrand?
    private var errandQueue = 0
    /// What a drain has set aside, in turn. Nothing else is begun before.
    var suspended: [SuspendedRequest] = []
    /// Requests wait in queues for the limiter, or for room in the ring.
    private var isStalled = false
    /// The queue that is served first when something has held up all.
    private var firstQueue = 0

    /// Opens the file. An `Async` drive makes its ring.
    package init(_ configuration: BlockConfiguration) throws(BlockError) {
        guard 1...BlockConfiguration.queueLimit ~= configuration.queueCount else {
            throw .queueCount(configuration.queueCount)
        }
        let disk = try BlockDisk(
            configuration.path, isReadOnly: configuration.isReadOnly,
            discards: configuration.discards)
        let limiter = try Self.makeLimiter(configuration.limits)
        ring = configuration.engine == .concurrent ? try Self.makeRing(tally) : nil
        self.disk = disk
        self.limiter = limiter
        self.configuration = configuration
    }

    private static func makeLimiter(_ limits: RateLimits) throws(BlockError) -> RateLimiter {
        do throws(Errno) { return try RateLimiter(limits) } catch { throw .host(error) }
    }

    private static func makeRing(_ tally: BlockTally) throws(BlockError) -> BlockRing {
        do throws(Errno) { return try BlockRing(tally) } catch { throw .ring(error) }
    }

    // MARK: Configuration

    package var features: FeatureSet {
        var features: FeatureSet = [Feature.segmentMax]
        if configuration.queueCount > 1 { features.insert(Feature.multiQueue) }
        if configuration.cache == .writeback { features.insert(Feature.flush) }
        if disk.isReadOnly {
            features.insert(Feature.readOnly)
        } else {
            features.insert(Feature.writeZeroes)
            if disk.discards { features.insert(Feature.discard) }
        }
        return features
    }

    package var configurationSize: Int { 60 }

    /// VIRTIO 1.2, 5.2.4.
    package func configurationByte(at offset: Int) -> UInt8 {
        let (value, start): (UInt64, Int) =
            switch offset {
            case 0..<8: (disk.sectors, 0)
            case 12..<16: (UInt64(Self.segmentLimit), 12)
            // Bytes in a block.
            case 20..<24: (BlockDisk.sectorSize, 20)
            case 34..<36: (UInt64(configuration.queueCount), 34)
            // Longest discard, its ranges, the alignment of each; the same for zeroes.
            case 36..<40: (UInt64(BlockRequest.zeroLimit), 36)
            case 40..<44: (UInt64(BlockRequest.rangeLimit), 40)
            case 44..<48: (1, 44)
            case 48..<52: (UInt64(BlockRequest.zeroLimit), 48)
            case 52..<56: (UInt64(BlockRequest.rangeLimit), 52)
            // Zeroes may give space back.
            case 56: (disk.discards ? 1 : 0, 56)
            default: (0, offset)
            }
        return UInt8(truncatingIfNeeded: value >> UInt64((offset - start) * 8))
    }

    package var sectors: UInt64 { disk.sectors }

    /// Opens another file for the disk, or the same one anew, which may have another size by now.
    /// The driver is to be told (``Virtio/MMIOTransport/updateConfiguration(_:)``).
    package mutating func replaceDisk(path: String) throws(BlockError) {
        tally.failedUpdates &+= 1
        disk = try BlockDisk(
            path, isReadOnly: configuration.isReadOnly, discards: configuration.discards)
        tally.failedUpdates &-= 1
        tally.updates &+= 1
        configuration.path = path
    }

    /// Changes the limits of the running drive.
    package mutating func setLimits(_ limits: RateLimits) {
        limiter.setLimits(limits)
        configuration.limits = limits
    }

    // MARK: Serving

    package var hostEvents: CInt? { ring?.descriptor ?? limiter.descriptor }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        defer { settle(&queues) }
        let before = statistics.requests
        try take(&queues, index)
        if statistics.requests == before { tally.idle &+= 1 }
    }

    /// Times that requests had to wait for the limits.
    package var limiterWaits: UInt64 { limiter.waits }
    /// Times that such a wait was over.
    package var limiterEvents: UInt64 { limiter.events }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        defer { settle(&queues) }
        var timerFired = true
        if let ring {
            ring.reap(disk, &queues)
            timerFired = ring.takeTimer()
        }
        if timerFired, limiter.wake() { isStalled = true }
        guard isStalled, !limiter.isWaiting else { return }
        isStalled = false
        for step in 0..<queues.count {
            try take(&queues, (firstQueue + step) % queues.count)
        }
    }

    /// Hands over to the kernel what was put in, and takes what that has done at once.
    private mutating func settle(_ queues: inout Virtqueues) {
        guard let ring else { return }
        ring.submit(&queues)
        ring.reap(disk, &queues)
        // If all has come back by now, nothing else tells of what waits for room.
        if isStalled, ring.count == 0, !limiter.isWaiting { limiter.yield() }
        // Behind the last look at what has come back: a timer that is due by now is the event
        // loop's to hear of.
        if limiter.isWaiting { ring.watch(timer: limiter.descriptor) }
        // Transfers that were cut short go on.
        ring.submit(&queues)
    }

    /// Takes what is available on queue `index`, one turn at most.
    private mutating func take(_ queues: inout Virtqueues, _ index: Int) throws(VirtqueueError) {
        var budget = ring == nil ? Self.turnBytes : BlockRing.byteLimit
        if !limiter.isWaiting {
            try beginSuspended(&budget, &queues)
            goOn(index, &budget, &queues)
        }
        for _ in 0..<Self.turnLimit where budget > 0 {
            guard !limiter.isWaiting, suspended.isEmpty, ring?.makeRoom(disk, &queues) ?? true
            else {
                isStalled = true
                return
            }
            guard let chain = try queues[index].next() else {
                guard let ring else { return }
                // What was in the page cache has come back by the time it is submitted; the
                // driver may have made more available meanwhile.
                ring.submit(&queues)
                ring.reap(disk, &queues)
                guard try queues[index].hasNext() else { return }
                continue
            }
            let bytes = chain.readable.byteCount &+ chain.writable.byteCount
            guard limiter.admit(bytes: bytes &- BlockHeader.byteCount &- 1) else {
                queues[index].putBack(chain)
                firstQueue = (index + 1) % queues.count
                isStalled = true
                return
            }
            begin(chain, index, &budget, &queues)
        }
        firstQueue = (index + 1) % queues.count
        limiter.yield()
    }

    /// Begins anew what a drain has set aside. Its tokens are paid.
    private mutating func beginSuspended(
        _ budget: inout Int, _ queues: inout Virtqueues
    ) throws(VirtqueueError) {
        while let place = suspended.first {
            let index = Int(place.queue)
            goOn(index, &budget, &queues)
            guard budget > 0, ring?.makeRoom(disk, &queues) ?? true else { return }
            suspended.removeFirst()
            let chain = try queues[index].take(again: place.head)
            begin(chain, index, &budget, &queues)
        }
    }

    /// Goes on with the request that the last turn has left of queue `index`.
    private mutating func goOn(
        _ index: Int, _ budget: inout Int, _ queues: inout Virtqueues
    ) {
        guard budget > 0, let request = unfinished[index].take() else { return }
        run(request, &budget, &queues)
    }

    /// Does a request's steps as long as the turn lasts, which one that may take long ends.
    private mutating func run(
        _ begun: consuming BlockRequest, _ budget: inout Int, _ queues: inout Virtqueues
    ) {
        var request = begun
        let queue = request.queue
        while true {
            switch request.next(disk) {
            case .done(let status): return request.finish(status, on: &queues, tally)
            case .transfer(let writing):
                guard budget > 0 else { break }
                if let status = request.transferStep(writing: writing, disk, &budget) {
                    return request.finish(status, on: &queues, tally)
                }
                continue
            case .synchronize: leave(.synchronize(disk.file.rawValue), of: queue, &budget)
            case .zero(let manner, let position, let count):
                let file = disk.file.rawValue
                leave(
                    .zero(file, manner, position: position, count: count), of: queue, &budget)
            }
            unfinished[queue] = consume request
            return
        }
    }

    /// Leaves a step to be done without the lock.
    private mutating func leave(_ step: BlockErrand, of queue: Int, _ budget: inout Int) {
        guard budget > 0 else { return }
        errand = step
        errandQueue = queue
        budget = 0
    }

    package mutating func finishErrand(_ result: Int, _ queues: inout Virtqueues) {
        guard errand.take() != nil, var request = unfinished[errandQueue].take() else { return }
        if let status = request.note(result) {
            request.finish(status, on: &queues, tally)
        } else if case .done(let status) = request.next(disk) {
            request.finish(status, on: &queues, tally)
        } else {
            unfinished[errandQueue] = consume request
        }
    }

    private mutating func setAsideUnfinished(_ queues: inout Virtqueues) {
        errand = nil
        for index in 0..<queues.count {
            guard let request = unfinished[index].take() else { continue }
            suspended.append(request.setAside(on: &queues))
            statistics.requests &-= 1
        }
    }

    /// Reads the header, once, and begins what it asks for, or answers at once.
    private mutating func begin(
        _ taken: consuming DescriptorChain, _ index: Int, _ budget: inout Int,
        _ queues: inout Virtqueues
    ) {
        var chain = taken
        statistics.requests &+= 1
        guard let status = chain.writable.removeLast() else {
            // There is no room to say what is wrong with it.
            statistics.violations &+= 1
            queues[index].complete(chain, written: 0)
            return
        }
        let header = chain.readable.load(BlockHeader.self)
        chain.readable.removeFirst(BlockHeader.byteCount)
        let operation = header.flatMap { BlockOperation(rawValue: $0.type) }
        let verdict = judge(header, operation, chain)
        var request = BlockRequest(
            chain, queue: index, operation: operation ?? .identify,
            position: header.map { $0.sector &* BlockDisk.sectorSize } ?? 0, status: status,
            begun: verdict == nil ? Clock.monotonic : 0)
        if let verdict {
            if verdict == .ioError { statistics.violations &+= 1 }
            request.finish(verdict, on: &queues)
        } else if operation == .identify {
            let status = request.identify(configuration.id)
            request.finish(status, on: &queues)
        } else if let ring {
            budget &-= request.stepByteCount
            ring.advance(request, disk, &queues)
        } else {
            run(request, &budget, &queues)
        }
    }

    /// What a request gets without being begun; nil if it is to be begun. VIRTIO 1.2, 5.2.6.2.
    private func judge(
        _ header: BlockHeader?, _ operation: BlockOperation?, _ chain: borrowing DescriptorChain
    ) -> BlockStatus? {
        guard let header else { return .ioError }
        guard let operation else { return .unsupported }
        let (input, output) = (chain.readable.byteCount, chain.writable.byteCount)
        let count = UInt64(operation == .read ? output : input)
        switch operation {
        case .read, .write:
            // Whole sectors, in one direction, all of them on the disk.
            guard operation == .read ? input == 0 : output == 0,
                operation == .read || !disk.isReadOnly,
                count % BlockDisk.sectorSize == 0,
                disk.position(ofSector: header.sector, count: count / BlockDisk.sectorSize) != nil
            else { return .ioError }
            return nil
        case .flush:
            guard input == 0, output == 0 else { return .ioError }
            // Nobody was promised anything.
            return configuration.cache == .lax || disk.isReadOnly ? .ok : nil
        case .identify: return input == 0 ? nil : .ioError
        case .discard, .writeZeroes:
            guard operation == .writeZeroes || disk.discards else { return .unsupported }
            guard output == 0, count > 0, count % UInt64(BlockRange.byteCount) == 0,
                count / UInt64(BlockRange.byteCount) <= UInt64(BlockRequest.rangeLimit),
                !disk.isReadOnly
            else { return .ioError }
            return nil
        }
    }

    /// Waits for the steps that are under way, which is at most one of `Sync` and
    /// ``BlockRing/byteLimit`` bytes of `Async`. What has further ones is set aside, and begun anew when
    /// the device is served again.
    package mutating func drain(_ queues: inout Virtqueues) {
        setAsideUnfinished(&queues)
        if let ring {
            ring.drain(disk, &queues)
            let more = ring.takeSuspended()
            statistics.requests &-= UInt64(more.count)
            suspended += more
        }
        // No notification follows a change, and the ring's drain takes what would have woken the loop.
        guard !suspended.isEmpty || ring != nil && (isStalled || limiter.isWaiting) else { return }
        limiter.yield()
        guard let ring else { return }
        ring.watch(timer: limiter.descriptor)
        ring.submit(&queues)
    }

    package mutating func abandon(_ queues: inout Virtqueues) {
        setAsideUnfinished(&queues)
        ring?.abandon(disk, &queues)
    }

    package mutating func reset() {
        limiter.reset()
        suspended = []
        isStalled = false
        firstQueue = 0
    }
}
