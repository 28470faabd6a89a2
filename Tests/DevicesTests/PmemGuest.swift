// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// The guest's side of a persistent memory: a file, the memory that it lies in, and a driver.
final class PmemGuest {
    static let buffer = TestDriver<Pmem>.bufferBase
    /// What nobody has answered yet.
    static let untouched: UInt32 = 0xffff_fff5

    let file: ScratchFile
    let memory: GuestMemory
    let driver: TestDriver<Pmem>

    init(
        byteCount: UInt64 = 3 << 20, isReadOnly: Bool = false, limits: RateLimits = .none
    ) throws {
        file = try ScratchFile(byteCount: byteCount)
        memory = try GuestMemory(
            byteCount: 32 << 20,
            persistent: [try PersistentFile(file.path, isReadOnly: isReadOnly)])
        driver = try TestDriver(Pmem(memory.persistent[0], limits: limits), memory: memory)
        driver.start()
    }

    /// Publishes a request of so many bytes with so much room for the answer.
    func publish(
        _ slot: UInt64 = 0, type: UInt32 = 0, size: UInt32 = 4, room: UInt32 = 4
    ) throws {
        let place = Self.buffer + slot * 64
        try memory.store(type, at: GuestAddress(place))
        try memory.store(Self.untouched, at: GuestAddress(place + 32))
        var chain: [DriverRing.Buffer] = []
        if size > 0 { chain.append(.readable(place, size)) }
        if room > 0 { chain.append(.writable(place + 32, room)) }
        driver.rings[0].publish(chain)
    }

    func answer(_ slot: UInt64 = 0) throws -> UInt32 {
        try memory.load(UInt32.self, at: GuestAddress(Self.buffer + slot * 64 + 32))
    }

    /// One flush: its answer and the length that came back.
    func flush() throws -> (answer: UInt32, lengths: [UInt32]) {
        try publish()
        driver.notify(0)
        return (try answer(), driver.rings[0].takeUsed().map(\.length))
    }

    var statistics: Pmem.Statistics { driver.transport.withDevice { $0.statistics } }
}
