// SPDX-License-Identifier: Apache-2.0
import Emulator
import Foundation
import Hypervisor
import KVM
import Linux
import Memory
import Synchronization
import Testing

/// The engines that a test is run on.
enum TestedEngine: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case kvm, soft

    var testDescription: String { rawValue }

    /// Those that this host has. Where KVM cannot be used, ``KVMAvailabilityTests`` says why.
    static var usable: [TestedEngine] { HostKVM.isUsable ? allCases : [.soft] }

    func makeMachine(
        _ memory: GuestMemory, _ bus: GuestBus, _ configuration: VirtualMachineConfiguration
    ) throws -> any VirtualMachine {
        switch self {
        case .kvm:
            try KVMVirtualMachine(
                device: try KVMDevice(), memory: memory, bus: bus, configuration: configuration,
                kind: HostKVM.host.kind ?? .hardware,
                fallback: InstructionCompletion(
                    memory: memory, bus: bus, cpuCount: configuration.cpuCount))
        case .soft:
            try SoftVirtualMachine(memory: memory, bus: bus, configuration: configuration)
        }
    }
}

/// Whether tests can use `/dev/kvm` here.
enum HostKVM {
    static let host = KVMHost.detect(memo: nil)
    static var isUsable: Bool { host.kind != nil }
    /// Guest kernels are a thousand times slower than the processor.
    static var isEmulated: Bool { host.kind == .pvm }
}

/// One machine with a small guest, its processors each on a thread.
final class SmallMachine: Sendable {
    let memory: GuestMemory
    let bus: GuestBus
    let machine: any VirtualMachine
    private let left = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let failures = Mutex<[String]>([])

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// - Parameter image: Nil: the machine gets its memory and state from another one.
    init(
        _ engine: TestedEngine, _ image: GuestImage?, cpuCount: Int = 1,
        memoryBytes: UInt64 = 32 << 20, pluggable: PluggableSize? = nil,
        persistent: [PersistentFile] = [], template: CPUTemplate? = nil,
        cpuid: CPUIDTable? = nil, tscKilohertz: UInt32? = nil,
        prepare: (inout GuestBus.State) -> Void = { _ in }
    ) throws {
        memory = try GuestMemory(
            byteCount: memoryBytes, pluggable: pluggable, persistent: persistent)
        bus = GuestBus()
        bus.state.withLock { prepare(&$0) }
        var configuration = VirtualMachineConfiguration(cpuCount: cpuCount)
        configuration.template = template
        configuration.cpuid = cpuid
        configuration.tscKilohertz = tscKilohertz
        machine = try engine.makeMachine(memory, bus, configuration)
        guard let image else { return }
        try memory.write(image.bytes, at: GuestAddress(GuestImage.base))
        try memory.write(Self.descriptors, at: GuestAddress(0x1000))
        try machine.vcpus[0].restore(Self.start)
    }

    /// Memory holds the engine that watches it, and the engine its memory.
    deinit {
        memory.writeObserver = nil
        memory.pluggable?.observer = nil
    }

    /// Null, code and data: flat.
    private static let descriptors: [UInt8] =
        [UInt8](repeating: 0, count: 8) + [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]
        + [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]

    /// 32-bit protected mode at the image's first byte.
    static var start: CPUState {
        var state = CPUState()
        let data = Segment(selector: 0x10, base: 0, limit: .max, attributes: 0xc093)
        state.system.cs = Segment(selector: 8, base: 0, limit: .max, attributes: 0xc09b)
        state.system.ss = data
        state.system.ds = data
        state.system.es = data
        state.system.fs = data
        state.system.gs = data
        state.system.tr = Segment(selector: 0, base: 0, limit: 0x67, attributes: 0x8b)
        state.system.gdt = DescriptorTable(base: 0x1000, limit: 23)
        state.system.cr0 = 0x11
        state.general.rip = GuestImage.base
        state.general.rsp = 0xfff0
        return state
    }

    /// Starts a thread for each processor; requests besides these two go to `other`.
    func start(_ other: @escaping @Sendable (GuestBus.Request) -> Void = { _ in }) throws {
        left.store(0, ordering: .sequentiallyConsistent)
        isStopping.store(false, ordering: .sequentiallyConsistent)
        let lines = (0..<24).map { machine.interruptLine(gsi: UInt32($0)) }
        bus.onRequest { [unowned self] request in
            switch request {
            case .end: self.stop()
            case .pulse(let line): lines[Int(line) % 24].pulse()
            case .answer, .move: other(request)
            }
        }
        for vcpu in machine.vcpus {
            try Thread(name: "vcpu \(vcpu.index)") { [self] in drive(vcpu) }.detach()
        }
    }

    private func drive(_ vcpu: any VirtualCPU) {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            switch vcpu.run() {
            case .interrupted: continue
            case .shutdown: fail("processor \(vcpu.index) shut down")
            case .memoryLost(let text): fail("memory lost: \(text)")
            case .failed(let text): fail(text)
            }
        }
        left.add(1, ordering: .sequentiallyConsistent)
    }

    private func fail(_ text: String) {
        failures.withLock { $0.append(text) }
        stop()
    }

    /// Lets no processor run any more. Any thread.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        for vcpu in machine.vcpus { vcpu.kick() }
    }

    /// Waits until all processors have left their threads' loops.
    func waitUntilStopped(seconds: Double = 60) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while left.load(ordering: .sequentiallyConsistent) < machine.vcpus.count {
            guard ContinuousClock.now < deadline else {
                let said = bus.said
                let places = "\(machine.vcpus.map(\.exitCount))"
                stop()
                throw Failure(
                    description: "not over after \(seconds) s: '\(said)', exits \(places)")
            }
            usleep(200)
        }
        let failures = failures.withLock { $0 }
        guard failures.isEmpty else {
            throw Failure(description: failures.joined(separator: "; ") + "; said '\(bus.said)'")
        }
    }

    /// Runs the guest to its end; what it said.
    func run(seconds: Double = 60) throws -> String {
        try start()
        try waitUntilStopped(seconds: seconds)
        return bus.said
    }
}
