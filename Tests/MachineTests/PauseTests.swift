// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Testing

@testable import Machine

/// A kernel of a few bytes in a file of its own, which goes with it.
final class TinyKernel {
    let path: String

    /// - Parameter code: Runs in 64-bit mode at 1 MiB.
    init(_ code: [UInt8]) throws {
        path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-tiny-\(UUID().uuidString)").path
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        let add = { (value: UInt64, size: Int) in
            for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
        }
        // An executable for this processor: entry, program headers at 64, none else.
        for (value, size) in [
            (2, 2), (62, 2), (1, 4), (0x10_0000, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2),
            (1, 2), (0, 2), (0, 2), (0, 2),
        ] as [(UInt64, Int)] { add(value, size) }
        // One segment to load, readable and executable.
        let count = UInt64(code.count)
        for (value, size) in [
            (1, 4), (5, 4), (120, 8), (0x10_0000, 8), (0x10_0000, 8), (count, 8), (count, 8),
            (4096, 8),
        ] as [(UInt64, Int)] { add(value, size) }
        try Data(bytes + code).write(to: URL(filePath: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct PauseTests {
    /// Counts for ever.
    static let busy: [UInt8] = [0xff, 0xc0, 0xeb, 0xfc]
    /// Sleeps for ever, with interrupts off.
    static let asleep: [UInt8] = [0xfa, 0xf4, 0xeb, 0xfd]
    /// Reads the time of a port that has no device, for ever.
    static let asking: [UInt8] = [0xe4, 0x80, 0xeb, 0xfc]

    /// A machine that runs, and the loop that it stops with.
    static func started(
        _ code: [UInt8], cpuCount: Int = 1, deterministic: Bool = false
    ) throws -> (Machine, EventLoop) {
        let kernel = try TinyKernel(code)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        configuration.cpuCount = cpuCount
        configuration.deterministic = deterministic
        configuration.entropy = true
        let loop = try EventLoop()
        let machine = try Machine(configuration, loop: loop)
        machine.start()
        return (machine, loop)
    }

    /// Waits until the guest has retired more than `count` instructions.
    static func waitForProgress(_ machine: Machine, past count: UInt64) -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while machine.timeline.instructions <= count {
            guard ContinuousClock.now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    @Test(arguments: [busy, asking], [1, 2])
    func `A paused guest makes no progress, and goes on where it was`(
        _ code: [UInt8], _ cpuCount: Int
    ) throws {
        let (machine, loop) = try Self.started(code, cpuCount: cpuCount)
        #expect(Self.waitForProgress(machine, past: 10_000))
        for _ in 0..<20 {
            try machine.pause()
            let before = machine.timeline.instructions
            usleep(20_000)
            #expect(machine.timeline.instructions == before)
            // A second time changes nothing.
            try machine.pause()
            try machine.resume()
            #expect(Self.waitForProgress(machine, past: before))
            try machine.resume()
        }
        loop.stop()
        #expect(machine.finish() == .failed("the event loop ended by itself"))
    }

    @Test func `A guest that sleeps is paused and resumed`() throws {
        let (machine, loop) = try Self.started(Self.asleep, cpuCount: 3)
        #expect(Self.waitForProgress(machine, past: 1))
        for _ in 0..<20 {
            try machine.pause()
            try machine.resume()
        }
        try machine.pause()
        // A paused machine can be ended.
        loop.stop()
        #expect(machine.finish() == .failed("the event loop ended by itself"))
        #expect(throws: MachineError.self) {
            try machine.resume()
            try machine.pause()
        }
    }

    @Test func `Time by instructions stands still too`() throws {
        let (machine, loop) = try Self.started(Self.busy, cpuCount: 2, deterministic: true)
        #expect(Self.waitForProgress(machine, past: 10_000))
        for _ in 0..<5 {
            try machine.pause()
            let before = machine.timeline.instructions
            usleep(10_000)
            #expect(machine.timeline.instructions == before)
            try machine.resume()
            #expect(Self.waitForProgress(machine, past: before))
        }
        loop.stop()
        _ = machine.finish()
    }

    @Test func `A machine that has not been started cannot be paused`() throws {
        let kernel = try TinyKernel(Self.busy)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        let machine = try Machine(configuration)
        #expect(throws: MachineError.self) { try machine.pause() }
        #expect(throws: MachineError.self) { try machine.resume() }
    }

    @Test func `Accesses to devices are counted and timed`() throws {
        let (machine, loop) = try Self.started(Self.asking)
        #expect(Self.waitForProgress(machine, past: 10_000))
        try machine.pause()
        let reading = machine.busReadings.portReads
        #expect(reading.count > 1000)
        #expect(reading.buckets.reduce(0, +) == reading.count)
        #expect(reading.least <= reading.most)
        #expect(reading.sum >= reading.most)
        #expect(machine.busReadings.portWrites.count == 0)
        loop.stop()
        _ = machine.finish()
    }
}
