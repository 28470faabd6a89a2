// SPDX-License-Identifier: Apache-2.0
import Foundation
import Memory
import Support
import Testing

@testable import Machine

/// What a host may ask of a machine's devices for memory.
@Suite struct MemoryControlTests {
    /// A Multiboot kernel that halts.
    private func kernel() throws -> String {
        let magic: UInt32 = 0x1bad_b002
        let flags: UInt32 = 1 << 16
        let start: UInt32 = 0x10_0000
        let words = [magic, flags, 0 &- magic &- flags, start, start, 0, 0, start + 32]
        var bytes: [UInt8] = words.flatMap { word in
            (0..<4 as Range<UInt32>).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
        }
        bytes += [0xfa, 0xf4]
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-halt-\(UUID().uuidString)")
        try Data(bytes).write(to: file)
        return file.path
    }

    private func machine(
        _ change: (inout MachineConfiguration) -> Void
    ) throws -> Machine {
        let path = try kernel()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var configuration = MachineConfiguration(kernelPath: path, commandLine: "")
        configuration.memoryBytes = 64 << 20
        configuration.engine = .soft
        change(&configuration)
        return try Machine(configuration)
    }

    @Test func `The balloon's target follows the host, up to all of memory`() throws {
        let machine = try machine {
            $0.balloon = MachineConfiguration.Balloon(mebibytes: 16)
        }
        #expect(machine.balloonStatus?.targetPages == 4096)
        #expect(machine.setBalloon(mebibytes: 64))
        #expect(!machine.setBalloon(mebibytes: 65))
        #expect(!machine.setBalloon(mebibytes: .max))
        #expect(machine.balloonStatus?.targetPages == 16384)
        #expect(machine.balloonStatus?.actualPages == 0)
        #expect(!machine.setBalloonStatistics(seconds: 1))
        #expect(!machine.startHinting(acknowledgesStop: true))
        #expect(!machine.stopHinting())
    }

    @Test func `Statistics and hinting are there if they were asked for`() throws {
        let machine = try machine { configuration in
            var balloon = MachineConfiguration.Balloon(mebibytes: 0)
            balloon.statisticsInterval = 1
            balloon.hints = true
            configuration.balloon = balloon
        }
        #expect(machine.setBalloonStatistics(seconds: 5))
        #expect(machine.balloonStatus?.interval == 5)
        #expect(!machine.setBalloonStatistics(seconds: 0))
        #expect(machine.startHinting(acknowledgesStop: false))
        #expect(machine.balloonStatus?.hostCommand == 2)
        #expect(machine.stopHinting())
        #expect(machine.balloonStatus?.hostCommand == 1)
        #expect(machine.balloonStatus?.guestCommand == nil)
    }

    @Test func `The metrics say when the host keeps what a guest unplugs`() throws {
        let block = PluggableSize.leastBlock
        let machine = try machine {
            $0.hotplug = MachineConfiguration.Hotplug(
                byteCount: 8 << 20, blockSize: block, requested: block)
        }
        func reading(_ name: String) -> UInt64? {
            let counts = machine.deviceReadings.first { $0.group == "memory_hotplug" }?.counts
            return counts?.first { $0.name == name }?.value
        }
        let memory = machine.memory
        let driver = TestDriver(try #require(machine.board.hotplug), memory: memory)
        driver.start()
        // To plug the first block, and to unplug all.
        for (index, kind) in ([0, 2] as [UInt16]).enumerated() {
            if kind == 2 { try memory.keepAll() }
            let place = UInt64(0x20_0000 + index * 128)
            try memory.store(kind, at: GuestAddress(place))
            try memory.store(PluggableMemory.base, at: GuestAddress(place + 8))
            try memory.store(1 as UInt16, at: GuestAddress(place + 16))
            driver.rings[0].publish([.readable(place, 24), .writable(place + 64, 10)])
            driver.notify(0)
            #expect(reading("unplug_discard_fails") == UInt64(index))
        }
        #expect(reading("plug_count") == 1)
        #expect(reading("unplug_all_count") == 1)
        #expect(reading("unplug_all_fails") == 0)
    }

    @Test func `Memory can be asked for in whole blocks, up to all there are`() throws {
        let machine = try machine {
            $0.hotplug = MachineConfiguration.Hotplug(
                byteCount: 256 << 20, blockSize: 4 << 20, requested: 8 << 20)
        }
        let total: UInt64 = 256 << 20
        for (bytes, isPossible) in [
            (total, true), (total + (4 << 20), false), (2 << 20, false), (.max, false), (0, true),
            (12 << 20, true),
        ] as [(UInt64, Bool)] {
            #expect(machine.setHotplug(requested: bytes) == isPossible, "\(bytes)")
        }
        let status = HotplugStatus(
            total: total, blockSize: 4 << 20, plugged: 0, requested: 12 << 20)
        #expect(machine.hotplugStatus == status)
    }

    @Test func `A machine without them has none`() throws {
        let machine = try machine { _ in }
        #expect(machine.balloonStatus == nil)
        #expect(machine.hotplugStatus == nil)
        #expect(!machine.setBalloon(mebibytes: 0))
        #expect(!machine.setHotplug(requested: 0))
    }

    @Test func `A wish that cannot be is refused before anything runs`() {
        #expect(throws: MachineError.self) {
            try machine { $0.balloon = MachineConfiguration.Balloon(mebibytes: 65) }
        }
        for hotplug in [
            MachineConfiguration.Hotplug(byteCount: 3 << 20, blockSize: 2 << 20),
            MachineConfiguration.Hotplug(byteCount: 4 << 20, blockSize: 1 << 20),
            MachineConfiguration.Hotplug(
                byteCount: 4 << 20, blockSize: 2 << 20, requested: 1 << 20),
        ] {
            #expect(throws: MachineError.self) { try machine { $0.hotplug = hotplug } }
        }
    }
}
