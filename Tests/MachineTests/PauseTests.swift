// SPDX-License-Identifier: Apache-2.0
import Foundation
import KVM
import Linux
import Memory
import Support
import Testing

@testable import Machine

@Suite struct PauseTests {
    /// A machine that runs, and the loop that it stops with.
    static func started(
        _ code: [UInt8], cpuCount: Int = 1, deterministic: Bool = false
    ) throws -> (Machine, EventLoop) {
        let kernel = try LongModeKernel(code)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        configuration.cpuCount = cpuCount
        configuration.deterministic = deterministic
        configuration.entropy = true
        configuration.engine = .soft
        let loop = try EventLoop()
        let machine = try Machine(configuration, loop: loop)
        machine.start()
        return (machine, loop)
    }

    /// Instructions that the guest has retired.
    static func instructions(_ machine: Machine) -> UInt64 { machine.timeline.instructions ?? 0 }

    /// Waits until the guest has retired more than `count` instructions.
    static func waitForProgress(_ machine: Machine, past count: UInt64) -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while Self.instructions(machine) <= count {
            guard ContinuousClock.now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    @Test(arguments: [LongModeKernel.busy, LongModeKernel.asking], [1, 2])
    func `A paused guest makes no progress, and goes on where it was`(
        _ code: [UInt8], _ cpuCount: Int
    ) throws {
        let (machine, loop) = try Self.started(code, cpuCount: cpuCount)
        #expect(Self.waitForProgress(machine, past: 10_000))
        for _ in 0..<20 {
            try machine.pause()
            let before = Self.instructions(machine)
            usleep(20_000)
            #expect(Self.instructions(machine) == before)
            // A second time changes nothing.
            try machine.pause()
            try machine.resume()
            #expect(Self.waitForProgress(machine, past: before))
            try machine.resume()
        }
        loop.stop()
        #expect(try machine.finishInTime() == .failed("the event loop ended by itself"))
    }

    @Test func `A guest that sleeps is paused and resumed`() throws {
        let (machine, loop) = try Self.started(LongModeKernel.asleep, cpuCount: 3)
        #expect(Self.waitForProgress(machine, past: 1))
        for _ in 0..<20 {
            try machine.pause()
            try machine.resume()
        }
        try machine.pause()
        // A paused machine can be ended.
        loop.stop()
        #expect(try machine.finishInTime() == .failed("the event loop ended by itself"))
        #expect(throws: MachineError.self) {
            try machine.resume()
            try machine.pause()
        }
    }

    static let engines: [MachineConfiguration.EngineChoice] =
        KVMHost.detect(memo: nil).kind == nil ? [.soft] : [.soft, .kvm]

    /// Linux, Documentation/virt/kvm/x86/msr.rst: flag 1 of a processor's clock structure.
    @Test(arguments: engines, [1, 2])
    func `A guest with KVM's clock is told of a pause when it goes on`(
        _ engine: MachineConfiguration.EngineChoice, _ cpuCount: Int
    ) throws {
        // wrmsr of 2 MiB with the bit that switches the clock on; then it counts for ever.
        let code: [UInt8] =
            [0xb9, 1, 0x4d, 0x56, 0x4b, 0xb8, 1, 0, 0x20, 0, 0x31, 0xd2, 0x0f, 0x30]
            + LongModeKernel.busy
        let kernel = try LongModeKernel(code)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        configuration.cpuCount = cpuCount
        configuration.engine = engine
        let loop = try EventLoop()
        let machine = try Machine(configuration, loop: loop)
        func flags() throws -> UInt8 {
            try machine.memory.load(UInt8.self, at: GuestAddress(0x20_0000 + 29))
        }
        func waits(until isTrue: () throws -> Bool) rethrows -> Bool {
            for _ in 0..<6000 where try !isTrue() { usleep(10_000) }
            return try isTrue()
        }
        machine.start()
        // A version that is even and not 0.
        #expect(
            try waits {
                let version = try machine.memory.load(UInt32.self, at: GuestAddress(0x20_0000))
                return version != 0 && version & 1 == 0
            })
        #expect(try flags() & 2 == 0)
        try machine.pause()
        #expect(try flags() & 2 == 0)
        try machine.resume()
        #expect(try waits { try flags() & 2 != 0 })
        #expect(machine.untoldPauses == 0)
        loop.stop()
        _ = try machine.finishInTime()
    }

    @Test func `Time by instructions stands still too`() throws {
        let (machine, loop) = try Self.started(
            LongModeKernel.busy, cpuCount: 2, deterministic: true)
        #expect(Self.waitForProgress(machine, past: 10_000))
        for _ in 0..<5 {
            try machine.pause()
            let before = Self.instructions(machine)
            usleep(10_000)
            #expect(Self.instructions(machine) == before)
            try machine.resume()
            #expect(Self.waitForProgress(machine, past: before))
        }
        loop.stop()
        _ = try machine.finishInTime()
    }

    @Test func `A machine that has not been started cannot be paused`() throws {
        let kernel = try LongModeKernel(LongModeKernel.busy)
        var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
        configuration.memoryBytes = 32 << 20
        configuration.engine = .soft
        let machine = try Machine(configuration)
        #expect(throws: MachineError.self) { try machine.pause() }
        #expect(throws: MachineError.self) { try machine.resume() }
    }

    @Test func `Accesses to devices are counted and timed`() throws {
        let (machine, loop) = try Self.started(LongModeKernel.asking)
        #expect(Self.waitForProgress(machine, past: 10_000))
        try machine.pause()
        let reading = machine.busReadings.portReads
        #expect(reading.count > 1000)
        #expect(reading.buckets.reduce(0, +) == reading.count)
        #expect(reading.least <= reading.most)
        #expect(reading.sum >= reading.most)
        #expect(machine.busReadings.portWrites.count == 0)
        loop.stop()
        _ = try machine.finishInTime()
    }
}
