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
    private var tables: [[UInt8]] = []
    private var control: ControlState?
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
        state.system.ds = Self.flat
        state.system.es = Self.flat
        state.system.ss = Self.flat
        state.system.fs = Self.flat
        state.system.gs = Self.flat
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
        // Where 32-bit code leaves by.
        state.system.gdt = DescriptorTable(base: Self.descriptors, limit: 0x37)
        try vcpu.restore(state)
        cpu.state.xcr0 = 3
    }

    private static var flat: Segment {
        Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xc0f3)
    }
    private static var code64: Segment {
        Segment(selector: 0x33, base: 0, limit: .max, attributes: 0xa0fb)
    }
    private static var code32: Segment {
        Segment(selector: 0x23, base: 0, limit: .max, attributes: 0xc0fb)
    }

    /// In the kernel's half: programs find nothing at the host's addresses.
    private static var descriptors: UInt64 { 0xffff_8000_0000_0000 }

    private func mapDescriptors() throws {
        let table: UInt64 = 0x12_0000
        try memory.store(UInt64(0x12_2003), at: GuestAddress(0x10_0000 + 8 * 256))
        try memory.store(UInt64(0x12_3003), at: GuestAddress(0x12_2000))
        try memory.store(UInt64(0x12_4003), at: GuestAddress(0x12_3000))
        try memory.store(table | 3, at: GuestAddress(0x12_4000))
        try memory.store(UInt64(0x00cf_fb00_0000_ffff), at: GuestAddress(table + 0x20))
        try memory.store(UInt64(0x00cf_f300_0000_ffff), at: GuestAddress(table + 0x28))
        try memory.store(UInt64(0x00af_fb00_0000_ffff), at: GuestAddress(table + 0x30))
    }

    private static var exitPage: UInt64 { 0x12_1000 }

    private func map() throws {
        try map(JudgedMemory.exit, 4096, 5, at: Self.exitPage)
        try mapDescriptors()
        try memory.store(UInt64(0x10_1007), at: GuestAddress(0x10_0000))
        let noExecute: UInt64 = 1 << 63
        let readOnly = JudgedMemory.data + UInt64(JudgedMemory.dataCount)
        try map(JudgedMemory.data, JudgedMemory.dataCount, 7 | noExecute)
        try map(readOnly, JudgedMemory.readOnlyCount, 5 | noExecute)
        try map(JudgedMemory.code, JudgedMemory.codeCount, 7)
    }

    /// Maps pages to themselves, or one page to another.
    private func map(
        _ start: UInt64, _ count: Int, _ rights: UInt64, at other: UInt64? = nil
    ) throws {
        for page in stride(from: start, to: start + UInt64(count), by: 4096) {
            // One directory for the first GiB, one for the second.
            let directory = 0x10_2000 + (page >> 30) * 0x1_0000
            try memory.store(directory | 7, at: GuestAddress(0x10_1000 + (page >> 30) * 8))
            let number = page >> 21 & 511
            let table = directory + 0x1000 + (number & 15) << 12
            try memory.store(table | 7, at: GuestAddress(directory + number * 8))
            try memory.store(
                (other ?? page) | rights, at: GuestAddress(table + (page >> 12 & 511) * 8))
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

    /// Where the page tables or the descriptors, which no program can reach, have changed since they
    /// were made; the processor's marks are left out. By the page, so that no large room is asked
    /// for: the judge may no longer ask the kernel.
    func changedTable() -> UInt64? {
        for (number, page) in tables.enumerated() {
            let start = Self.tables.lowerBound + UInt64(number) << 12
            let now = read(start, 4096)
            guard now != page else { continue }
            for index in page.indices {
                let marks: UInt8 = index & 7 == 0 ? 0x60 : 0
                if (now[index] ^ page[index]) & ~marks != 0 { return start + UInt64(index) }
            }
        }
        return nil
    }
    private static var tables: Range<UInt64> { 0x10_0000..<0x12_5000 }

    /// The page where code leaves by, with what the host has there.
    func setExit(_ bytes: [UInt8]) {
        write(bytes, at: Self.exitPage)
        tables = stride(from: Self.tables.lowerBound, to: Self.tables.upperBound, by: 4096).map {
            read($0, 4096)
        }
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
        poke(before)
        load(before)
        execute(judged)
        save(judged, &after)
        checkControl(&after)
        if before.scrub != 0 {
            write([UInt8](repeating: 0, count: Int(before.scrubCount)), at: before.scrub)
        }
    }

    /// What is not the program's: it must be as the judge made it, and is so again.
    private func checkControl(_ after: inout JudgedState) {
        let now = ControlState(cpu.state)
        guard let control else {
            control = now
            return
        }
        guard now != control else { return }
        after.vector = JudgedState.Ending.escaped
        cpu.state.cr0 = control.cr0
        cpu.state.cr3 = control.cr3
        cpu.state.cr4 = control.cr4
        cpu.state.msrs.efer = control.efer
        cpu.flushTLB(global: true)
    }

    private struct ControlState: Equatable {
        let cr0, cr3, cr4, efer: UInt64
        init(_ state: borrowing ProcessorState) {
            cr0 = state.cr0
            cr3 = state.cr3
            cr4 = state.cr4
            efer = state.msrs.efer
        }
    }

    private func poke(_ before: JudgedState) {
        guard before.poke != 0 else { return }
        write(before.poked[0], at: before.poke)
        write(before.poked[1], at: before.poke + 8)
    }

    private func load(_ before: JudgedState) {
        for number in 0..<16 { cpu.set64(Register.general(number), before.general[number]) }
        cpu.rflags = before.rflags
        cpu.state.rip = before.rip
        cpu.state.pending = PendingException()
        cpu.state.inhibitInterrupts = false
        // What went astray may have loaded others.
        for number in 0..<6 { cpu.state.segments[number] = Self.flat }
        cpu.state.segments[4].base = before.fsBase
        cpu.state.segments[5].base = before.gsBase
        cpu.state.segments[1] = before.is32 ? Self.code32 : Self.code64
        // A stray SYSCALL has reached the kernel's.
        cpu.state.privilege = 3
        cpu.reloadSegments()
        for number in 0..<16 { cpu.setVector(UInt8(number), before.vector(number)) }
        cpu.state.mxcsr = before.mxcsr
        cpu.enterFloatEnvironment()
        let top = UInt8(truncatingIfNeeded: before.statusWord >> 11) & 7
        // AMD's processors store zeros for the last instruction, unless an exception waits.
        cpu.state.x87 = X87State()
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
        var turns: UInt64 = 0
        while cpu.state.pending.vector == 0xff, !isDone(judged) {
            turns += 1
            if turns > 2 * Self.patience {
                cpu.state.pending.vector = UInt8(JudgedState.Ending.stuck)
                return
            }
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
    }

    /// At the exit, or at the jump to it, if nothing has been written over that.
    private func isDone(_ judged: JudgeCase) -> Bool {
        let is32 = !cpu.state.mode.is64
        // 32-bit code may come to the exit by another one's way, and finds other instructions there.
        guard cpu.state.rip == judged.end else {
            return cpu.state.rip == JudgedMemory.exit && !is32
        }
        let found = try? memory.load(UInt64.self, at: GuestAddress(judged.end))
        guard let found else { return true }
        let other = UInt64(64 - 8 * JudgedMemory.wayOutCount(is32: is32))
        return found << other == JudgedMemory.wayOut(from: judged.end, is32: is32) << other
    }

    /// True if the case, one instruction of `code`, goes on in what nobody has made to be instructions:
    /// in the middle of them, in another case's, in what data was stored over.
    func strays(_ judged: JudgeCase, _ before: JudgedState, _ code: ArraySlice<UInt8>) -> Bool {
        if read(before.rip, code.count) != Array(code) { return true }
        guard !judged.isSequence else { return false }
        poke(before)
        load(before)
        for _ in 0..<Self.patience where cpu.state.pending.vector == 0xff {
            if isDone(judged) { return false }
            let place = cpu.state.rip
            // Between the cases there is INT3.
            let isCode = place &- JudgedMemory.code < UInt64(JudgedMemory.codeCount)
            if isCode && place != before.rip {
                let isOwn = place &- before.rip < UInt64(judged.codeCount)
                return isOwn || read(place, 1) != [0xcc]
            }
            enter(stepping: true)
        }
        return false
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
