// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Drivers that lie, to the device and through it to the host's kernel.
@Suite struct NetHostileTests {
    /// A header and a frame that no driver may send.
    struct Lie: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let header: NetHeader
        let count: Int
        var missing: FeatureSet = []

        init(
            _ name: String, count: Int = 2000, missing: FeatureSet = [],
            _ change: (inout NetHeader) -> Void = { _ in }
        ) {
            testDescription = name
            var header = NetHeader.tcp4()
            change(&header)
            self.header = header
            self.count = count
            self.missing = missing
        }
    }

    static let lies = [
        Lie("checksum begins behind the frame") { $0.checksumStart = 2000 },
        Lie("checksum's place is behind the frame") { $0.checksumOffset = 1965 },
        Lie("checksum at the end of numbers") {
            $0.checksumStart = .max
            $0.checksumOffset = .max
        },
        Lie("segments of no bytes") { $0.segmentSize = 0 },
        Lie("segments without a checksum") { $0.flags = 0 },
        Lie("segments of no kind") { $0.segments = 2 },
        Lie("segments of an unknown kind") { $0.segments = 0x7f },
        Lie("congestion marks alone") { $0.segments = NetHeader.Segments.ecn },
        Lie("congestion marks on UDP") {
            $0.segments = NetHeader.Segments.ecn | NetHeader.Segments.udp
        },
        Lie("headers longer than the frame") { $0.headerLength = 2001 },
        Lie("segments and no data", count: 52),
        Lie("segments that were not negotiated", missing: .netHostTSO4),
        Lie("a checksum that was not negotiated", missing: .netChecksum) { $0.segments = 0 },
        Lie("congestion marks that were not negotiated", missing: .netHostECN) {
            $0.segments |= NetHeader.Segments.ecn
        },
    ]

    @Test(arguments: lies)
    func `A frame whose header lies goes nowhere`(_ lie: Lie) throws {
        let guest = try NetGuest(without: lie.missing)
        try guest.send(testFrame(lie.count), lie.header)
        #expect(guest.far[0].receive().isEmpty)
        #expect(guest.statistics.violations == 1)
        #expect(guest.driver.rings[1].takeUsed().map(\.length) == [0])
        try guest.send(testFrame(60))
        #expect(guest.far[0].receive().map(\.bytes) == [testFrame(60)])
    }

    /// Changes header and frame where the guest has them, as its other processors can at any time:
    /// after the device has looked at them, and before they go.
    final class Forger: NetResponder {
        private let memory: GuestMemory
        private let bytes: [UInt8]
        private let claimsAll: Bool
        let heads = Locked<[[UInt8]]>([])
        let taken = Locked<[[UInt8]]>([])

        init(_ memory: GuestMemory, _ bytes: [UInt8], claimsAll: Bool = false) {
            self.memory = memory
            self.bytes = bytes
            self.claimsAll = claimsAll
        }
        func claims(_ head: ArraySlice<UInt8>) -> Bool {
            heads.withValue { $0.append(Array(head)) }
            try? memory.write(bytes, at: GuestAddress(NetGuest.transmitBase))
            return claimsAll
        }
        func take(_ frame: [UInt8]) { taken.withValue { $0.append(frame) } }
        func nextFrame() -> [UInt8]? { nil }
        var deadline: UInt64 { .max }
    }

    /// A guest that sends a frame of `count` bytes and makes it another one before it goes; who does
    /// that for it; and what is to go: of a small frame nothing is forged, of a large one all but
    /// its head.
    private static func forge(
        _ count: Int, claimsAll: Bool = false
    ) throws -> (guest: NetGuest, forger: Forger, what: [UInt8]) {
        let guest = try NetGuest()
        var lie = NetHeader.tcp4()
        lie.checksumStart = .max
        lie.checksumOffset = .max
        let forged = testFrame(count, seed: 1)
        let forger = Forger(guest.driver.memory, lie.wire + forged, claimsAll: claimsAll)
        guest.driver.transport.withDevice { $0.responder = forger }
        try guest.send(testFrame(count))
        let isCopied = count + NetHeader.byteCount <= Net.copyLimit
        let kept = isCopied ? count : Net.headLimit
        return (guest, forger, Array(testFrame(count)[..<kept] + forged[kept...]))
    }

    @Test(arguments: [14, 60, 1514, 4084, 4085, 9000])
    func `What was checked is what goes, whatever the guest does meanwhile`(
        _ count: Int
    ) throws {
        let (guest, forger, what) = try Self.forge(count)
        let frames = guest.far[0].receive()
        #expect(frames.map(\.header) == [NetHeader()])
        #expect(frames.map(\.bytes) == [what])
        #expect(forger.heads.withValue { $0 } == [Array(what.prefix(Net.headLimit))])
    }

    @Test(arguments: [14, 60, 1514, 4084, 4085, 9000])
    func `What a responder has claimed is what it gets, whatever the guest does meanwhile`(
        _ count: Int
    ) throws {
        let (guest, forger, what) = try Self.forge(count, claimsAll: true)
        #expect(guest.far[0].receive().isEmpty)
        #expect(forger.taken.withValue { $0 } == [what])
        #expect(forger.heads.withValue { $0 } == [Array(what.prefix(Net.headLimit))])
        #expect(guest.driver.rings[1].takeUsed().map(\.length) == [0])
    }

    /// Claims nothing, and keeps the last head it has seen.
    final class Witness: NetResponder {
        let head = Locked<[UInt8]>([])
        func claims(_ head: ArraySlice<UInt8>) -> Bool {
            self.head.withValue { $0 = Array(head) }
            return false
        }
        func take(_ frame: [UInt8]) {}
        func nextFrame() -> [UInt8]? { nil }
        var deadline: UInt64 { .max }
    }

    @Test(arguments: [60, 9000])
    func `What a responder has let go is what it has seen, however fast the guest is`(
        _ count: Int
    ) throws {
        let guest = try NetGuest()
        let memory = guest.driver.memory
        let witness = Witness()
        guest.driver.transport.withDevice { $0.responder = witness }
        let isOver = Flag()
        let changer = try TestThread("changer") {
            // The last byte that a responder sees, of each place that frames are sent from.
            let last = UInt64(NetHeader.byteCount + min(count, Net.headLimit) - 1)
            var value: UInt8 = 0
            while !isOver.isSet {
                value &+= 1
                for place in 0..<64 as Range<UInt64> {
                    let address = NetGuest.transmitBase + place * 0x2_0000 + last
                    try? memory.store(value, at: GuestAddress(address))
                }
            }
        }
        var differing = 0
        for _ in 0..<2000 {
            try guest.send(testFrame(count))
            let sent = guest.far[0].receive().map { Array($0.bytes.prefix(Net.headLimit)) }
            if sent != [witness.head.withValue { $0 }] { differing += 1 }
            _ = guest.driver.rings[1].takeUsed()
        }
        isOver.set()
        try changer.join()
        #expect(differing == 0)
    }

    @Test func `Bits that mean nothing are not passed on`() throws {
        let guest = try NetGuest()
        var header = NetHeader()
        header.flags = 0xfe
        header.headerLength = 0xffff
        header.segmentSize = 0xffff
        header.checksumStart = 0xffff
        header.bufferCount = 0xffff
        try guest.send(testFrame(60), header)
        #expect(guest.far[0].receive().map(\.header) == [NetHeader()])
    }

    @Test(arguments: [0, 1, 11, 12, 25])
    func `Chains too short for header and frame are dropped`(_ count: Int) throws {
        let guest = try NetGuest()
        guest.driver.rings[1].publish([.readable(NetGuest.transmitBase, UInt32(count))])
        guest.driver.notify(1)
        #expect(guest.far[0].receive().isEmpty)
        #expect(guest.statistics.violations == 1)
        #expect(guest.driver.rings[1].takeUsed().count == 1)
    }

    @Test(arguments: [UInt32(Net.frameLimit + 13), 1 << 20, 0x0f0_0000])
    func `Huge chains are dropped`(_ count: UInt32) throws {
        let guest = try NetGuest()
        guest.driver.rings[1].publish([.readable(NetGuest.transmitBase, count)])
        // The same bytes many times make it longer than the guest's memory.
        guest.driver.rings[1].publish(
            (0..<200).map { _ in .readable(NetGuest.transmitBase, count) })
        guest.driver.notify(1)
        #expect(guest.far[0].receive().isEmpty)
        #expect(guest.statistics.violations == 2)
    }

    @Test func `A header in pieces is a header, and a writable chain is none`() throws {
        let guest = try NetGuest()
        let frame = testFrame(60)
        try guest.driver.memory.write(
            NetHeader().wire + frame, at: GuestAddress(NetGuest.transmitBase))
        guest.driver.rings[1].publish(
            (0..<72).map { .readable(NetGuest.transmitBase + $0, 1) })
        guest.driver.rings[1].publish([.writable(NetGuest.transmitBase, 72)])
        guest.driver.notify(1)
        #expect(guest.far[0].receive().map(\.bytes) == [frame])
        #expect(guest.statistics.violations == 1)
    }

    @Test func `Tiny buffers are given back, and one of twelve bytes is enough to begin`() throws {
        let guest = try NetGuest(buffers: 0)
        guest.give(5, size: 11)
        guest.driver.rings[0].publish([.readable(NetGuest.receiveBase, 4096)])
        guest.give(1, size: 12)
        guest.give(10, size: 16)
        guest.far[0].send(testFrame(100))
        let frames = try guest.receive()
        #expect(frames.map(\.bytes) == [testFrame(100)])
        #expect(frames.first?.header.bufferCount == 8)
    }

    @Test func `A frame larger than any buffer does not stop the next`() throws {
        let guest = try NetGuest(without: .netMergeableBuffers, buffers: 0)
        guest.give(8, size: 100)
        guest.far[0].send(testFrame(1000))
        guest.far[0].send(testFrame(88))
        #expect(try guest.receive().map(\.bytes) == [testFrame(88)])
    }

    @Test(
        arguments: [
            ([], 1), ([0], 1), ([0, 0], 1), ([0, 0, 2], 1), ([0, 0, 1, 1], 1), ([0, 0, 1], 0),
            ([0, 5, 1], 0), ([0, 6, 1], 1), ([0, 255, 1], 1),
            ([1, 0], 1), ([1, 0, 0, 0, 0, 0], 1), ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
            ([1, 0, 255, 255, 255, 255, 0, 0, 0, 0], 1),
            ([1, 0, 0, 0, 0, 0, 255, 255, 255, 255], 1),
            ([1, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0], 0),
            ([1, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 7], 1),
            ([1, 1], 1), ([1, 1, 2, 3, 4, 5, 6], 1), ([1, 1, 2, 3, 4, 5, 6, 7], 0),
            ([1, 1, 2, 3, 4, 5, 6, 7, 8], 1), ([1, 1, 1, 0, 0, 0, 0, 0], 1),
            ([1, 1, 0, 0, 0, 0, 0, 0], 1), ([2, 0, 1, 0], 1), ([3, 0], 1),
            ([4, 0, 1, 0], 1), ([4, 1], 1), ([5, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
            ([5, 0, 255, 255, 255, 255, 255, 255, 255, 255], 1), ([5, 0, 1], 1), ([255, 255], 1),
        ] as [([UInt8], UInt8)])
    func `A command is obeyed or refused, whatever its length`(
        _ bytes: [UInt8], _ answer: UInt8
    ) throws {
        let guest = try NetGuest()
        #expect(try guest.command(bytes) == answer)
        #expect(guest.driver.transport.chainsInFlight == 0)
    }

    @Test func `A command without room for an answer, and a new address`() throws {
        let guest = try NetGuest()
        #expect(try guest.command([1, 1, 2, 3, 4, 5, 6, 7], room: 0) == nil)
        let space = MMIORegister.configuration
        #expect(guest.driver.transport.read(offset: space, size: 4) == 0x0504_0302)
    }

    @Test func `Commands mean nothing to who has no control queue`() throws {
        let guest = try NetGuest(without: .netControlQueue)
        #expect(try guest.command([0, 0, 1]) == nil)
        #expect(guest.driver.rings[2].deviceUsedIndex == 0)
    }

    /// A driver whose link has one error, three frames behind it and then nothing any more.
    private static func failing(
        _ prepare: (TestDriver<Net>) -> Void = { _ in }
    ) throws -> TestDriver<Net> {
        let sockets = try UnixSocket.Pair(keepsMessages: true)
        let driver = try TestDriver(
            Net(NetGuest.configuration, on: TapDevice(socket: sockets.near.duplicate())))
        driver.start()
        prepare(driver)
        driver.settle()
        // Whoever goes without reading all leaves the other an error, before what he has sent.
        _ = try sockets.near.write([1, 2, 3])
        for seed in 0..<3 {
            _ = try sockets.far.write((NetHeader().wire + testFrame(100, seed: seed))[...])
        }
        return driver
    }

    private static func receiveAll(_ driver: TestDriver<Net>) -> [UInt32] {
        for index in 0..<8 as Range<UInt64> {
            driver.rings[0].publish([.writable(NetGuest.receiveBase + index * 4096, 4096)])
        }
        driver.notify(0)
        for _ in 0..<4 { driver.settle() }
        return driver.rings[0].takeUsed().map(\.length)
    }

    @Test func `A read that fails holds back no frame behind it`() throws {
        let driver = try Self.failing()
        #expect(Self.receiveAll(driver) == [112, 112, 112])
        let statistics = driver.transport.withDevice { $0.statistics }
        #expect(statistics.readFailures == 1)
        #expect(driver.isQuiet)
    }

    @Test func `Reads that have failed for one driver do not count for the next`() throws {
        let driver = try Self.failing { driver in
            driver.transport.withDevice { $0.pairs[0].failures = Net.failureLimit - 1 }
            driver.start()
        }
        #expect(driver.transport.withDevice { $0.pairs[0].failures } == 0)
        // The link has said what it has, and does not say it again.
        for _ in 0..<2 { driver.settle() }
        #expect(Self.receiveAll(driver) == [112, 112, 112])
    }

    @Test func `A link that ends costs nothing`() throws {
        let driver: TestDriver<Net>
        do {
            let link = try NetGuest.Link()
            driver = try TestDriver(link.device())
        }
        driver.start()
        driver.rings[0].publish([.writable(NetGuest.receiveBase, 4096)])
        driver.notify(0)
        for _ in 0..<8 { driver.settle() }
        let host = try #require(driver.transport.withDevice { $0.hostEvents })
        #expect(try wakeUps(by: host) == 0)
    }

    @Test(arguments: [
        "version", "mac", "pairs", "offloads", "mode", "features", "frame too large", "frames",
    ])
    func `A state that no device saved is refused`(_ field: String) throws {
        let guest = try NetGuest()
        guest.driver.transport.pause()
        let good = guest.driver.transport.save()
        var bad = good
        switch field {
        case "version": bad.device.version = 2
        case "mac": bad.device.mac = [1, 2, 3]
        case "pairs": bad.device.pairCount = 2
        case "offloads": bad.device.offloads = 0x80
        case "mode": bad.device.receiveMode = 0xff
        case "features": bad.device.features.insert(FeatureSet(bit: 60))
        case "frame too large": bad.device.waiting = [testFrame(Net.frameLimit + 13)]
        default: bad.device.waiting = [[], [], []]
        }
        #expect(throws: RestoreError.self) { try guest.driver.transport.restore(bad) }
        try guest.driver.transport.restore(good)
    }
}
