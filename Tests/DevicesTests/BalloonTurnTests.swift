// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// Chains that lend more memory than a turn gives back.
@Suite struct BalloonTurnTests {
    /// Three turns and a piece, from a page that begins no granule on.
    static let start: UInt64 = 0x100_1000
    static let byteCount = UInt32(3 * Balloon.turnBytes + 5 * 4096)
    /// Places in it, among them both sides of where the turns end.
    static var places: [UInt64] {
        var places = [start, start + UInt64(byteCount) - 4096]
        for turn in 1...3 as ClosedRange<UInt64> {
            let end: UInt64 = start + turn * Balloon.turnBytes
            places += [end - 0x2000, end - 0x1000, end, end + 0x1000]
        }
        return places
    }

    /// A guest that has lent all of it, by queue `index`, and has been served one turn.
    static func driver(_ index: Int) throws -> TestDriver<Balloon> {
        let driver = try TestDriver(
            Balloon(BalloonTests.everything), memory: GuestMemory(byteCount: 256 << 20))
        driver.start()
        for place in places { try driver.memory.store(UInt64(7), at: GuestAddress(place)) }
        if index == 3 {
            driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: true) }
            let run = BalloonTests.configuration(driver, 8)
            driver.rings[3].publish([try BalloonTests.write([run], driver.memory)])
            driver.notify(3)
            _ = driver.rings[3].takeUsed()
        }
        driver.rings[index].publish([.writable(start, byteCount)])
        driver.write(MMIORegister.queueNotify, UInt32(index))
        driver.transport.serveNotified()
        return driver
    }

    /// Which of ``places`` still hold what was written there.
    static func kept(_ memory: GuestMemory) throws -> [UInt64] {
        try places.filter { try memory.load(UInt64.self, at: GuestAddress($0)) == 7 }
    }

    @Test(arguments: [3, 4])
    func `What a chain lends goes back in turns, all of it once`(queue: Int) throws {
        let driver = try Self.driver(queue)
        #expect(driver.rings[queue].takeUsed().isEmpty)
        #expect(driver.transport.chainsInFlight == 0)
        let first = driver.transport.withDevice { $0.counts.discarded }
        #expect((1...Balloon.turnBytes).contains(first))

        var used: [UsedElement] = []
        var turns = 1
        while used.isEmpty, turns < 20 {
            driver.transport.serveHost()
            used = driver.rings[queue].takeUsed()
            turns += 1
        }
        #expect(used.count == 1)
        #expect(turns == 4)
        #expect(try Self.kept(driver.memory) == [])
        let counts = driver.transport.withDevice { queue == 3 ? $0.counts.hinted : $0.counts.free }
        // The command before it is a chain as well.
        #expect(counts.chains == (queue == 3 ? 2 : 1))
        #expect(counts.bytes == UInt64(Self.byteCount))
        #expect(counts.failures == 0)
        driver.settle()
        driver.settle()
        #expect(driver.isQuiet)
        #expect(driver.rings[queue].takeUsed().isEmpty)
    }

    @Test func `A report that a save meets is taken by the next process`() throws {
        let first = try Self.driver(4)
        first.transport.pause()
        let state = first.transport.save()
        #expect(first.rings[4].takeUsed().isEmpty)

        let second = try TestDriver(Balloon(BalloonTests.everything), memory: first.memory)
        second.rings = first.rings
        try second.transport.restore(state)
        try second.transport.resume(on: EventLoop())
        defer { second.transport.detach() }
        var used: [UsedElement] = []
        for _ in 0..<20 where used.isEmpty {
            second.settle()
            used = second.rings[4].takeUsed()
        }
        #expect(used.count == 1)
        #expect(try Self.kept(second.memory) == [])
        let counts = second.transport.withDevice { $0.counts.free }
        #expect(counts.chains == 1)
        #expect(counts.bytes == UInt64(Self.byteCount))
    }

    /// It may be in use again.
    @Test func `What is left of a hint stays when the host has ended the run`() throws {
        let driver = try Self.driver(3)
        driver.transport.updateConfiguration { $0.stopHinting() }
        let kept = try Self.kept(driver.memory)
        #expect(!kept.isEmpty)
        driver.settle()
        #expect(driver.rings[3].takeUsed().count == 1)
        #expect(try Self.kept(driver.memory) == kept)
        // The next run begins at the beginning of what is lent then.
        driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: true) }
        let run = BalloonTests.configuration(driver, 8)
        try driver.memory.store(UInt64(7), at: GuestAddress(Self.start))
        driver.rings[3].publish([try BalloonTests.write([run], driver.memory)])
        driver.rings[3].publish([.writable(Self.start, 4096)])
        driver.notify(3)
        #expect(driver.rings[3].takeUsed().count == 2)
        #expect(try driver.memory.load(UInt64.self, at: GuestAddress(Self.start)) == 0)
    }

    @Test func `After a reset nothing of an earlier chain is skipped`() throws {
        let driver = try Self.driver(4)
        driver.start()
        try driver.memory.store(UInt64(7), at: GuestAddress(Self.start))
        driver.rings[4].publish([.writable(Self.start, 4096)])
        driver.notify(4)
        #expect(driver.rings[4].takeUsed().count == 1)
        #expect(try driver.memory.load(UInt64.self, at: GuestAddress(Self.start)) == 0)
    }

    // MARK: Many pieces

    @Test(arguments: [3, 4])
    func `Chains of tiny ranges go back in turns, all of them once`(queue: Int) throws {
        let memory = try GuestMemory(byteCount: 256 << 20)
        let driver = try TestDriver(Balloon(BalloonTests.everything), memory: memory)
        driver.start()
        if queue == 3 {
            driver.transport.updateConfiguration { $0.startHinting(acknowledgesStop: true) }
            let run = BalloonTests.configuration(driver, 8)
            driver.rings[3].publish([try BalloonTests.write([run], memory)])
            driver.notify(3)
            _ = driver.rings[3].takeUsed()
        }
        let pages = 0..<250 as Range<UInt64>
        let head = driver.rings[queue].describe(
            pages.map { .writable(Self.start + $0 * 8192, 4096) })
        for _ in 0..<16 { driver.rings[queue].publish(head: head) }
        driver.write(MMIORegister.queueNotify, UInt32(queue))
        driver.transport.serveNotified()
        var used = driver.rings[queue].takeUsed().count
        var discarded: UInt64 = 0
        for _ in 0..<100 where used < 16 {
            let now = driver.transport.withDevice { $0.counts.discarded }
            #expect(now - discarded == UInt64(Balloon.turnPieces) * 4096)
            discarded = now
            driver.transport.serveHost()
            used += driver.rings[queue].takeUsed().count
        }
        #expect(used == 16)
        #expect(driver.transport.withDevice { $0.counts.discarded } == 16 * 250 * 4096)
        driver.settle()
        driver.settle()
        #expect(driver.isQuiet)
    }

    @Test func `A list of pages that are apart goes back in turns, all of it once`() throws {
        let memory = try GuestMemory(byteCount: 256 << 20)
        let driver = try TestDriver(Balloon(BalloonTests.everything), memory: memory)
        driver.start()
        let first = UInt32(Self.start / 4096)
        // Upwards and downwards; some twice, and some that are no RAM.
        var numbers = (0..<1000 as Range<UInt32>).map { first + ($0 * 377 % 1000) * 2 }
        numbers += [first, first + 1998, .max, 0xd0000]
        for number in numbers where number < 0xd0000 {
            try memory.store(UInt64(7), at: GuestAddress(UInt64(number) * 4096))
            try memory.store(UInt64(7), at: GuestAddress(UInt64(number) * 4096 + 4096))
        }
        driver.rings[0].publish([try BalloonTests.write(numbers, memory)])
        driver.write(MMIORegister.queueNotify, 0)
        driver.transport.serveNotified()
        var turns = 1
        while driver.rings[0].deviceUsedIndex == 0, turns < 100 {
            #expect(
                driver.transport.withDevice { $0.counts.discarded }
                    == UInt64(turns * Balloon.turnPieces) * 4096)
            #expect(driver.transport.chainsInFlight == 0)
            driver.transport.serveHost()
            turns += 1
        }
        #expect(turns == 4)
        for page in 0..<2000 as Range<UInt32> {
            let word = try memory.load(
                UInt64.self, at: GuestAddress(UInt64(first + page) * 4096))
            #expect(word == (page % 2 == 0 ? 0 : 7), "page \(page)")
        }
        let counts = driver.transport.withDevice { $0.counts }
        #expect(counts.discarded == 1000 * 4096)
        #expect(counts.violations == 2)
        #expect(counts.inflations == 1)
        // The next list begins at its beginning.
        try memory.store(UInt64(7), at: GuestAddress(Self.start))
        driver.rings[0].publish([try BalloonTests.write([first], memory)])
        driver.notify(0)
        #expect(try memory.load(UInt64.self, at: GuestAddress(Self.start)) == 0)
    }
}
