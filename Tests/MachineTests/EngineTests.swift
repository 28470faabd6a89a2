// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import Glibc
import Hypervisor
import KVM
import Linux
import Machine
import Synchronization
import Testing

/// Which engine a configuration gets.
@Suite struct EngineTests {
    /// A 64-bit ELF kernel of ten bytes: it writes to the boot timer and ends the machine.
    private func kernel() throws -> String {
        let code: [UInt8] = [0xb0, 0x7b, 0x67, 0xa2, 0, 0, 0, 0xc0, 0xe6, 0xf4]
        func little(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
        }
        var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + little(0, 9)
        file += little(2, 2) + little(62, 2) + little(1, 4) + little(0x10_0000, 8) + little(64, 8)
        file += little(0, 8) + little(0, 4) + little(64, 2) + little(56, 2) + little(1, 2)
        file += little(0, 6) + little(1, 4) + little(5, 4) + little(120, 8)
        file += little(0x10_0000, 8) + little(0x10_0000, 8) + little(10, 8) + little(10, 8)
        file += little(0x1000, 8) + code
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-ten-\(UUID().uuidString).elf").path
        try Data(file).write(to: URL(filePath: path))
        return path
    }

    private func machine(
        _ engine: MachineConfiguration.EngineChoice, kvmPath: String = KVMDevice.usualPath,
        asNobody: Bool = false, change: (inout MachineConfiguration) -> Void = { _ in }
    ) throws -> Machine {
        let path = try kernel()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var configuration = MachineConfiguration(kernelPath: path, commandLine: "quiet")
        configuration.engine = engine
        configuration.kvmPath = kvmPath
        configuration.debugExit = true
        change(&configuration)
        // Root may open every file, so this thread is somebody else for a moment.
        let before = asNobody ? setfsuid(65534) : nil
        defer { if let before { _ = setfsuid(uid_t(bitPattern: before)) } }
        return try Machine(configuration)
    }

    static let hidden = ["/nonexistent/kvm", "/dev/null"]

    @Test(arguments: hidden)
    func `Without KVM auto goes on with soft, and says why`(_ path: String) throws {
        let marks = Mutex<[[UInt64]]>([])
        let machine = try machine(.auto, kvmPath: path) {
            $0.bootMarked = { time, used in marks.withLock { $0.append([time, used]) } }
        }
        #expect(machine.engine.kind == .soft)
        #expect(machine.engine.reason?.contains(path) == true)
        #expect(try machine.runInTime() == .debugExit(0x7b))
        // What the process uses later does not count.
        let used = try #require(machine.timeline.bootTimerProcessorTime)
        #expect(used > 0 && used < Clock.processCPU)
        #expect(machine.timeline.instructions != nil)
        // The first time counts, and is told once.
        let time = try #require(machine.timeline.bootTimer)
        #expect(marks.withLock { $0 } == [[time, used]])
    }

    @Test(arguments: hidden)
    func `Without KVM, kvm is refused in a sentence`(_ path: String) throws {
        do {
            _ = try machine(.kvm, kvmPath: path)
            Issue.record("a machine was made")
        } catch let error as MachineError {
            #expect("\(error)".contains(path))
            #expect("\(error)".hasSuffix("; --engine soft needs no KVM"))
        }
    }

