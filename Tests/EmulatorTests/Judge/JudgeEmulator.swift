// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

@testable import Emulator

/// The software processor in user mode, with the memory of ``JudgedMemory``.
final class JudgeEmulator {
    private let memory: GuestMemory
    private let machine: SoftVirtualMachine
    private let vcpu: SoftVCPU
    private let cpu: Processor
    /// Instructions after which a case is called endless.
    private static var patience: UInt64 { 20_000 }
    private static var trap: UInt64 { 0x100 }

    init() throws {
        memory = try GuestMemory(byteCount: 32 << 20)
        machine = try SoftVirtualMachine(
            memory: memory, bus: JudgeBus(),
            configuration: VirtualMachineConfiguration(cpuCount: 1))
        vcpu = machine.processors[0]
        cpu = vcpu.cpu
        try map()
        // It would tell the processor by mail, which is read in ``SoftVCPU/run()`` only.
        memory.writeObserver = nil
        var state = vcpu.save()
        let flat = Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xc0f3)
        state.system.ds = flat
        state.system.es = flat
        state.system.ss = flat
        state.system.fs = flat
        state.system.gs = flat
        state.system.cs = Self.code64
        // PE MP ET NE WP AM PG; PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE; SCE LME LMA NXE.
        state.system.cr0 = 0x8005_0033
        state.system.cr3 = 0x10_0000
        state.system.cr4 = 0x5_0620
        state.system.efer = 0xd01
        // No tables of descriptors: INT n is refused, whatever n is.
        state.system.idt = DescriptorTable(base: 0, limit: 0)
        // And no ports: the task's segment is too short to say where its map of them is.
        state.system.tr = Segment(selector: 0x40, base: 0, limit: 0x60, attributes: 0x8b)
        state.system.gdt = DescriptorTable(base: 0, limit: 0)
        try vcpu.restore(state)
        cpu.state.xcr0 = 3
    }

    private static var code64: Segment {
        Segment(selector: 0x33, base: 0, limit: .max, attributes: 0xa0fb)
    }
    private static var code32: Segment {
        Segment(selector: 0x23, base: 0, limit: .max, attributes: 0xc0fb)
    }

    private func map() throws {
        try memory.store(UInt64(0x10_1007), at: GuestAddress(0x10_0000))
        try memory.store(UInt64(0x10_2007), at: GuestAddress(0x10_1000))
        let noExecute: UInt64 = 1 << 63
        let readOnly = JudgedMemory.data + UInt64(JudgedMemory.dataCount)
        try map(JudgedMemory.data, JudgedMemory.dataCount, 7 | noExecute)
        try map(readOnly, JudgedMemory.readOnlyCount, 5 | noExecute)
        try map(JudgedMemory.code, JudgedMemory.codeCount, 7)
    }

    private func map(_ start: UInt64, _ count: Int, _ rights: UInt64) throws {
        for page in stride(from: start, to: start + UInt64(count), by: 4096) {
            let table = 0x10_3000 + (page >> 21) << 12
            try memory.store(table | 7, at: GuestAddress(0x10_2000 + (page >> 21) * 8))
            try memory.store(page | rights, at: GuestAddress(table + (page >> 12 & 511) * 8))
        }
    }

    // MARK: Memory

    /// Puts `bytes` into memory as another program's store would.
    func write(_ bytes: [UInt8], at address: UInt64) {
        try? memory.write(bytes, at: GuestAddress(address))
        var place = address
        while place < address + UInt64(bytes.count) {
            let end = min((place | 0xfff) + 1, address + UInt64(bytes.count))
            if let host = memory.hostAddress(of: GuestAddress(place), count: end - place) {
                vcpu.wrote(host, Int(end - place))
            }
            place = end
        }
    }

    private func write(_ word: UInt64, at address: UInt64) {
        write(
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }, at: address)
    }

    func read(_ address: UInt64, _ count: Int) -> [UInt8] {
        (try? memory.read(at: GuestAddress(address), count: count)) ?? []
    }

    // MARK: Running

    func run(_ cases: [JudgeCase], _ before: [JudgedState], into after: inout [JudgedState]) {
        for index in cases.indices { run(cases[index], before[index], into: &after[index]) }
        // The judge computes with the rounding direction it is used to.
        cpu.state.mxcsr = 0x1f80
        cpu.enterFloatEnvironment()
    }

    /// One case alone.
    func run(_ cases: [JudgeCase], _ before: [JudgedState], intoFirst after: inout JudgedState) {
        var all = [after]
        run(cases, before, into: &all)
        after = all[0]
    }

    func run(_ judged: JudgeCase, _ before: JudgedState, into after: inout JudgedState) {
        if before.poke != 0 {
            write(before.poked[0], at: before.poke)
            write(before.poked[1], at: before.poke + 8)
        }
        load(before)
        execute(judged)
        save(judged, &after)
        if before.scrub != 0 {
            write([UInt8](repeating: 0, count: Int(before.scrubCount)), at: before.scrub)
        }
    }

    private func load(_ before: JudgedState) {
        for number in 0..<16 { cpu.set64(Register.general(number), before.general[number]) }
        cpu.rflags = before.rflags
        cpu.state.rip = before.rip
        cpu.state.pending = PendingException()
        cpu.state.inhibitInterrupts = false
        cpu.state.segments[4].base = before.fsBase
        cpu.state.segments[5].base = before.gsBase
        cpu.state.segments[1] = before.is32 ? Self.code32 : Self.code64
        cpu.reloadSegments()
        for number in 0..<16 { cpu.setVector(UInt8(number), before.vector(number)) }
        cpu.state.mxcsr = before.mxcsr
        cpu.enterFloatEnvironment()
        let top = UInt8(truncatingIfNeeded: before.statusWord >> 11) & 7
        cpu.state.x87.top = top
        cpu.state.x87.control = before.controlWord
        cpu.state.x87.status = before.statusWord & ~0x3800
        cpu.state.x87.empty = ~before.tags
        for index in 0..<8 {
            let value = before.stack(index)
            cpu.state.x87.registers[(Int(top) + index) & 7] = Extended(
                significand: value.significand, signAndExponent: value.signAndExponent)
        }
    }

    private func execute(_ judged: JudgeCase) {
        let first = cpu.state.retired
        while cpu.state.pending.vector == 0xff, cpu.state.rip != judged.end,
            cpu.state.rip != JudgedMemory.exit
        {
            if cpu.state.retired &- first > Self.patience {
                cpu.state.pending.vector = UInt8(JudgedState.Ending.endless)
                return
            }
            let traps = cpu.state.systemFlags & Self.trap != 0
            enter(stepping: !judged.asBlocks || traps || cpu.state.inhibitInterrupts)
            if traps, cpu.state.pending.vector == 0xff, cpu.state.systemFlags & Self.trap != 0 {
                cpu.pend(.debug)
            }
        }
        // What is behind the last instruction is the judge's own: blocks may have run into it.
        if cpu.state.rip == judged.end || cpu.state.rip == JudgedMemory.exit {
            cpu.state.pending = PendingException()
        }
    }

    private func enter(stepping: Bool) {
        cpu.state.inhibitInterrupts = false
        cpu.state.stopAt = stepping ? 0 : cpu.state.retired &+ Self.patience
        cpu.page = cpu.state.rip & ~0xfff
        let block =
            stepping
            ? vcpu.code.single(cpu.state.rip, cpu)
            : vcpu.code.find(cpu.state.rip, cpu, mayFlush: true)
        guard let block else { return }
        var operation = block.operations
        while operation != 0 { operation = Op(operation).handler(cpu.address, operation) }
    }

    private func save(_ judged: JudgeCase, _ after: inout JudgedState) {
        for number in 0..<16 { after.general[number] = cpu.get64(Register.general(number)) }
        after.rflags = cpu.rflags
        let isDone = cpu.state.pending.vector == 0xff
        after.rip = isDone ? JudgedMemory.exit : cpu.state.rip
        after.fsBase = cpu.state.segments[4].base
        after.gsBase = cpu.state.segments[5].base
        after.vector = UInt32(cpu.state.pending.vector)
        after.errorCode = cpu.state.pending.hasErrorCode ? cpu.state.pending.errorCode : 0
        after.cr2 = cpu.state.cr2
        for number in 0..<16 { after.setVector(number, cpu.vector(UInt8(number))) }
        after.mxcsr = cpu.controlStatus
        after.controlWord = cpu.state.x87.control
        after.statusWord = cpu.x87StatusWord
        after.tags = ~cpu.state.x87.empty
        for index in UInt8(0)..<8 {
            let value = cpu.stack(index)
            after.setStack(
                Int(index), significand: value.significand, signAndExponent: value.signAndExponent)
        }
    }
}

/// Nothing: user programs reach no device.
private final class JudgeBus: MachineBus {
    func readPort(_ port: UInt16, size: Int) -> UInt32 { .max }
    func writePort(_ port: UInt16, size: Int, value: UInt32) {}
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 { .max }
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {}
}
