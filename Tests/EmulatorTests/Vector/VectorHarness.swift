// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import Emulator

/// A processor of its own with two pages of memory, for one instruction at a time.
///
/// Pages translate to the host memory at the same address, by entries filled in by hand, so that no
/// machine is needed.
@safe final class VectorHarness {
    let cpu: Processor
    /// Address of 8 KiB that the instruction may use.
    let memory: UInt64
    private let blocks: [UnsafeMutableRawPointer]

    init() {
        func allocate(_ count: Int, _ alignment: Int) -> UnsafeMutableRawPointer {
            let block = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: alignment)
            unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: count)
            return unsafe block
        }
        let state = unsafe allocate(MemoryLayout<ProcessorState>.stride, 64)
        let table = unsafe allocate(TranslationEntry.tableBytes, 4096)
        let pages = unsafe allocate(8192, 4096)
        let operations = unsafe allocate(64 * 32, 64)
        let code = unsafe allocate(64, 64)
        unsafe blocks = [state, table, pages, operations, code]
        unsafe state.initializeMemory(as: ProcessorState.self, to: ProcessorState())
        cpu = Processor(UInt(bitPattern: state))
        memory = UInt64(UInt(bitPattern: pages))
        let tableAddress = UInt(bitPattern: table)
        TranslationEntry.clear(table: tableAddress)
        for page in [memory, memory + 4096] {
            let entry = TranslationEntry(table: tableAddress, linear: page)
            entry.readTag = page
            entry.writeTag = page
            entry.addend = 0
        }
        cpu.state.dataTLB = tableAddress
        cpu.state.cr0 = 0x31
        cpu.state.cr4 = 0x4_0600
        cpu.state.xcr0 = 3
        cpu.enterFloatEnvironment()
    }

    deinit { unsafe blocks.forEach { unsafe $0.deallocate() } }

    /// Carries out the instruction in `bytes`, of 64-bit code unless `mode` says otherwise; answers
    /// the vector of the exception it raised, or nil.
    func run(_ bytes: [UInt8], mode: UInt8 = 0x69) throws -> UInt8? {
        let code = unsafe HostAddress(UInt(bitPattern: blocks[4]))
        for index in 0..<16 {
            HostAddress(code.rawValue + UInt(index))
                .store(index < bytes.count ? bytes[index] : UInt8(0xcc))
        }
        let start = unsafe UInt(bitPattern: blocks[3])
        let stop: Handler = { _, _ in 0 }
        var buffer = BlockBuffer(start: start, capacity: 60)
        buffer.begin(offset: 0)
        var decoder = Decoder(
            bytes: code.rawValue, available: 15, mode: CodeMode(rawValue: mode), output: buffer)
        try decoder.decodeInstruction()
        buffer = decoder.output
        let end = buffer.end
        buffer.append(Operation(handler: stop))
        buffer.finish(length: bytes.count)
        guard decoder.position == bytes.count else { throw HarnessError.length(decoder.position) }
        cpu.state.pending = PendingException()
        cpu.state.mode = CodeMode(rawValue: mode)
        var operation = start
        while operation != 0 && operation != end {
            operation = Op(operation).handler(cpu.address, operation)
        }
        let vector = cpu.state.pending.vector
        return vector == 0xff ? nil : vector
    }

    func load<T: BitwiseCopyable>(_ offset: UInt64, _ type: T.Type = T.self) -> T {
        HostAddress(memory + offset, addend: 0).load(type)
    }
    func store<T: BitwiseCopyable>(_ offset: UInt64, _ value: T) {
        HostAddress(memory + offset, addend: 0).store(value)
    }

    enum HarnessError: Error {
        /// The decoder took another number of bytes.
        case length(Int)
    }
}

/// One row of ``VectorTable``.
struct VectorRow: CustomTestStringConvertible {
    var name = ""
    var bytes: [UInt8] = []
    var first = SIMD2<UInt64>.zero
    var second = SIMD2<UInt64>.zero
    var effects: [(register: String, value: String)] = []

    var testDescription: String { name }

    /// The new value of `register`, or nil if it stays as it is.
    func effect(_ register: String) -> String? {
        effects.first { $0.register == register }?.value
    }
}

/// What instructions do to XMM1 and XMM2.
enum VectorTable {
    /// XMM0 before each.
    static let control = SIMD2<UInt64>(0x8000_0000_7fff_0080, 0x00ff_ff00_8080_0101)
    static let rcx: UInt64 = 0x1111_0000_0111
    static let rdx: UInt64 = 0x2222_0000_0222

    static let rows = [float, general, integer, integerMore].flatMap(parse)

    private static func parse(_ text: String) -> [VectorRow] {
        let words = text.split(whereSeparator: \.isNewline).map { $0.split(separator: " ") }
        return stride(from: 0, to: words.count, by: 2).map { index in
            let head = words[index]
            let tail = words[index + 1]
            var row = VectorRow(name: String(head[0]))
            row.bytes = bytes(head[1])
            row.first = vector(head[2])
            row.second = vector(head[3])
            row.effects = stride(from: 0, to: tail.count - 1, by: 2).map {
                (String(tail[$0]), String(tail[$0 + 1]))
            }
            return row
        }
    }

    private static func bytes(_ text: Substring) -> [UInt8] {
        let digits = Array(text)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
    }

    static func vector(_ text: some StringProtocol) -> SIMD2<UInt64> {
        SIMD2(UInt64(text.suffix(16), radix: 16) ?? 0, UInt64(text.prefix(16), radix: 16) ?? 0)
    }
}
