// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

@testable import Emulator

/// A bus that notes what is written to ports, and answers reads with the port's number.
final class PortRecorder: MachineBus, @unchecked Sendable {
    var writes: [String] = []
    var onWrite: () -> Void = {}
    func readPort(_ port: UInt16, size: Int) -> UInt32 { UInt32(port) &* 0x0101_0101 }
    func writePort(_ port: UInt16, size: Int, value: UInt32) {
        writes.append("\(port) \(size) \(value)")
        onWrite()
    }
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 { .max }
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {}
}

/// A processor with descriptor tables, task state and stacks, into which instructions are put.
///
/// The first gigabyte is mapped one to one and open to users. Handlers of vector n lie at
/// 0x10000 + 16 n. Linear 0x40000000 and up is not present.
final class SystemRig {
    enum Mode: Sendable { case long, protected, real }

    static let code: UInt64 = 0x8000
    static let kernelStack: UInt64 = 0x1f000
    static let userStack: UInt64 = 0x30000
    static let taskStack: UInt64 = 0x20000
    static let interruptStack: UInt64 = 0x28000

    let bus = PortRecorder()
    let memory: GuestMemory
    let machine: SoftVirtualMachine
    var cpu: Processor { machine.processors[0].cpu }

    /// Entries of the GDT by selector.
    static let descriptors: [UInt16: UInt64] = [
        0x08: 0x00af_9b00_0000_ffff,  // 64-bit code, level 0
        0x10: 0x00cf_9300_0000_ffff,  // data, level 0
        0x18: 0x00cf_fb00_0000_ffff,  // 32-bit code, level 3
        0x20: 0x00cf_f300_0000_ffff,  // data, level 3
        0x28: 0x00af_fb00_0000_ffff,  // 64-bit code, level 3
        0x30: 0x0000_8900_6000_0080,  // task state, 64-bit
        0x40: 0x00cf_9b00_0000_ffff,  // 32-bit code, level 0
        0x48: 0x00cf_1300_0000_ffff,  // data, not present
        0x50: 0x00af_1b00_0000_ffff,  // 64-bit code, not present
        0x58: 0x00af_9f00_0000_ffff,  // 64-bit conforming code, level 0
        0x60: 0x0000_8200_2800_00ff,  // LDT
        0x70: 0x0001_ec00_0008_2000,  // call gate to 08:12000
        0x80: 0x00cf_9100_0000_ffff,  // read-only data, level 0
        0x88: 0x00cf_9900_0000_ffff,  // 32-bit code, not readable
        0x90: 0x0000_8900_6800_0067,  // task state, 32-bit
        0x98: 0x0001_ec01_0040_2000,  // 32-bit call gate to 40:12000, one parameter
        0xa0: 0x0000_9200_0000_00ff,  // 16-bit data, limit 0xff, not accessed
    ]

    init(_ mode: Mode, level: UInt8 = 0, pluggable: PluggableSize? = nil) throws {
        memory = try GuestMemory(byteCount: 32 << 20, pluggable: pluggable)
        machine = try SoftVirtualMachine(
            memory: memory, bus: bus,
            configuration: VirtualMachineConfiguration(cpuCount: 1, deterministic: true))
        put(0x1000, 0x2007)
        put(0x2000, 0x87)
        for (selector, value) in Self.descriptors { put(0x3000 + UInt64(selector), value) }
        for vector in 0..<256 { setGate(vector) }
        put(0x6004, Self.taskStack)
        put(0x6024, Self.interruptStack)
        for byte in 0..<24 { putByte(0x6068 + UInt64(byte), byte == 2 ? 0 : 0xff) }
        putByte(0x6066, 0x68)
        put(0x6804, Self.taskStack | 0x10 << 32)
        for vector in 0..<256 { put32(UInt64(vector) * 4, 0x1000_0000 | UInt32(vector) * 16) }
        switch mode {
        case .long: setLong(level)
        case .protected: setProtected(level)
        case .real: setReal()
        }
        cpu.reloadSegments()
        cpu.flushTLB(global: true)
    }

    // MARK: State

    func segment(_ selector: UInt16) -> Segment {
        Descriptor(low: Self.descriptors[selector & 0xfffc] ?? 0).segment(selector)
    }

