// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

@testable import Emulator

/// A machine of one processor into which any bytes are put as code: kernel or user, 64, 32 or 16
/// bits, one by one or as blocks.
final class DecoderRig {
    private static let code: UInt64 = 0x8000
    private static let stack: UInt64 = 0x2_0000
    private static let patience: UInt64 = 512

    private let memory: GuestMemory
    private let machine: SoftVirtualMachine
    private var vcpu: SoftVCPU { machine.processors[0] }
    private var cpu: Processor { vcpu.cpu }
    /// Tables and code, as they are before each run.
    private var image = [UInt8](repeating: 0, count: 0x3_0000)

    init() throws {
        memory = try GuestMemory(byteCount: 32 << 20)
        machine = try SoftVirtualMachine(
            memory: memory, bus: SilentBus(),
            configuration: VirtualMachineConfiguration(cpuCount: 1, deterministic: true))
        // The first 32 MiB, in large pages, open to users.
        put(0x1000, 0x2007)
        put(0x2000, 0x7007)
        for page in UInt64(0)..<16 { put(0x7000 + page * 8, page << 21 | 0x87) }
        let descriptors: [UInt64] = [
            0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_fb00_0000_ffff,
            0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff, 0x0000_8900_6000_0080, 0,
            0x00cf_9b00_0000_ffff,
        ]
        for (index, value) in descriptors.enumerated() { put(0x3000 + UInt64(index) * 8, value) }
        for vector in UInt64(0)..<256 {
            // To a HLT each.
            let target = 0x1_0000 + vector
            let gate = target & 0xffff | (target >> 16) << 48 | 0xee << 40 | 0x08 << 16
            put(0x4000 + vector * 16, gate)
            image[Int(target)] = 0xf4
        }
        put(0x6004, Self.stack)
    }

    private func put(_ address: UInt64, _ value: UInt64) {
        for byte in 0..<8 {
            image[Int(address) + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        }
    }

    func run(_ bytes: [UInt8], mode: UInt8) {
        let place = Int(Self.code)
        let room = image[place..<place + 512]
        let code = bytes.prefix(512)
        image.replaceSubrange(place..<place + code.count, with: code)
        try? memory.write(image, at: GuestAddress(0))
        image.replaceSubrange(place..<place + 512, with: room)
        vcpu.code.flush(cpu)
        enter(mode)
        execute(stepping: mode & 8 != 0)
    }

    /// Bits 0 and 1: 64-bit kernel, 64-bit user, 32-bit protected, real mode. Bit 2: alignment is
    /// checked.
    private func enter(_ mode: UInt8) {
        cpu.reset(isBootProcessor: true)
        var state = CPUState()
        state.system = vcpu.save().system
        state.general.rip = Self.code
        state.general.rsp = Self.stack
        state.general.rflags = mode & 4 != 0 ? 0x4_0202 : 0x202
        state.general.rbx = 0x10_0000
        state.general.rsi = 0x10_1000
        state.general.rdi = 0x10_2000
        state.general.rcx = 7
        state.general.rax = 0x1234_5678_9abc
        state.general.r8 = .max
        state.system.gdt = DescriptorTable(base: 0x3000, limit: 0x47)
        state.system.idt = DescriptorTable(base: 0x4000, limit: 0xfff)
        let level: UInt16 = mode & 3 == 1 ? 3 : 0
        var data = Segment(
            selector: level == 3 ? 0x23 : 0x10, base: 0, limit: .max,
            attributes: level == 3 ? 0xc0f3 : 0xc093)
        var code = Segment(selector: 0x08, base: 0, limit: .max, attributes: 0xa09b)
        if level == 3 { code = Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xa0fb) }
        if mode & 3 == 2 {
            code = Segment(selector: 0x40, base: 0, limit: .max, attributes: 0xc09b)
        }
        if mode & 3 == 3 {
            data = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
            code = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x9b)
        }
        state.system.cs = code
        state.system.ds = data
        state.system.es = data
        state.system.ss = data
        state.system.fs = data
        state.system.gs = data
        state.system.tr = Segment(selector: 0x30, base: 0x6000, limit: 0x80, attributes: 0x8b)
        state.system.cr3 = 0x1000
        state.system.cr4 = 0x5_0620
        switch mode & 3 {
        case 0, 1:
            state.system.cr0 = 0x8005_0033
            state.system.efer = 0xd01
        case 2: state.system.cr0 = 0x33
        default: state.system.cr0 = 0x32
        }
        do throws(EngineError) {
            try vcpu.restore(state)
        } catch {
            fatalError("the rig's own state is refused: \(error)")
        }
        cpu.enterFloatEnvironment()
    }

    private func execute(stepping: Bool) {
        let first = cpu.state.retired
        for _ in 0..<Self.patience where cpu.state.retired &- first < Self.patience {
            if stepping || cpu.needsSteps {
                guard vcpu.step() else { return }
            } else {
                cpu.state.stopAt = cpu.state.retired &+ Self.patience
                cpu.page = cpu.state.rip & ~0xfff
                if let block = vcpu.code.find(cpu.state.rip, cpu, mayFlush: true) {
                    var operation = block.operations
                    while operation != 0 {
                        operation = Op(operation).handler(cpu.address, operation)
                    }
                }
                if cpu.state.pending.vector != 0xff, cpu.deliver() == .shutdown { return }
            }
            if cpu.state.leaving != .none {
                cpu.state.leaving = .none
                return
            }
        }
    }
}

/// Ports and devices that answer all ones.
private final class SilentBus: MachineBus {
    func readPort(_ port: UInt16, size: Int) -> UInt32 { .max }
    func writePort(_ port: UInt16, size: Int, value: UInt32) {}
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 { .max }
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {}
}
