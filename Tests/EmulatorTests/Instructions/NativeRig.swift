// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

@testable import Emulator

/// A processor in user mode with 64 KiB of data and a few pages of code, nothing else mapped.
final class NativeRig {
    static let data: UInt64 = 0x100_0000
    static let dataCount = 0x1_0000
    static let code: UInt64 = 0x120_0000
    private static let codeCount: UInt64 = 0x3000
    private static let gsBase: UInt64 = 0x340

    private let memory: GuestMemory
    private let machine: SoftVirtualMachine
    private let data: [UInt8]
    private var vcpu: SoftVCPU { machine.processors[0] }
    private var cpu: Processor { vcpu.cpu }

    init() throws {
        memory = try GuestMemory(byteCount: 32 << 20)
        machine = try SoftVirtualMachine(
            memory: memory, bus: PortRecorder(),
            configuration: VirtualMachineConfiguration(cpuCount: 1))
        data = Self.pattern()
        try map()
        var state = vcpu.save()
        var flat = Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xc0f3)
        state.system.ds = flat
        state.system.es = flat
        state.system.ss = flat
        state.system.fs = flat
        flat.base = Self.gsBase
        state.system.gs = flat
        state.system.cs = Segment(selector: 0x33, base: 0, limit: .max, attributes: 0xa0fb)
        state.system.cr0 = 0x8005_0033
        state.system.cr3 = 0x10_0000
        state.system.cr4 = 0x620
        state.system.efer = 0xd01
        try vcpu.restore(state)
        try memory.write(data, at: GuestAddress(Self.data))
    }

    private func map() throws {
        try memory.store(UInt64(0x10_1007), at: GuestAddress(0x10_0000))
        try memory.store(UInt64(0x10_2007), at: GuestAddress(0x10_1000))
        let pages =
            Array(stride(from: Self.data, to: Self.data + UInt64(Self.dataCount), by: 4096))
            + Array(stride(from: Self.code, to: Self.code + Self.codeCount, by: 4096))
        for page in pages {
            let table = 0x10_3000 + (page >> 21) << 12
            try memory.store(table | 7, at: GuestAddress(0x10_2000 + (page >> 21) * 8))
            try memory.store(page | 7, at: GuestAddress(table + (page >> 12 & 511) * 8))
        }
    }

    /// Words of all kinds, and a page of equal bytes.
    private static func pattern() -> [UInt8] {
        var bytes = [UInt8](repeating: 7, count: dataCount)
        for index in 0..<UInt64(dataCount / 8) where index < 0x1000 || index >= 0x1200 {
            var word = index &* 0x9e37_79b9_7f4a_7c15
            word ^= word >> 32
            switch index & 3 {
            case 1: word >>= 56
            case 2: word = UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: word)))
            case 3: word = ~(word >> 60)
            default: break
            }
            for byte in 0..<8 {
                bytes[Int(index) * 8 + byte] = UInt8(truncatingIfNeeded: word >> (UInt64(byte) * 8))
            }
        }
        return bytes
    }

    /// Executes a row's instructions, one by one or as blocks, and says what is not as it should be.
    func differences(_ row: NativeRow, stepping: Bool) throws -> [String] {
        let start = Self.code + row.address
        let end = start + UInt64(row.code.count)
        // HLT behind them is refused at CPL 3, and ends the last block.
        try memory.write(row.code + [0xf4], at: GuestAddress(start))
        vcpu.code.flush(cpu)
        for number in 0..<16 { cpu.set64(Register.general(number), row.before[number]) }
        cpu.rflags = row.flagsBefore | 0x202
        cpu.state.rip = start
        cpu.state.pending = PendingException()
        var rounds = 0
        while cpu.state.pending.vector == 0xff, cpu.state.rip != end, rounds < 100 {
            rounds += 1
            enter(stepping)
        }
        var found = compare(row, end)
        let now = try memory.read(at: GuestAddress(Self.data), count: Self.dataCount)
        var expected = data
        for (offset, bytes) in row.memory {
            expected.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        if now != expected {
            let place = now.indices.first { now[$0] != expected[$0] } ?? 0
            found.append("memory at \(place): \(now[place])")
        }
        try memory.write(data, at: GuestAddress(Self.data))
        return found
    }

    private func enter(_ stepping: Bool) {
        cpu.state.stopAt = stepping ? 0 : .max
        cpu.page = cpu.state.rip & ~0xfff
        let block =
            stepping
            ? vcpu.code.single(cpu.state.rip, cpu)
            : vcpu.code.find(cpu.state.rip, cpu, mayFlush: true)
        guard let block else { return }
        var operation = block.operations
        while operation != 0 { operation = Op(operation).handler(cpu.address, operation) }
    }

    private func compare(_ row: NativeRow, _ end: UInt64) -> [String] {
        var found: [String] = []
        let pending = cpu.state.pending
        if let exception = row.exception {
            if pending.vector != exception { found.append("exception \(pending.vector)") }
            if exception == 14, cpu.state.cr2 != row.cr2 || pending.errorCode != row.errorCode {
                found.append("CR2 \(cpu.state.cr2), error code \(pending.errorCode)")
            }
        } else if cpu.state.rip != end {
            found.append("RIP \(cpu.state.rip), exception \(pending.vector)")
        }
        for number in 0..<16 {
            let value = cpu.get64(Register.general(number))
            if value != row.after[number] {
                found.append("register \(number): \(String(value, radix: 16))")
            }
        }
        let flags = cpu.rflags & row.definedFlags
        if flags != row.flagsAfter { found.append("flags \(String(flags, radix: 16))") }
        return found
    }
}
