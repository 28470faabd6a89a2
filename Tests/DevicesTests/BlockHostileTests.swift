// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// What a disk does for a driver that means harm: answers, touches nothing, and goes on.
@Suite struct BlockHostileTests {
    /// A request that no driver may make.
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        let type: UInt32
        let sector: UInt64
        let data: [DriverRing.Buffer]
        let ranges: [BlockRange]
        let status: UInt8
        var testDescription: String { name }

        init(
            _ name: String, _ type: UInt32, sector: UInt64 = 0, _ data: [DriverRing.Buffer] = [],
            ranges: [BlockRange] = [], _ status: UInt8
        ) {
            self.name = name
            self.type = type
            self.sector = sector
            self.data = data
            self.ranges = ranges
            self.status = status
        }
    }

    static let data = BlockGuest.data
    static let last = BlockGuest.sectors - 1

    static let transfers = [
        Attack("an empty read moves nothing", 0, 0),
        Attack("an empty write moves nothing", 1, 0),
        Attack("an empty read past the end", 0, sector: last + 2, 1),
        Attack("a read past the end", 0, sector: last, [.writable(data, 1024)], 1),
        Attack("a write past the end", 1, sector: last, [.readable(data, 1024)], 1),
        Attack("a sector that overflows in bytes", 0, sector: 1 << 55, [.writable(data, 512)], 1),
        Attack("the last sector there can be", 0, sector: .max, [.writable(data, 512)], 1),
        Attack("a write to it", 1, sector: .max, [.readable(data, 512)], 1),
        Attack("a read of 511 bytes", 0, [.writable(data, 511)], 1),
        Attack("a write of 513 bytes", 1, [.readable(data, 513)], 1),
        Attack("a read from what may only be read", 0, [.readable(data, 512)], 1),
        Attack("a write of what may only be written", 1, [.writable(data, 512)], 1),
        Attack(
            "a read that brings data", 0, [.readable(data, 512), .writable(data, 512)], 1),
        Attack("a flush with data", 4, [.readable(data, 512)], 1),
        Attack("a flush with room", 4, [.writable(data, 512)], 1),
        Attack("a name with too little room", 8, [.writable(data, 19)], 1),
        Attack("a name with data", 8, [.readable(data, 20)], 1),
        Attack("a type that is not known", 2, 2),
        Attack("a type from SCSI's time", 3, [.readable(data, 16)], 2),
        Attack("a lifetime that we do not have", 10, [.writable(data, 24)], 2),
        Attack("a secure erase that we do not offer", 14, [.readable(data, 16)], 2),
        Attack("a type beyond all", .max, [.writable(data, 512)], 2),
    ]

    static let ranges = [
        Attack("a discard of nothing", 11, 1),
        Attack("a discard of half a range", 11, [.readable(data, 8)], 1),
        Attack("a discard of one range and a half", 11, [.readable(data, 24)], 1),
        Attack("a discard with room", 11, [.readable(data, 16), .writable(data, 16)], 1),
        Attack("too many ranges", 11, [.readable(data, 17 * 16)], 1),
        Attack(
            "a discard past the end", 11, [.readable(data, 16)],
            ranges: [BlockRange(sector: last, count: 2, flags: 0)], 1),
        Attack(
            "a discard that overflows", 11, [.readable(data, 16)],
            ranges: [BlockRange(sector: .max, count: .max, flags: 0)], 1),
        Attack(
            "a discard longer than allowed", 11, [.readable(data, 16)],
            ranges: [BlockRange(sector: 0, count: .max, flags: 0)], 1),
        Attack(
            "a discard with a flag", 11, [.readable(data, 16)],
            ranges: [BlockRange(sector: 0, count: 1, flags: 1)], 2),
        Attack(
            "a discard with reserved flags", 11, [.readable(data, 16)],
            ranges: [BlockRange(sector: 0, count: 1, flags: 0x8000_0000)], 2),
        Attack(
            "zeroes past the end", 13, [.readable(data, 16)],
            ranges: [BlockRange(sector: last + 1, count: 1, flags: 0)], 1),
        Attack(
            "zeroes with reserved flags", 13, [.readable(data, 16)],
            ranges: [BlockRange(sector: 0, count: 1, flags: 2)], 2),
        Attack(
            "empty ranges", 13, [.readable(data, 32)],
            ranges: [
                BlockRange(sector: 0, count: 0, flags: 0),
                BlockRange(sector: 9, count: 0, flags: 1),
            ], 0),
    ]

    @Test(arguments: BlockConfiguration.Engine.both, transfers + ranges)
    func `A wrong request is answered, and the next one served`(
        _ engine: BlockConfiguration.Engine, _ attack: Attack
    ) throws {
        let guest = try BlockGuest(engine)
        let before = [UInt8](repeating: 3, count: Int(BlockGuest.sectors) * 512)
        try guest.file.write(before)
        for (index, range) in attack.ranges.enumerated() {
            try guest.memory.store(range, at: GuestAddress(Self.data + UInt64(index) * 16))
        }
        let answer = guest.perform(type: attack.type, sector: attack.sector, attack.data)
        #expect(answer.status == attack.status)
        #expect(answer.length <= 1)
        #expect(try guest.file.read(count: before.count) == before)
        #expect(guest.driver.status == [.acknowledge, .driver, .featuresOK, .driverOK])

        #expect(guest.perform(type: BlockType.read, [.writable(Self.data, 512)]) == (0, 513))
    }

    /// Chains that are no requests at all, and what is used of them.
    static let fragments: [(String, [DriverRing.Buffer], UInt32)] = [
        ("nothing", [.readable(data, 0)], 0),
        ("half a header", [.readable(data, 8)], 0),
        ("a header alone", [.readable(data, 16)], 0),
        ("a header and data, no status", [.readable(data, 16 + 512)], 0),
        ("a status alone", [.writable(data, 1)], 1),
        ("half a header and a status", [.readable(data, 15), .writable(data, 1)], 1),
    ]

    @Test(arguments: BlockConfiguration.Engine.both, fragments.indices)
    func `A chain that is no request is given back`(
        _ engine: BlockConfiguration.Engine, index: Int
    ) throws {
        let (name, chain, length) = Self.fragments[index]
        let guest = try BlockGuest(engine)
        guest.driver.rings[0].publish(chain)
        guest.driver.notify(0)
        #expect(guest.await(1).map(\.length) == [length], "\(name)")
        #expect(guest.driver.transport.chainsInFlight == 0)
        #expect(guest.driver.transport.withDevice { $0.statistics.violations } == 1)
        #expect(guest.perform(type: BlockType.read, [.writable(Self.data, 512)]) == (0, 513))
    }

    @Test(arguments: BlockConfiguration.Engine.both)
    func `More ranges than the first are as carefully looked at`(
        _ engine: BlockConfiguration.Engine
    ) throws {
        let guest = try BlockGuest(engine)
        try guest.file.write([UInt8](repeating: 3, count: 4 * 512))
        try guest.memory.store(
            BlockRange(sector: 0, count: 1, flags: 1), at: GuestAddress(Self.data))
        try guest.memory.store(
            BlockRange(sector: Self.last, count: 2, flags: 1), at: GuestAddress(Self.data + 16))
        let answer = guest.perform(type: BlockType.writeZeroes, [.readable(Self.data, 32)])
        #expect(answer == (1, 1))
        #expect(try guest.file.read(count: 513).last == 3)
    }

    @Test(arguments: BlockConfiguration.Engine.both)
    func `The same buffer in every request is the guest's own affair`(
        _ engine: BlockConfiguration.Engine
    ) throws {
        let guest = try BlockGuest(engine)
        for slot in 0..<64 {
            guest.publish(
                slot, type: slot & 1 == 0 ? BlockType.read : BlockType.write, sector: 7,
                [
                    slot & 1 == 0
                        ? .writable(Self.data, 512) : .readable(Self.data, 512)
                ])
        }
        guest.driver.notify(0)
        #expect(guest.await(64).count == 64)
        for slot in 0..<64 { #expect(guest.status(slot) == 0) }
    }

    @Test(arguments: BlockConfiguration.Engine.both)
    func `Scripts of dice are survived`(_ engine: BlockConfiguration.Engine) throws {
        for seed in 0..<40 as Range<UInt64> {
            var dice = Dice(seed)
            let file = try ScratchFile(byteCount: 1 << 20)
            #expect(try BlockScript.run(dice.bytes(3000), engine, file) == nil, "seed \(seed)")
        }
    }
}
