// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Memory
import Support
import Testing

@testable import Machine

/// Memory that is unplugged while a processor of the guest's knows where it lies.
@Suite struct UnplugTests {
    /// Maps the first hot-plugged page, at 128 GiB, and counts there for ever.
    static let counting: [UInt8] =
        // The tables' second level: cr3, then its first entry.
        [0x0f, 0x20, 0xd8] + [0x48, 0x8b, 0x18]
        + [0x48, 0x81, 0xe3, 0x00, 0xf0, 0xff, 0xff]
        // Its entry 128 leads to a table at 5 MiB, whose first to two mebibytes.
        + [0x48, 0xc7, 0x83, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0x50, 0x00]
        + [0x48, 0xb8, 0x83, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00]
        + [0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x50, 0x00]
        + [0x48, 0xbf, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00]
        + [0xff, 0x07, 0xeb, 0xfc]

    static let place = GuestAddress(PluggableMemory.base)

    /// A machine that counts in its first block.
    static func started(cpuCount: Int) throws -> (Machine, EventLoop) {
        let kernel = try LongModeKernel(counting)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        configuration.cpuCount = cpuCount
        configuration.engine = .soft
        configuration.hotplug = MachineConfiguration.Hotplug(
            byteCount: 8 << 20, blockSize: PluggableSize.leastBlock, requested: 0)
        let loop = try EventLoop()
        let machine = try Machine(configuration, loop: loop)
        try machine.memory.plug(blocks: 0..<1)
        machine.start()
        return (machine, loop)
    }

    private func wait(_ isTrue: () throws -> Bool) rethrows -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isTrue() {
            guard ContinuousClock.now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    @Test(arguments: [1, 2])
    func `A processor that still knows an unplugged block fills it no more`(cpuCount: Int) throws {
        let (machine, loop) = try Self.started(cpuCount: cpuCount)
        let memory = machine.memory
        #expect(try wait { try memory.load(UInt32.self, at: Self.place) > 1000 })
        let before = memory.residentByteCount

        try memory.unplug(blocks: 0..<1)
        #expect(wait { memory.residentByteCount < before })
        // It writes all the time.
        let count = PauseTests.instructions(machine)
        #expect(PauseTests.waitForProgress(machine, past: count + 1_000_000))
        #expect(memory.residentByteCount < before)

        try memory.plug(blocks: 0..<1)
        #expect(try wait { try memory.load(UInt32.self, at: Self.place) > 0 })
        loop.stop()
        #expect(try machine.finishInTime() == .failed("the event loop ended by itself"))
    }
}
