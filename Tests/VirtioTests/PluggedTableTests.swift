// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Virtio

/// Indirect tables in memory that the driver may unplug.
@Suite struct PluggedTableTests {
    static let table = GuestAddress(PluggableMemory.base)

    /// Publishes a table of one entry that lies there, of five bytes elsewhere.
    static func publish(_ driver: inout DriverRing) {
        let descriptor = Descriptor(
            address: table.rawValue, length: 16, flags: Descriptor.isIndirect)
        try? driver.memory.store(Descriptor(address: QueueBench.buffer, length: 5), at: table)
        driver.publish(head: driver.link([descriptor]))
    }

    /// It is read entry by entry, and its chain is the device's until it is given back.
    @Test func `Memory that an indirect table lies in stays plugged until that is done`() throws {
        let memory = try GuestMemory(
            byteCount: 32 << 20, pluggable: PluggableSize(byteCount: PluggableSize.leastBlock))
        var driver = DriverRing(memory: memory, size: 4, base: QueueBench.ring)
        var queue = try Virtqueue(driver.state, limit: 4, features: .queue, memory: memory)
        try memory.plug(blocks: 0..<1)
        Self.publish(&driver)

        guard let chain = try queue.next() else { throw QueueBench.NothingAvailable() }
        #expect(chain.readable.byteCount == 5)
        #expect(throws: MemoryError.inUse) { try memory.unplug(blocks: 0..<1) }
        queue.complete(chain, written: 0)
        #expect(driver.takeUsed().count == 1)

        try memory.unplug(blocks: 0..<1)
        Self.publish(&driver)
        do throws(VirtqueueError) {
            _ = try queue.next()
            Issue.record("a table that is not there is read")
        } catch {
            #expect(error == .buffer(Self.table, count: 16))
        }
    }
}