    @Test(arguments: [MachineConfiguration.EngineChoice.auto, .kvm])
    func `A device that may not be opened is the same as none`(
        _ engine: MachineConfiguration.EngineChoice
    ) throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-locked-\(UUID().uuidString)").path
        try Data().write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try #require(unsafe chmod(path, 0) == 0)
        try refuses(engine, "\(path) may not be opened by this user") {
            try machine(engine, kvmPath: path, asNobody: true)
        }
    }

    @Test(
        .enabled(if: KVMHost.detect(memo: nil).kind != nil, "KVM cannot be used here"),
        arguments: [MachineConfiguration.EngineChoice.auto, .kvm])
    func `Another version of KVM's interface is the same as none`(
        _ engine: MachineConfiguration.EngineChoice
    ) throws {
        try refuses(engine, "only version 13 is usable") {
            try machine(engine) { $0.kvmVersion = 13 }
        }
    }

    /// `kvm` refuses to make the machine with this sentence; `auto` goes on with soft, and says it.
    private func refuses(
        _ engine: MachineConfiguration.EngineChoice, _ sentence: String,
        _ make: () throws -> Machine
    ) throws {
        guard engine == .auto else {
            #expect {
                _ = try make()
            } throws: { error in
                "\(error)".contains(sentence) && "\(error)".hasSuffix("--engine soft needs no KVM")
            }
            return
        }
        let machine = try make()
        #expect(machine.engine.kind == .soft)
        #expect(machine.engine.reason?.contains(sentence) == true)
        #expect(try machine.runInTime() == .debugExit(0x7b))
    }

    @Test func `What is deterministic runs on soft, and kvm refuses it`() throws {
        let chosen = try machine(.auto) { $0.deterministic = true }
        #expect(chosen.engine.kind == .soft)
        #expect(throws: MachineError.self) { try machine(.kvm) { $0.deterministic = true } }
    }

    /// Reads the register `number`, writes its low half to the debug-exit port.
    static func reading(_ number: UInt32) -> [UInt8] {
        let bytes = (0..<4).map { UInt8(number >> ($0 * 8) & 0xff) }
        return [0xb9] + bytes + [0x0f, 0x32, 0xba, 0xf4, 0, 0, 0, 0xef, 0xf4]
    }

    /// Those that this host has.
    static let engines: [MachineConfiguration.EngineChoice] =
        KVMHost.detect(memo: nil).kind == nil ? [.soft] : [.soft, .kvm]

    @Test(arguments: engines)
    func `A template's model-specific registers are the guest's`(
        _ engine: MachineConfiguration.EngineChoice
    ) throws {
        let kernel = try TinyKernel(Self.reading(0x1a0))
        for wanted in [0 as UInt64, 1] {
            var configuration = MachineConfiguration(kernelPath: kernel.path, commandLine: "")
            configuration.engine = engine
            configuration.debugExit = true
            configuration.cpuCount = 2
            configuration.fixModelSpecific(0x1a0, mask: 1, value: wanted)
            let end = try Machine(configuration).runInTime()
            #expect(end == .debugExit(UInt32(wanted)))
        }
    }

    @Test(arguments: engines)
    func `A template that changes what the processor lacks is refused by name`(
        _ engine: MachineConfiguration.EngineChoice
    ) throws {
        let refusal = { (change: (inout MachineConfiguration) -> Void) -> String in
            do {
                _ = try machine(engine, change: change)
                return ""
            } catch {
                return "\(error)"
            }
        }
        if HostFiles().text("/sys/module/kvm/parameters/ignore_msrs") != "Y" || engine == .soft {
            #expect(refusal { $0.fixModelSpecific(0x999, mask: 1, value: 1) }.contains("0x999"))
        }
        #expect(
            refusal { $0.fixIdentity(leaf: 0x1f, subleaf: 7, .eax, mask: 1, value: 1) }
                .contains("CPUID leaf 0x1f, subleaf 0x7"))
    }

    @Test(.enabled(if: KVMHost.detect(memo: nil).kind != nil, "KVM cannot be used here"))
    func `A guest runs on KVM, on the CPU that its thread was given`() throws {
        let machine = try machine(.kvm) { $0.affinity = [0] }
        #expect(try machine.runInTime() == .debugExit(0x7b))
        #expect(machine.engine.kind == KVMHost.detect(memo: nil).kind)
        #expect(machine.timeline.bootTimer != nil)
        // What the process uses later does not count.
        let used = try #require(machine.timeline.bootTimerProcessorTime)
        #expect(used > 0 && used < Clock.processCPU)
        // The kernel does not count a guest's instructions.
        #expect(machine.timeline.instructions == nil)
    }

    @Test(.enabled(if: KVMHost.detect(memo: nil).kind != nil, "KVM cannot be used here"))
    func `auto takes KVM where guest kernels run natively`() throws {
        let isNative = KVMHost.detect(memo: nil).runsKernelsNatively
        let machine = try machine(.auto)
        #expect((machine.engine.kind != .soft) == isNative)
        #expect((machine.engine.reason == nil) == isNative)
    }

    @Test func `A CPU that the host does not have is named`() throws {
        let machine = try machine(.soft) { $0.affinity = [1000] }
        guard case .failed(let text) = try machine.runInTime() else {
            Issue.record("it ran")
            return
        }
        #expect(text.contains("host CPU 1000"))
    }
}