    private func setData(_ level: UInt8) {
        let data = segment(level == 3 ? 0x23 : 0x10)
        for number in [0, 2, 3, 4, 5] { cpu.state.segments[number] = data }
        cpu.state.privilege = level
        cpu.rsp = level == 3 ? Self.userStack : Self.kernelStack
        cpu.state.rip = Self.code
        cpu.state.gdt = DescriptorTable(base: 0x3000, limit: 0xff)
    }

    private func setLong(_ level: UInt8) {
        setData(level)
        cpu.state.segments[1] = segment(level == 3 ? 0x2b : 0x08)
        cpu.state.cr0 = 0x8001_0031
        cpu.state.cr3 = 0x1000
        cpu.state.cr4 = 0x1_0220
        cpu.state.msrs.efer = 0xd01
        cpu.state.idt = DescriptorTable(base: 0x4000, limit: 0xfff)
        cpu.state.task = segment(0x30)
        cpu.state.task.attributes |= 2
    }

    private func setProtected(_ level: UInt8) {
        setData(level)
        cpu.state.segments[1] = segment(level == 3 ? 0x1b : 0x40)
        cpu.state.cr0 = 0x31
        cpu.state.idt = DescriptorTable(base: 0x7000, limit: 0x7ff)
        cpu.state.task = segment(0x90)
        cpu.state.task.attributes |= 2
    }

    private func setReal() {
        let data = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
        for number in 0..<6 { cpu.state.segments[number] = data }
        cpu.state.segments[1].attributes = 0x9b
        cpu.state.cr0 = 0x10
        cpu.state.idt = DescriptorTable(base: 0, limit: 0x3ff)
        cpu.state.gdt = DescriptorTable(base: 0x3000, limit: 0xff)
        cpu.rsp = 0x7f00
        cpu.state.rip = Self.code
    }

    /// Writes both gates of a vector, 64-bit and 32-bit. Type 14 is an interrupt gate.
    func setGate(
        _ vector: Int, type: UInt64 = 14, dpl: UInt64? = nil, present: Bool = true, ist: UInt64 = 0
    ) {
        let dpl = dpl ?? (vector == 3 || vector == 4 || vector == 0x80 ? 3 : 0)
        let target = UInt64(0x10000 + vector * 16)
        let rights = type | dpl << 5 | (present ? 0x80 : 0)
        let gate = target & 0xffff | (target >> 16) << 48 | rights << 40
        put(0x4000 + UInt64(vector) * 16, gate | 0x08 << 16 | ist << 32)
        put(0x4008 + UInt64(vector) * 16, 0)
        put(0x7000 + UInt64(vector) * 8, gate | 0x40 << 16)
    }

    // MARK: Memory

    func put(_ address: UInt64, _ value: UInt64) {
        try? memory.store(value, at: GuestAddress(address))
    }
    func put32(_ address: UInt64, _ value: UInt32) {
        try? memory.store(value, at: GuestAddress(address))
    }
    func putByte(_ address: UInt64, _ value: UInt8) {
        try? memory.store(value, at: GuestAddress(address))
    }
    func word(_ address: UInt64) -> UInt64 {
        (try? memory.load(UInt64.self, at: GuestAddress(address))) ?? 0xdead
    }
    func word32(_ address: UInt64) -> UInt32 {
        (try? memory.load(UInt32.self, at: GuestAddress(address))) ?? 0xdead
    }
    func word16(_ address: UInt64) -> UInt16 {
        (try? memory.load(UInt16.self, at: GuestAddress(address))) ?? 0xdead
    }
    /// The 64-bit word `index` from the top of the stack.
    func stack(_ index: Int) -> UInt64 { word(cpu.rsp + UInt64(index) * 8) }
    func stack32(_ index: Int) -> UInt32 { word32(cpu.rsp + UInt64(index) * 4) }

    // MARK: Running

    /// Puts instructions where execution is, and executes `count` of them. False: shutdown.
    @discardableResult
    func execute(_ bytes: [UInt8], count: Int = 1) -> Bool {
        try? memory.write(bytes, at: GuestAddress(cpu.state.rip))
        for _ in 0..<count where !machine.processors[0].step() { return false }
        return true
    }

    /// The vector whose handler is next.
    var vector: Int? {
        let rip = cpu.state.rip
        guard rip >= 0x10000, rip < 0x11000 else { return nil }
        return Int(rip - 0x10000) / 16
    }

    var selectors: [UInt16] { (0..<6).map { cpu.state.segments[$0].selector } }
}
