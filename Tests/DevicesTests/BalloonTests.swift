// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct BalloonTests {
    static let list = TestDriver<Balloon>.bufferBase
    /// Sixty-four pages of ones begin here.
    static let pages: UInt64 = 0x100_0000
    static let firstPage = UInt32(pages / 4096)

    static var everything: BalloonOptions {
        var options = BalloonOptions()
        options.deflatesOnOOM = true
        options.statisticsInterval = 3600
        options.hints = true
        options.reports = true
        return options
    }

    static func driver(
        _ options: BalloonOptions = everything, target: UInt32 = 0
    ) throws -> TestDriver<Balloon> {
        let driver = try TestDriver(Balloon(options, target: target))
        try driver.memory.write(
            [UInt8](repeating: 1, count: 64 * 4096), at: GuestAddress(pages))
        return driver
    }

    /// Numbers of pages, of the sixty-four, that are empty now.
    static func gone(_ memory: GuestMemory) throws -> Set<UInt32> {
        var gone: Set<UInt32> = []
        for page in 0..<64 as Range<UInt32> {
            let place = GuestAddress(pages + UInt64(page) * 4096)
            if try memory.read(at: place, count: 4096).allSatisfy({ $0 == 0 }) {
                gone.insert(page)
            }
        }
        return gone
    }

    /// Writes page numbers and answers what a chain of them is.
    static func write(_ numbers: [UInt32], _ memory: GuestMemory) throws -> DriverRing.Buffer {
        for (index, number) in numbers.enumerated() {
            try memory.store(number, at: GuestAddress(list + UInt64(index) * 4))
        }
        return .readable(list, UInt32(numbers.count * 4))
    }

    static func configuration(_ driver: TestDriver<Balloon>, _ offset: UInt64) -> UInt32 {
        driver.read(MMIORegister.configuration + offset)
    }

    // MARK: Inflating

    struct List: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let numbers: [UInt32]
        let gone: Set<UInt32>
        let violations: UInt64

        init(_ name: String, _ numbers: [UInt32], _ gone: Set<UInt32>, violations: UInt64 = 0) {
            testDescription = name
            self.numbers = numbers
            self.gone = gone
            self.violations = violations
        }
    }

    static let lists: [List] = [
        List("no page", [], []),
        List("one page", [firstPage], [0]),
        List(
            "downwards, as Linux has them", [firstPage + 2, firstPage + 1, firstPage], [0, 1, 2]),
        List("apart", [firstPage, firstPage + 9, firstPage + 63], [0, 9, 63]),
        List("the same page often", Array(repeating: firstPage + 5, count: 300), [5]),
        List("the first page behind RAM", [8192], [], violations: 1),
        List("the largest number", [.max, firstPage], [0], violations: 1),
        List("a page of the hole", [0xd0000, firstPage + 1], [1], violations: 1),
        List(
            "as many as are looked at, and one",
            Array(repeating: firstPage, count: Balloon.listLimit) + [firstPage + 1], [0],
            violations: 1),
    ]

    @Test(arguments: lists)
    func `Pages in the balloon go back to the host, others stay`(_ row: List) throws {
        let driver = try Self.driver()
        driver.start()
        driver.rings[0].publish([try Self.write(row.numbers, driver.memory)])
        driver.notify(0)
        #expect(driver.rings[0].takeUsed() == [UsedElement(id: 0, length: 0)])
        #expect(try Self.gone(driver.memory) == row.gone)
        let counts = driver.transport.withDevice { $0.counts }
        #expect(counts.discarded == UInt64(row.gone.count) * 4096)
        #expect(counts.violations == row.violations)
    }

    @Test func `The host's memory becomes less by what the balloon has`() throws {
        let driver = try Self.driver()
        driver.start()
        let before = driver.memory.residentByteCount
        driver.rings[0].publish([
            try Self.write((0..<64).map { Self.firstPage + $0 }, driver.memory)
        ])
        driver.notify(0)
        // The list and the rings take a page or two.
        #expect(before - driver.memory.residentByteCount >= 60 * 4096)
    }

    @Test func `Page zero can go, and numbers that are cut off are none`() throws {
        let driver = try Self.driver()
        driver.start()
        _ = try Self.write([0, Self.firstPage], driver.memory)
        driver.rings[0].publish([.readable(Self.list, 7)])
        driver.rings[0].publish([.readable(Self.list, 3)])
        driver.rings[0].publish([.writable(Self.list, 64)])
        driver.notify(0)
        #expect(driver.rings[0].takeUsed().count == 3)
        #expect(try Self.gone(driver.memory) == [])
    }

    @Test func `A long queue is served in turns, and all of it`() throws {
        let driver = try Self.driver()
        driver.start()
        let list = try Self.write([Self.firstPage], driver.memory)
        for _ in 0..<200 { driver.rings[0].publish([list]) }
        driver.write(MMIORegister.queueNotify, 0)
        driver.transport.serveNotified()
        #expect(driver.rings[0].takeUsed().count == Balloon.turnLimit)
        var turns = 0
        while driver.rings[0].usedIndex < 200, turns < 100 {
            driver.transport.serveHost()
            _ = driver.rings[0].takeUsed()
            turns += 1
        }
        #expect(driver.rings[0].usedIndex == 200)
        #expect(turns <= 200 / Balloon.turnLimit + 1)
    }

    @Test func `Deflating gives the list back and changes nothing`() throws {
        let driver = try Self.driver()
        driver.start()
        driver.rings[1].publish([try Self.write([Self.firstPage, .max], driver.memory)])
        driver.notify(1)
        #expect(driver.rings[1].takeUsed() == [UsedElement(id: 0, length: 0)])
        #expect(try Self.gone(driver.memory) == [])
    }

    // MARK: Configuration

    @Test func `The driver reads the target and says what it has`() throws {
        let driver = try Self.driver(target: 0x1234)
        driver.start()
        #expect(Self.configuration(driver, 0) == 0x1234)
        driver.write(MMIORegister.configuration + 4, 0x0102_0304)
        #expect(driver.transport.withDevice { $0.actual } == 0x0102_0304)
        for offset in [0, 8, 12] as [UInt64] {
            driver.write(MMIORegister.configuration + offset, .max)
        }
        #expect(Self.configuration(driver, 0) == 0x1234)
        #expect(Self.configuration(driver, 8) == 0)
        driver.transport.updateConfiguration { $0.setTarget(7) }
        #expect(Self.configuration(driver, 0) == 7)
        #expect(driver.takeInterruptStatus() == 2)
    }

    @Test func `It offers what it was asked to have`() throws {
        #expect(try TestDriver(Balloon(BalloonOptions())).offered == .queue)
        let all: [UInt64] = [1, 2, 3, 5]
        let offered = all.reduce(FeatureSet.queue) { $0.union(FeatureSet(bit: $1)) }
        #expect(try Self.driver().offered == offered)
    }

    // MARK: Statistics

    /// One statistic in its ten bytes.
    private func statistic(_ tag: UInt16, _ value: UInt64) -> [UInt8] {
        [UInt8(tag & 0xff), UInt8(tag >> 8)]
            + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    @Test func `Statistics are read, and asked for again by giving the buffer back`() throws {
        let driver = try Self.driver()
        driver.start()
        driver.settle()
        let bytes = statistic(4, 1 << 40) + statistic(15, 3) + statistic(999, 1) + [1, 2, 3]
        try driver.memory.write(bytes, at: GuestAddress(Self.list))
        let head = driver.rings[2].publish([.readable(Self.list, UInt32(bytes.count))])
        driver.notify(2)
        #expect(driver.rings[2].takeUsed() == [])
        #expect(driver.transport.chainsInFlight == 0)
        let statistics = driver.transport.withDevice { $0.statistics }
        #expect(statistics.freeMemory == 1 << 40)
        #expect(statistics.directReclaim == 3)
        #expect(statistics.totalMemory == nil)
        // The tag that nobody knows, and the three bytes.
        #expect(driver.transport.withDevice { $0.counts.wrongReports } == 2)

        // A new interval asks at once.
        #expect(driver.transport.withDevice { $0.setStatisticsInterval(1800) })
        driver.settle()
        #expect(driver.rings[2].takeUsed() == [UsedElement(id: UInt32(head), length: 0)])
        #expect(driver.interrupts.take() > 0)
        try driver.memory.write(statistic(4, 5), at: GuestAddress(Self.list))
        driver.rings[2].publish([.readable(Self.list, 10)])
        driver.notify(2)
        #expect(driver.transport.withDevice { $0.statistics.freeMemory } == 5)
        #expect(driver.transport.withDevice { $0.statistics.directReclaim } == 3)
    }

    @Test func `Statistics count once, however often the driver notifies`() throws {
        let driver = try Self.driver()
        driver.start()
        driver.settle()
        let bytes = statistic(4, 1) + statistic(999, 1)
        try driver.memory.write(bytes, at: GuestAddress(Self.list))
        func counts() -> [UInt64] {
            let counts = driver.transport.withDevice { $0.counts }
            return [counts.reports, counts.wrongReports]
        }
        for round in 1...2 as ClosedRange<UInt64> {
            driver.rings[2].publish([.readable(Self.list, UInt32(bytes.count))])
            for _ in 0..<5 { driver.notify(2) }
            #expect(counts() == [round, round])
            #expect(driver.transport.withDevice { $0.setStatisticsInterval(1800) })
            driver.settle()
            #expect(driver.rings[2].takeUsed().count == 1)
        }
        // The next driver's buffer is a new one.
        driver.rings[2].publish([.readable(Self.list, UInt32(bytes.count))])
        driver.notify(2)
        driver.start()
        driver.settle()
        driver.rings[2].publish([.readable(Self.list, UInt32(bytes.count))])
        driver.notify(2)
        #expect(counts() == [4, 4])
    }

    @Test(arguments: [0, 1, 9, 4096, 0x80_0000] as [UInt32])
    func `Statistics of any length are survived`(length: UInt32) throws {
        let driver = try Self.driver()
        driver.start()
        driver.rings[2].publish([.readable(Self.list, length)])
        driver.rings[2].publish([.writable(Self.list, length), .writable(0, 64)])
        for _ in 0..<4 {
            driver.notify(2)
            _ = driver.transport.withDevice { $0.setStatisticsInterval(3600) }
        }
        driver.settle()
        #expect(driver.transport.chainsInFlight == 0)
        #expect(driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])
    }

    @Test func `Statistics neither begin nor end while the guest runs`() throws {
        let with = try Self.driver()
        #expect(!with.transport.withDevice { $0.setStatisticsInterval(0) })
        let without = try Self.driver(BalloonOptions())
        #expect(!without.transport.withDevice { $0.setStatisticsInterval(1) })
    }

    // MARK: Reporting and hinting

    @Test func `Reported pages go back to the host`() throws {
        let driver = try Self.driver()
        driver.start()
        driver.rings[4].publish([
            .writable(Self.pages, 4096), .writable(Self.pages + 8 * 4096, 8192),
            .writable(Self.pages + 20 * 4096 + 1, 4096),
        ])
        driver.notify(4)
        #expect(driver.rings[4].takeUsed().count == 1)
        #expect(try Self.gone(driver.memory) == [0, 8, 9])
    }

    @Test func `A driver that numbers only the queues it uses is understood`() throws {
        let driver = try Self.driver()
        driver.reset()
        // Without statistics and hinting, Linux's third queue is the one for reports.
        driver.negotiate(
            driver.offered.subtracting([
                Balloon.Feature.statistics, Balloon.Feature.hinting,
            ]))
        driver.rings = (0..<3).map { index in
            let base = TestDriver<Balloon>.ringBase + UInt64(index) * DriverRing.stride
            let ring = DriverRing(memory: driver.memory, size: 64, base: base)
            driver.setQueue(index, ring.state)
            return ring
        }
        driver.step(.driverOK)
        driver.rings[2].publish([.writable(Self.pages + 4096, 4096)])
        driver.notify(2)
        #expect(try Self.gone(driver.memory) == [1])
    }

    @Test func `A driver that follows the standard's numbers is understood`() throws {
        let driver = try Self.driver()
        driver.reset()
        driver.negotiate(
            driver.offered.subtracting([
                Balloon.Feature.statistics, Balloon.Feature.hinting,
            ]))
        driver.setUpQueues()
        driver.step(.driverOK)
        for queue in [2, 3] {
            driver.rings[queue].publish([.writable(Self.pages, 4096)])
            driver.notify(queue)
            #expect(driver.rings[queue].takeUsed() == [], "queue \(queue)")
        }
        driver.rings[4].publish([.writable(Self.pages + 4096, 4096)])
        driver.notify(4)
        #expect(try Self.gone(driver.memory) == [1])
    }

    private func hint(_ driver: TestDriver<Balloon>, _ command: UInt32) throws {
        driver.rings[3].publish([try Self.write([command], driver.memory)])
        driver.notify(3)
    }

    @Test(arguments: [true, false])
    func `Hinted pages go back during a run, and at no other time`(acknowledges: Bool) throws {
        let driver = try Self.driver()
        driver.start()
        func lend(_ page: UInt64) {
            driver.rings[3].publish([.writable(Self.pages + page * 4096, 4096)])
            driver.notify(3)
        }
        lend(0)
        driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: acknowledges) }
        let run = Self.configuration(driver, 8)
        #expect(run > 1)
        lend(1)
        try hint(driver, run + 1)
        lend(2)
        try hint(driver, run)
        lend(3)
        #expect(try Self.gone(driver.memory) == [3])
        _ = driver.takeInterruptStatus()
        try hint(driver, BalloonHinting.stop)
        lend(4)
        #expect(try Self.gone(driver.memory) == [3])
        #expect(Self.configuration(driver, 8) == (acknowledges ? BalloonHinting.done : run))
        #expect(driver.takeInterruptStatus() & 2 == (acknowledges ? 2 : 0))
        driver.transport.updateConfiguration { $0.stopHinting() }
        #expect(Self.configuration(driver, 8) == BalloonHinting.done)
        driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: true) }
        #expect(Self.configuration(driver, 8) == run + 1)
        #expect(driver.transport.chainsInFlight == 0)
    }

    // MARK: State

    @Test func `A restored balloon goes on with what it had`() throws {
        let driver = try Self.driver(target: 500)
        driver.start()
        driver.write(MMIORegister.configuration + 4, 77)
        driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: false) }
        try hint(driver, Self.configuration(driver, 8))
        driver.transport.pause()
        let state = driver.transport.save()
        let other = try TestDriver(Balloon(Self.everything), memory: driver.memory)
        other.rings = driver.rings
        try other.transport.restore(state)
        try other.transport.resume(on: EventLoop())
        #expect(Self.configuration(other, 0) == 500)
        #expect(Self.configuration(other, 4) == 77)
        other.rings[3].publish([.writable(Self.pages, 4096)])
        other.notify(3)
        other.transport.detach()
        #expect(try Self.gone(driver.memory) == [0])
    }

    @Test func `A state that cannot be is refused`() throws {
        let driver = try Self.driver()
        var state = driver.transport.save()
        state.device.version = 99
        #expect(throws: RestoreError.version(99)) { try driver.transport.restore(state) }
        state.device.version = 1
        let without = try Self.driver(BalloonOptions())
        #expect(throws: RestoreError.value("interval")) { try without.transport.restore(state) }
    }
}
