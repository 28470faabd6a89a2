// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// A guest with one disk, whose requests lie in slots of guest memory.
final class BlockGuest {
    typealias Buffer = DriverRing.Buffer

    let file: ScratchFile
    let driver: TestDriver<Block>

    /// Sectors of the disk that tests get unless they ask for more.
    static let sectors: UInt64 = 2048
    /// Headers lie from here on, 16 bytes each; statuses from the next on, a byte each.
    static let headers: UInt64 = 0x10_0000
    static let statuses: UInt64 = 0x18_0000
    /// Data lies from here on.
    static let data = TestDriver<Block>.bufferBase

    /// What a request gets before the device has its say.
    static let untouched: UInt8 = 0xee

    init(
        _ engine: BlockConfiguration.Engine, file: ScratchFile? = nil, memory: GuestMemory? = nil,
        features: FeatureSet? = nil, change: (inout BlockConfiguration) -> Void = { _ in }
    ) throws {
        let file = try file ?? ScratchFile(byteCount: Self.sectors * 512)
        self.file = file
        driver = try TestDriver(
            try Block(Self.configuration(engine, file, change)), memory: memory)
        driver.start(features)
    }

    static func configuration(
        _ engine: BlockConfiguration.Engine, _ file: ScratchFile,
        _ change: (inout BlockConfiguration) -> Void = { _ in }
    ) -> BlockConfiguration {
        var configuration = BlockConfiguration(id: "disk", path: file.path)
        configuration.engine = engine
        configuration.cache = .writeback
        configuration.queueCount = 8
        change(&configuration)
        return configuration
    }

    var memory: GuestMemory { driver.memory }

    // MARK: Requests

    /// Writes header and status of request `slot`; the buffers of the request around `data`.
    func describe(
        _ slot: Int, type: UInt32, sector: UInt64 = 0, _ data: [Buffer] = []
    ) -> [Buffer] {
        let header = GuestAddress(Self.headers + UInt64(slot) * 16)
        let status = GuestAddress(Self.statuses + UInt64(slot))
        try? memory.store(BlockHeader(type: type, sector: sector), at: header)
        try? memory.store(Self.untouched, at: status)
        return [.readable(header.rawValue, 16)] + data + [.writable(status.rawValue, 1)]
    }

    func publish(
        _ slot: Int, type: UInt32, sector: UInt64 = 0, _ data: [Buffer] = [], queue: Int = 0
    ) {
        driver.rings[queue].publish(describe(slot, type: type, sector: sector, data))
    }

    func status(_ slot: Int) -> UInt8 {
        (try? memory.load(UInt8.self, at: GuestAddress(Self.statuses + UInt64(slot)))) ?? 0xff
    }

    /// Makes one request and waits for it; its status and used length.
    func perform(
        type: UInt32, sector: UInt64 = 0, _ data: [Buffer] = [], queue: Int = 0
    ) -> (status: UInt8, length: UInt32) {
        publish(0, type: type, sector: sector, data, queue: queue)
        driver.notify(queue)
        let used = await (1, queue: queue)
        return (status(0), used.first?.length ?? .max)
    }

    /// Lets the device work until it has given back so many chains, or ten seconds are over.
    func await(_ count: Int, queue: Int = 0) -> [UsedElement] {
        var used = driver.rings[queue].takeUsed()
        let deadline = Clock.monotonic + 10_000_000_000
        while used.count < count, Clock.monotonic < deadline {
            waitForHost(milliseconds: 10)
            used += driver.rings[queue].takeUsed()
        }
        return used
    }

    /// Waits until the device's host side has something to do, and lets it.
    func waitForHost(milliseconds: CInt) {
        var set = PollSet()
        set.add(hostEvents, .readable)
        set.wait(milliseconds: milliseconds)
        driver.settle()
    }

    var hostEvents: CInt { driver.transport.withDevice { $0.hostEvents ?? -1 } }

    func fill(_ bytes: [UInt8], at address: UInt64 = BlockGuest.data) throws {
        try memory.write(bytes, at: GuestAddress(address))
    }

    func bytes(at address: UInt64 = BlockGuest.data, count: Int) throws -> [UInt8] {
        try memory.read(at: GuestAddress(address), count: count)
    }
}

extension BlockConfiguration.Engine {
    /// For tests of everything that does not depend on it.
    static var both: [Self] { allCases }
}

/// Numbers of requests, as the specification has them.
enum BlockType {
    static let read: UInt32 = 0
    static let write: UInt32 = 1
    static let flush: UInt32 = 4
    static let identify: UInt32 = 8
    static let discard: UInt32 = 11
    static let writeZeroes: UInt32 = 13
}
