// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// A host that does not take back what a guest has unplugged.
@Suite struct KeptMemoryTests {
    typealias Kind = MemoryDeviceTests.Kind
    typealias Answer = MemoryDeviceTests.Answer
    static let block = MemoryDeviceTests.block
    static let base = MemoryDeviceTests.base

    private static func counts(_ driver: TestDriver<MemoryDevice>) -> MemoryDevice.Counts {
        driver.transport.withDevice { $0.counts }
    }

    @Test func `What the host keeps is counted, and unplugged all the same`() throws {
        let driver = try MemoryDeviceTests.driver(requested: 4)
        let ask = MemoryDeviceTests.ask
        #expect(try ask(driver, Kind.plug, Self.base, 4)[0] == Answer.done)
        #expect(try ask(driver, Kind.unplug, Self.base, 1)[0] == Answer.done)
        #expect(Self.counts(driver).keptByHost == 0)

        try driver.memory.keepAll()
        #expect(try ask(driver, Kind.unplug, Self.base + Self.block, 2)[0] == Answer.done)
        #expect(Self.counts(driver).keptByHost == 1)
        #expect(MemoryDeviceTests.plugged(driver) == Self.block)
        #expect(!driver.memory.contains(GuestAddress(Self.base + Self.block), count: 1))
        #expect(try ask(driver, Kind.unplugAll, 0, 0)[0] == Answer.done)
        #expect(Self.counts(driver).keptByHost == 2)
        #expect(MemoryDeviceTests.plugged(driver) == 0)
        // Nothing is plugged any more, so nothing is kept.
        #expect(try ask(driver, Kind.unplugAll, 0, 0)[0] == Answer.done)

        let counts = Self.counts(driver)
        #expect(counts.keptByHost == 2)
        #expect([counts.unplugs.bytes, counts.unplugAlls.bytes] == [3 * Self.block, Self.block])
        #expect([counts.unplugs.failures, counts.unplugAlls.failures] == [0, 0])
    }

    @Test func `What a driver has left and the host keeps is counted too`() throws {
        let scene = try MemoryTurnTests.Scene(Kind.unplug)
        try scene.memory.keepAll()
        scene.driver.reset()
        #expect(scene.finish() < 100)
        #expect(scene.isRAM == false)
        #expect(scene.engine.mapped.isEmpty)
        #expect(Self.counts(scene.driver).keptByHost == 1)
    }

    @Test func `A host that keeps what is unplugged refuses a state with such blocks`() throws {
        let driver = try MemoryDeviceTests.driver(requested: 70)
        let ask = MemoryDeviceTests.ask
        #expect(try ask(driver, Kind.plug, Self.base, 70)[0] == Answer.done)
        driver.transport.pause()
        let all = driver.transport.save()
        var nothing = all
        nothing.device.plugged = [0, 0]
        try driver.memory.keepAll()
        try driver.transport.restore(all)
        #expect(throws: RestoreError.value("plugged")) {
            try driver.transport.restore(nothing)
        }
    }
}
