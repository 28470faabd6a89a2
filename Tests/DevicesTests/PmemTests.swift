// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct PmemTests {
    @Test func `The configuration says where and how much`() throws {
        let guest = try PmemGuest()
        let words = (0..<2 as Range<UInt64>).map {
            guest.driver.transport.read(offset: MMIORegister.configuration + $0 * 8, size: 8)
        }
        #expect(words == [256 << 30, 4 << 20])
        #expect(guest.driver.read(MMIORegister.deviceID) == 27)
    }

    @Test(arguments: [false, true])
    func `A flush is answered`(isReadOnly: Bool) throws {
        let guest = try PmemGuest(isReadOnly: isReadOnly)
        let (answer, lengths) = try guest.flush()
        #expect(answer == 0)
        #expect(lengths == [4])
        #expect(guest.driver.interrupts.take() == 1)
        #expect(guest.statistics == Pmem.Statistics(requests: 1, flushes: 1, violations: 0))
    }

    @Test func `What waits together is flushed together, with one interrupt`() throws {
        let guest = try PmemGuest()
        for slot in 0..<100 as Range<UInt64> { try guest.publish(slot) }
        guest.driver.notify(0)
        #expect(guest.driver.rings[0].takeUsed().count == 100)
        #expect(guest.statistics.flushes == 1)
        #expect(guest.driver.interrupts.take() == 1)
        #expect(guest.driver.isQuiet)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var type: UInt32 = 0
        var size: UInt32 = 4
        var room: UInt32 = 4
        let length: UInt32
        let answer: UInt32
    }

    @Test(arguments: [
        Row(testDescription: "unknown type", type: 1, length: 4, answer: 1),
        Row(testDescription: "largest type", type: .max, length: 4, answer: 1),
        Row(testDescription: "no request", size: 0, length: 4, answer: 1),
        Row(testDescription: "three bytes", size: 3, length: 4, answer: 1),
        Row(testDescription: "five bytes", size: 5, length: 4, answer: 1),
        Row(testDescription: "a huge request", size: 1 << 20, length: 4, answer: 1),
        Row(testDescription: "no room", room: 0, length: 0, answer: PmemGuest.untouched),
        Row(testDescription: "room for three", room: 3, length: 0, answer: PmemGuest.untouched),
        Row(testDescription: "much room", room: 1 << 20, length: 4, answer: 0),
    ])
    func `A wrong request is answered if there is room, and the next one served`(
        _ row: Row
    ) throws {
        let guest = try PmemGuest()
        try guest.publish(type: row.type, size: row.size, room: row.room)
        guest.driver.notify(0)
        #expect(guest.driver.rings[0].takeUsed().map(\.length) == [row.length])
        #expect(try guest.answer() == row.answer)
        #expect(guest.statistics.violations == (row.answer == 0 ? 0 : 1))
        #expect(try guest.flush() == (0, [4]))
        #expect(guest.driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])
    }

    @Test func `Requests may lie in persistent memory, answers not in what is read-only`() throws {
        for isReadOnly in [false, true] {
            let guest = try PmemGuest(isReadOnly: isReadOnly)
            let place = PersistentMemory.base
            guest.driver.rings[0].publish([
                .readable(place, 4), .writable(PmemGuest.buffer, 4),
            ])
            guest.driver.notify(0)
            #expect(guest.driver.rings[0].takeUsed().map(\.length) == [4])
            guest.driver.rings[0].publish([
                .readable(place, 4), .writable(place + 64, 4),
            ])
            guest.driver.notify(0)
            #expect(guest.driver.status.contains(.needsReset) == isReadOnly)
            #expect(try guest.file.read(at: 64, count: 4) == [0, 0, 0, 0])
            guest.driver.start()
            #expect(try guest.flush() == (0, [4]))
        }
    }

    // MARK: Limits

    static func bucket(_ size: UInt64) -> TokenBucketLimit {
        TokenBucketLimit(size: size, refillTime: 3_600_000)
    }

    @Test(arguments: [
        RateLimits(operations: bucket(2)), RateLimits(bandwidth: bucket(6 << 20)),
    ])
    func `A limited device flushes as often as it may, and then waits in silence`(
        limits: RateLimits
    ) throws {
        let guest = try PmemGuest(limits: limits)
        #expect(try guest.flush() == (0, [4]))
        #expect(try guest.flush() == (0, [4]))
        for slot in 0..<3 as Range<UInt64> { try guest.publish(slot) }
        for _ in 0..<100 { guest.driver.notify(0) }
        #expect(guest.driver.rings[0].takeUsed().isEmpty)
        #expect(guest.driver.transport.chainsInFlight == 0)
        #expect(guest.driver.isQuiet)
        // A reset refills no bucket.
        guest.driver.start()
        try guest.publish()
        guest.driver.notify(0)
        #expect(guest.driver.rings[0].takeUsed().isEmpty)

        guest.driver.transport.withDevice { $0.setLimits(.none) }
        guest.driver.settle()
        #expect(guest.driver.rings[0].takeUsed().count == 1)
    }

    @Test func `A flush allocates nothing`() throws {
        let guest = try PmemGuest()
        var counts: [Int] = []
        for _ in 0..<3 {
            for slot in 0..<32 as Range<UInt64> { try guest.publish(slot) }
            let transport = guest.driver.transport
            transport.write(offset: MMIORegister.queueNotify, size: 4, value: 0)
            counts.append(allocations { transport.serveNotified() })
            #expect(guest.driver.rings[0].takeUsed().count == 32)
        }
        #expect(counts.last == 0, "\(counts)")
    }

    // MARK: State

    @Test func `A restored device goes on with the same file`() throws {
        let guest = try PmemGuest(limits: RateLimits(operations: Self.bucket(1)))
        #expect(try guest.flush() == (0, [4]))
        guest.driver.transport.pause()
        let state = guest.driver.transport.save()
        let other = try TestDriver(Pmem(guest.memory.persistent[0]), memory: guest.memory)
        try other.transport.restore(state)
        #expect(other.transport.save() == state)
        try other.transport.resume(on: EventLoop())
        other.transport.detach()
        // The bucket is as empty as it was.
        try guest.publish()
        other.notify(0)
        #expect(guest.driver.rings[0].deviceUsedIndex == 1)
        other.transport.withDevice { $0.setLimits(.none) }
        other.settle()
        #expect(guest.driver.rings[0].deviceUsedIndex == 2)
    }

    @Test(arguments: ["version", "base", "byteCount", "fileByteCount", "isReadOnly"])
    func `A state of another file is refused`(_ field: String) throws {
        let guest = try PmemGuest()
        var state = guest.driver.transport.save()
        switch field {
        case "version": state.device.version = 2
        case "base": state.device.base += PersistentFile.granule
        case "byteCount": state.device.byteCount = .max
        case "fileByteCount": state.device.fileByteCount -= 1
        default: state.device.isReadOnly = true
        }
        #expect(throws: RestoreError.self) { try guest.driver.transport.restore(state) }
    }

    // MARK: Dice

    /// As `Fuzz/Sources/FuzzPmem` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever is done with persistent memory, it starts again`(seed: UInt64) throws {
        var dice = Dice(seed)
        let (memory, files) = try PmemScript.makeMemory()
        for round in 0..<200 {
            let bytes = dice.bytes(Int.random(in: 0..<1000, using: &dice))
            let wrong = try PmemScript.run(bytes, memory: memory, files)
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}
