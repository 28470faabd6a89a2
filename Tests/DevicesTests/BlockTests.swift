// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// What a disk does for a driver that means well.
@Suite struct BlockTests {
    typealias Engine = BlockConfiguration.Engine

    @Test(arguments: Engine.both)
    func `What is written is in the file, and read again`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        var dice = Dice(1)
        let bytes = dice.bytes(3 * 512)
        try guest.fill(bytes)

        let written = guest.perform(
            type: BlockType.write, sector: 5, [.readable(BlockGuest.data, 3 * 512)])
        #expect(written == BlockGuest.Answer(0, 1))
        #expect(try guest.file.read(at: 5 * 512, count: 3 * 512) == bytes)

        let read = guest.perform(
            type: BlockType.read, sector: 5, [.writable(BlockGuest.data + 0x1_0000, 3 * 512)])
        #expect(read == BlockGuest.Answer(0, 3 * 512 + 1))
        #expect(try guest.bytes(at: BlockGuest.data + 0x1_0000, count: 3 * 512) == bytes)
    }

    @Test(arguments: Engine.both)
    func `Segments of any length make one request`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        var dice = Dice(2)
        let bytes = dice.bytes(8 * 512)
        try guest.file.write(bytes, at: 512)
        // 1 + 511 + 7 + 3,577 bytes, scattered.
        let lengths: [UInt32] = [1, 511, 7, 3577]
        let segments = lengths.enumerated().map {
            BlockGuest.Buffer.writable(BlockGuest.data + UInt64($0.offset) * 0x2000, $0.element)
        }
        let read = guest.perform(type: BlockType.read, sector: 1, segments)
        #expect(read == BlockGuest.Answer(0, 8 * 512 + 1))
        var got: [UInt8] = []
        for (index, length) in lengths.enumerated() {
            got += try guest.bytes(
                at: BlockGuest.data + UInt64(index) * 0x2000, count: Int(length))
        }
        #expect(got == bytes)
    }

    @Test(arguments: Engine.both)
    func `Header and status may share descriptors with data`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        try guest.file.write([UInt8](repeating: 7, count: 512), at: 512)
        let header = GuestAddress(BlockGuest.headers)
        try guest.memory.store(BlockHeader(type: BlockType.read, sector: 1), at: header)
        // The header in three pieces, the status behind the data.
        guest.driver.rings[0].publish([
            .readable(header.rawValue, 3), .readable(header.rawValue + 3, 9),
            .readable(header.rawValue + 12, 4), .writable(BlockGuest.data, 513),
        ])
        guest.driver.notify(0)
        #expect(guest.collect(1).map(\.length) == [513])
        #expect(
            try guest.bytes(count: 513) == [UInt8](repeating: 7, count: 512) + [0])
    }

    @Test(arguments: Engine.both)
    func `Eight MiB in one request arrive whole`(_ engine: Engine) throws {
        let count = 8 << 20
        let file = try ScratchFile(byteCount: UInt64(count))
        let guest = try BlockGuest(engine, file: file)
        var dice = Dice(3)
        let block = dice.bytes(1 << 16)
        for index in 0..<count >> 16 { try guest.fill(block, at: 0x40_0000 + UInt64(index) << 16) }
        // As many segments as a chain can have.
        let size = UInt32(count / 128)
        let segments = (0..<128 as Range<UInt64>).map {
            BlockGuest.Buffer.readable(0x40_0000 + $0 * UInt64(size), size)
        }
        #expect(guest.perform(type: BlockType.write, segments) == BlockGuest.Answer(0, 1))
        #expect(
            guest.perform(type: BlockType.read, [.writable(0xc0_0000, UInt32(count))])
                == BlockGuest.Answer(0, UInt32(count) + 1))
        for index in 0..<count >> 16 {
            let address = 0xc0_0000 + UInt64(index) << 16
            #expect(try guest.bytes(at: address, count: 1 << 16) == block)
            #expect(try file.read(at: UInt64(index) << 16, count: 1 << 16) == block)
        }
    }

    @Test(arguments: Engine.both)
    func `A full queue is served with one interrupt`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        for slot in 0..<85 {
            try guest.file.write([UInt8(slot)], at: UInt64(slot) * 512)
            guest.publish(
                slot, type: BlockType.read, sector: UInt64(slot),
                [.writable(BlockGuest.data + UInt64(slot) * 512, 512)])
        }
        // The driver wants to hear of the last.
        guest.driver.rings[0].setUsedEvent(84)
        guest.driver.notify(0)
        let used = guest.collect(85)
        #expect(Set(used.map(\.id)).count == 85)
        #expect(guest.driver.interrupts.take() == 1)
        for slot in 0..<85 {
            #expect(guest.status(slot) == 0)
            let address = BlockGuest.data + UInt64(slot) * 512
            #expect(try guest.bytes(at: address, count: 1) == [UInt8(slot)])
        }
    }

    @Test(arguments: Engine.both)
    func `Every queue is served`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        #expect(guest.driver.offered.contains(Block.Feature.multiQueue))
        #expect(guest.driver.transport.read(offset: 0x100 + 34, size: 2) == 8)
        for queue in 0..<8 {
            try guest.fill([UInt8](repeating: UInt8(queue + 1), count: 512))
            let written = guest.perform(
                type: BlockType.write, sector: UInt64(queue), [.readable(BlockGuest.data, 512)],
                queue: queue)
            #expect(written == BlockGuest.Answer(0, 1))
            #expect(try guest.file.read(at: UInt64(queue) * 512, count: 1) == [UInt8(queue + 1)])
        }
    }

    @Test(arguments: Engine.both)
    func `A flush is for those who keep what was written`(_ engine: Engine) throws {
        let kept = try BlockGuest(engine)
        #expect(kept.driver.offered.contains(Block.Feature.flush))
        #expect(kept.perform(type: BlockType.flush) == BlockGuest.Answer(0, 1))
        let lax = try BlockGuest(engine) { $0.cache = .lax }
        #expect(!lax.driver.offered.contains(Block.Feature.flush))
        #expect(lax.perform(type: BlockType.flush) == BlockGuest.Answer(0, 1))
    }

    @Test(
        arguments: [
            ("disk", "disk"), ("a_name_of_twenty_byt", "a_name_of_twenty_byt"),
            ("a_name_that_is_far_too_long", "a_name_that_is_far_t"),
        ])
    func `The drive's name is its serial number`(name: String, told: String) throws {
        let guest = try BlockGuest(.serial) { $0.id = name }
        let answer = guest.perform(type: BlockType.identify, [.writable(BlockGuest.data, 20)])
        #expect(answer == BlockGuest.Answer(0, 21))
        let expected = Array(told.utf8) + [UInt8](repeating: 0, count: 20 - told.utf8.count)
        #expect(try guest.bytes(count: 20) == expected)
    }

    @Test(arguments: Engine.both)
    func `Discarded sectors give their space back and read as zero`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine)
        let all = [UInt8](repeating: 9, count: Int(BlockGuest.sectors) * 512)
        try guest.file.write(all)
        let before = try guest.file.allocated
        try guest.memory.store(
            BlockRange(sector: 8, count: 1024, flags: 0), at: GuestAddress(BlockGuest.data))
        try guest.memory.store(
            BlockRange(sector: 2040, count: 8, flags: 0), at: GuestAddress(BlockGuest.data + 16))
        let answer = guest.perform(type: BlockType.discard, [.readable(BlockGuest.data, 32)])
        #expect(answer == BlockGuest.Answer(0, 1))
        #expect(try guest.file.allocated <= before - 1032 * 512)
        #expect(try guest.file.read(at: 0, count: 8 * 512).allSatisfy { $0 == 9 })
        #expect(try guest.file.read(at: 8 * 512, count: 1024 * 512).allSatisfy { $0 == 0 })
        #expect(
            try guest.file.read(at: 2040 * 512, count: 8 * 512) == .init(repeating: 0, count: 4096))
    }

    @Test(arguments: Engine.both, [0, 1] as [UInt32])
    func `Zeroes are written with and without their space`(_ engine: Engine, flags: UInt32) throws {
        let guest = try BlockGuest(engine)
        try guest.file.write([UInt8](repeating: 9, count: Int(BlockGuest.sectors) * 512))
        try guest.memory.store(
            BlockRange(sector: 1, count: 16, flags: flags), at: GuestAddress(BlockGuest.data))
        let answer = guest.perform(type: BlockType.writeZeroes, [.readable(BlockGuest.data, 16)])
        // Not every file system of a host can zero a range that keeps its space; then the driver
        // hears so and writes zeroes itself.
        let host = try FileDescriptor.open(guest.file.path, flags: 2)
        let zeroes: ()? = try? FileDescriptor.zero(host.rawValue, .keep, at: 0, count: 512)
        let isUnable = flags == 0 && zeroes == nil
        #expect(answer == BlockGuest.Answer(isUnable ? 2 : 0, 1))
        let zeroed = try guest.file.read(at: 512, count: 16 * 512)
        #expect(zeroed.allSatisfy { $0 == (isUnable ? 9 : 0) })
        #expect(try guest.file.read(at: 17 * 512, count: 1) == [9])
    }

    @Test(arguments: Engine.both)
    func `A disk that gives nothing back keeps all its space`(_ engine: Engine) throws {
        let guest = try BlockGuest(engine) { $0.discards = false }
        try guest.file.write([UInt8](repeating: 9, count: Int(BlockGuest.sectors) * 512))
        let before = try guest.file.allocated
        #expect(guest.driver.offered.contains(Block.Feature.writeZeroes))
        #expect(!guest.driver.offered.contains(Block.Feature.discard))
        // Zeroes must not give space back.
        #expect(guest.driver.transport.withDevice { $0.configurationByte(at: 56) } == 0)
        func ask(_ type: UInt32, flags: UInt32) throws -> BlockGuest.Answer {
            let range = BlockRange(sector: 8, count: 1024, flags: flags)
            try guest.memory.store(range, at: GuestAddress(BlockGuest.data))
            return guest.perform(type: type, [.readable(BlockGuest.data, 16)])
        }

        #expect(try ask(BlockType.discard, flags: 0) == BlockGuest.Answer(2, 1))
        #expect(try guest.file.read(at: 8 * 512, count: 1) == [9])
        // Before and after another file, or the same one anew, has come.
        for _ in 0..<2 {
            _ = try ask(BlockType.writeZeroes, flags: 1)
            #expect(try guest.file.allocated >= before)
            try guest.driver.transport.updateConfiguration { device throws(BlockError) in
                try device.replaceDisk(path: guest.file.path)
            }
        }
        #expect(try ask(BlockType.discard, flags: 0) == BlockGuest.Answer(2, 1))
    }

    @Test(arguments: Engine.both)
    func `A read-only disk is read, and nothing else`(_ engine: Engine) throws {
        let file = try ScratchFile(byteCount: 4096)
        try file.write([UInt8](repeating: 5, count: 4096))
        let guest = try BlockGuest(engine, file: file) { $0.isReadOnly = true }
        #expect(guest.driver.offered.contains(Block.Feature.readOnly))
        #expect(
            guest.driver.offered.isDisjoint(with: [
                Block.Feature.discard, Block.Feature.writeZeroes,
            ]))
        try guest.memory.store(
            BlockRange(sector: 0, count: 8, flags: 0), at: GuestAddress(BlockGuest.data))
        for type in [BlockType.write, BlockType.discard, BlockType.writeZeroes] {
            let count: UInt32 = type == BlockType.write ? 512 : 16
            let answer = guest.perform(type: type, [.readable(BlockGuest.data, count)])
            #expect(answer == BlockGuest.Answer(1, 1), "type \(type)")
        }
        #expect(guest.perform(type: BlockType.flush) == BlockGuest.Answer(0, 1))
        #expect(
            guest.perform(type: BlockType.read, [.writable(BlockGuest.data, 512)])
                == BlockGuest.Answer(0, 513))
        #expect(try file.read(count: 4096) == .init(repeating: 5, count: 4096))
    }

    @Test func `The host's kernel, too, refuses writes to a read-only disk`() throws {
        let file = try ScratchFile(byteCount: 4096)
        let disk = try BlockDisk(file.path, isReadOnly: true)
        #expect(throws: Errno.self) { _ = try disk.file.write([1][...]) }
    }

    @Test(arguments: Engine.both)
    func `A file that has become shorter fails what it lacks, and no more`(_ engine: Engine) throws
    {
        let guest = try BlockGuest(engine)
        try guest.file.resize(512)
        let beyond = guest.perform(
            type: BlockType.read, sector: 1, [.writable(BlockGuest.data, 512)])
        #expect(beyond.status == 1)
        #expect(
            guest.perform(type: BlockType.read, [.writable(BlockGuest.data, 512)])
                == BlockGuest.Answer(0, 513))
    }

    @Test func `What cannot be a disk is refused in a sentence`() throws {
        let empty = try ScratchFile(byteCount: 511)
        #expect(throws: BlockError.empty(empty.path)) {
            _ = try Block(BlockConfiguration(id: "d", path: empty.path))
        }
        for path in ["/tmp", "/dev/null"] {
            #expect(throws: BlockError.self) {
                _ = try Block(BlockConfiguration(id: "d", path: path))
            }
        }
        // To open this one means to wait for who writes it.
        let scratch = try ScratchTree("mkfifo pipe")
        let pipe = scratch.path + "/pipe"
        var reader = BlockConfiguration(id: "d", path: pipe)
        reader.isReadOnly = true
        #expect(throws: BlockError.kind(pipe)) { _ = try Block(reader) }
        #expect(throws: BlockError.open("/no/such/file", .noEntry)) {
            _ = try Block(BlockConfiguration(id: "d", path: "/no/such/file"))
        }
        var configuration = BlockConfiguration(id: "d", path: empty.path)
        configuration.queueCount = 9
        #expect(throws: BlockError.queueCount(9)) { _ = try Block(configuration) }
        #expect("\(BlockError.ring(Errno(rawValue: 1)))".contains("io_uring"))
    }
}
