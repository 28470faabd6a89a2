// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Testing

@testable import Boot

/// Kernels of each kind put into guest memory, seen from the guest's side.
@Suite struct LoadTests {
    let memory: GuestMemory

    init() throws { memory = try GuestMemory(byteCount: 64 << 20) }

    private func word32(_ address: UInt64) throws -> UInt32 {
        try memory.load(UInt32.self, at: GuestAddress(address))
    }

    private func word64(_ address: UInt64) throws -> UInt64 {
        try memory.load(UInt64.self, at: GuestAddress(address))
    }

    private func load(
        _ kernel: [UInt8], initrd: [UInt8]? = nil, _ configuration: BootConfiguration = .init()
    ) throws(BootError) -> BootResult {
        try BootImage.load(
            kernel: ByteArray(kernel), initrd: initrd.map(ByteArray.init),
            configuration: configuration, into: memory)
    }

    /// The protocol that detection chooses, by what the file has.
    static let detected: [(what: String, file: [UInt8], expected: BootProtocol)] = [
        ("ELF64", ELFFile().bytes, .linux64),
        ("bzImage", BzImageFile().bytes, .linux64),
        (
            "ELF64 that says Linux and has PVH",
            ELFFile(segments: [ELFFile.Segment(), ELFFile.linuxNote, ELFFile.pvhNote(0x10_0000)])
                .bytes, .linux64
        ),
        (
            "ELF64 with PVH",
            ELFFile(segments: [ELFFile.Segment(), ELFFile.pvhNote(0x10_0000)]).bytes, .pvh
        ),
        (
            "ELF32 with PVH",
            ELFFile(
                is64: false, machine: 3,
                segments: [ELFFile.Segment(), ELFFile.pvhNote(0x10_0000, wide: false)]
            ).bytes, .pvh
        ),
        (
            "ELF32 with Multiboot",
            ELFFile(is64: false, machine: 3, padding: ELFFile.multibootHeader).bytes, .multiboot
        ),
        ("ELF64 with Multiboot", ELFFile(padding: ELFFile.multibootHeader).bytes, .multiboot),
        (
            "ELF64 with PVH and Multiboot",
            ELFFile(
                segments: [ELFFile.Segment(), ELFFile.pvhNote(0x10_0000)],
                padding: ELFFile.multibootHeader
            ).bytes, .pvh
        ),
        ("Multiboot with addresses", MultibootFile().bytes, .multiboot),
    ]

    @Test(arguments: detected.indices)
    func `a kernel is recognized by content`(_ index: Int) throws {
        let row = Self.detected[index]
        let result = try load(row.file)
        #expect(result.entryProtocol == row.expected, "\(row.what)")
        #expect(result.kernel.contains(result.entry))
        #expect(result.state.general.rip == result.entry)
    }

    @Test func `a kernel with several entries is entered as asked`() throws {
        let file = ELFFile(
            segments: [ELFFile.Segment(), ELFFile.linuxNote, ELFFile.pvhNote(0x10_0000)],
            padding: ELFFile.multibootHeader
        ).bytes
        for wish in BootProtocol.allCases {
            let result = try load(file, BootConfiguration(entryProtocol: wish))
            #expect(result.entryProtocol == wish)
        }
    }

    @Test func `a higher-half entry is brought down to where its segment lies`() throws {
        let high: UInt64 = 0xffff_ffff_8000_0000
        let file = ELFFile(
            entry: high + 2,
            segments: [ELFFile.Segment(virtual: high, physical: 0x20_0000, bytes: [1, 2, 3, 4])],
            padding: ELFFile.multibootHeader)
        #expect(try load(file.bytes).entry == 0x20_0002)
    }

    @Test func `segments go to their physical addresses and bss stays zero`() throws {
        let file = ELFFile(segments: [
            ELFFile.Segment(physical: 0x10_0000, bytes: [1, 2, 3], inMemory: 0x2000),
            ELFFile.Segment(virtual: 0, physical: 0x10_4000, bytes: [4, 5, 6]),
        ])
        let result = try load(file.bytes)
        #expect(result.kernel == 0x10_0000..<0x10_4003)
        #expect(try memory.read(at: GuestAddress(0x10_0000), count: 5) == [1, 2, 3, 0, 0])
        #expect(try memory.read(at: GuestAddress(0x10_4000), count: 4) == [4, 5, 6, 0])
    }

    @Test func `Linux finds boot_params as its protocol has them`() throws {
        let seed = [UInt8](1...32)
        let result = try load(
            ELFFile().bytes, initrd: [UInt8](repeating: 7, count: 5000),
            BootConfiguration(commandLine: "quiet console=ttyS0", randomSeed: seed))
        let page = BootLayout.zeroPage
        #expect(result.initrd == 0x3ff_e000..<0x3ff_f388)
        #expect(try word64(page + 0x70) == 0xe0000)
        #expect(try word32(page + 0x202) == 0x5372_6448)
        #expect(try word32(page + 0x218) == 0x3ff_e000)
        #expect(try word32(page + 0x21c) == 5000)
        #expect(try word32(page + 0x228) == 0x20000)
        #expect(try memory.read(at: GuestAddress(page + 0x1e8), count: 1) == [3])
        #expect(try word64(page + 0x2d0) == 0)
        #expect(try word64(page + 0x2d8) == 0x9fc00)
        #expect(try word64(page + 0x2d0 + 40) == 0x10_0000)
        #expect(try word64(page + 0x2d0 + 48) == 63 << 20)
        #expect(
            try memory.read(at: GuestAddress(0x20000), count: 20)
                == [UInt8]("quiet console=ttyS0\0".utf8))
        let node = try word64(page + 0x250)
        #expect(try word64(node) == 0)
        #expect(try word32(node + 8) == 9)
        #expect(try word32(node + 12) == 32)
        #expect(try memory.read(at: GuestAddress(node + 16), count: 32) == seed)
        #expect(try memory.read(at: GuestAddress(0x3ff_e000), count: 5000).allSatisfy { $0 == 7 })
    }

    @Test func `a bzImage keeps its setup header, apart from what a loader writes`() throws {
        var file = BzImageFile()
        file.code = (0..<0x400).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let result = try load(file.bytes)
        let page = BootLayout.zeroPage
        #expect(result.entry == 0x100_0200)
        #expect(result.kernel == 0x100_0000..<0x110_0000)
        #expect(try memory.read(at: GuestAddress(0x100_0000), count: 0x400) == file.code)
        #expect(try memory.load(UInt16.self, at: GuestAddress(page + 0x206)) == 0x20f)
        #expect(try memory.load(UInt8.self, at: GuestAddress(page + 0x210)) == 0xff)
        #expect(try word32(page + 0x230) == 0x20_0000)
        #expect(try word32(page + 0x260) == 0x10_0000)
        #expect(try word64(page + 0x250) == 0)
        #expect(try memory.load(UInt8.self, at: GuestAddress(page + 0x1ef)) == 0)
    }

    @Test func `a bzImage that prefers more than RAM is moved down`() throws {
        let result = try load(BzImageFile(preferred: 0x1000_0000).bytes)
        #expect(result.kernel.lowerBound == 0x20_0000)
    }

    @Test func `the initrd stays below the bzImage's limit`() throws {
        let result = try load(
            BzImageFile(initrdLast: 0x1ff_ffff).bytes, initrd: [UInt8](repeating: 1, count: 100))
        #expect(result.initrd == 0x1ff_f000..<0x1ff_f064)
    }

    @Test func `long mode starts with descriptors and pages that agree with the state`() throws {
        let state = try load(ELFFile().bytes).state
        #expect(state.system.cr0 == 0x8000_0011)
        #expect(state.system.cr4 == 0x20)
        #expect(state.system.efer == 0x500)
        #expect(state.general.rsi == BootLayout.zeroPage)
        #expect(state.general.rflags == 2)
        for segment in [state.system.cs, state.system.ds, state.system.ss, state.system.tr] {
            let address = state.system.gdt.base + UInt64(segment.selector)
            #expect(try word64(address) == InitialState.descriptor(segment))
        }
        #expect(try word64(BootLayout.gdt + 0x10) == 0x00af_9b00_0000_ffff)
        #expect(try word64(BootLayout.gdt + 0x18) == 0x00cf_9300_0000_ffff)
        for address in [0, 0x20_0000, 0x3fff_ffff, 0x4000_0000, 0xfee0_0000] as [UInt64] {
            #expect(try translate(address, root: state.system.cr3) == address)
        }
    }

    private func translate(_ address: UInt64, root: UInt64) throws -> UInt64? {
        var table = root
        for shift in [39, 30, 21] as [UInt64] {
            let entry = try word64(table + (address >> shift & 511) * 8)
            guard entry & 1 == 1 else { return nil }
            table = entry & ~0xfff
            if shift == 21 {
                return entry & 0x80 != 0 ? table | address & 0x1f_ffff : nil
            }
        }
        return nil
    }

    @Test func `PVH finds start_info, module and memory map`() throws {
        let file = ELFFile(segments: [ELFFile.Segment(), ELFFile.pvhNote(0x10_0000)]).bytes
        let result = try load(file, initrd: [9, 9, 9])
        let info = result.state.general.rbx
        #expect(try word32(info) == 0x336e_c578)
        #expect(try word32(info + 4) == 1)
        #expect(try word32(info + 12) == 1)
        let module = try word64(info + 16)
        #expect(try word64(module) == result.initrd?.lowerBound)
        #expect(try word64(module + 8) == 3)
        #expect(try word64(info + 24) == 0x20000)
        #expect(try word64(info + 32) == 0xe0000)
        let map = try word64(info + 40)
        #expect(try word32(info + 48) == 3)
        #expect(try word64(map + 48) == 0x10_0000)
        #expect(try word32(map + 48 + 16) == 1)
        #expect(result.state.system.cr0 == 0x11)
        #expect(result.state.system.efer == 0)
        #expect(result.state.system.cs.attributes == 0xc09b)
        #expect(result.state.system.tr.limit == 0x67)
    }

    @Test func `Multiboot finds its magic, memory, modules and command line`() throws {
        let result = try load(
            MultibootFile().bytes, initrd: [5, 5], BootConfiguration(commandLine: "test 1"))
        #expect(result.state.general.rax == 0x2bad_b002)
        let info = result.state.general.rbx
        #expect(try word32(info) == 0b10_0100_1101)
        #expect(try word32(info + 4) == 639)
        #expect(try word32(info + 8) == 63 << 10)
        #expect(try word32(info + 16) == 0x20000)
        #expect(try word32(info + 20) == 1)
        let module = UInt64(try word32(info + 24))
        #expect(try UInt64(word32(module)) == result.initrd?.lowerBound)
        #expect(try UInt64(word32(module + 4)) == result.initrd?.upperBound)
        #expect(try memory.load(UInt8.self, at: GuestAddress(UInt64(word32(module + 8)))) == 0)
        #expect(try word32(info + 44) == 72)
        let map = UInt64(try word32(info + 48))
        #expect(try word32(map) == 20)
        #expect(try word64(map + 4) == 0)
        #expect(try word64(map + 12) == 0x9fc00)
    }

    @Test func `a Multiboot kernel's load end and bss end are kept`() throws {
        let file = MultibootFile(loadEnd: 0x10_0038, bssEnd: 0x10_1000).bytes
        let result = try load(file)
        #expect(result.kernel == 0x10_0000..<0x10_1000)
        #expect(try memory.read(at: GuestAddress(0x10_0000), count: 57) == file[..<56] + [0])
    }

    static let lines: [(text: String, error: BootError?)] = [
        ("", nil),
        (String(repeating: "a", count: 2047), nil),
        (
            String(repeating: "a", count: 2048),
            .commandLine(byteCount: 2048, limit: 2047, firstNUL: nil)
        ),
        (
            String(repeating: "ä", count: 1024),
            .commandLine(byteCount: 2048, limit: 2047, firstNUL: nil)
        ),
        ("a b\0c", .commandLine(byteCount: 5, limit: 2047, firstNUL: 3)),
    ]

    @Test(arguments: lines.indices)
    func `command lines are taken or refused whole`(_ index: Int) throws {
        let (text, expected) = Self.lines[index]
        do throws(BootError) {
            _ = try load(ELFFile().bytes, BootConfiguration(commandLine: text))
            #expect(expected == nil)
        } catch {
            #expect(error == expected)
        }
    }

    @Test func `a bzImage's own command line limit counts`() {
        let file = BzImageFile(commandLineSize: 255).bytes
        let text = String(repeating: "x", count: 256)
        #expect(throws: BootError.commandLine(byteCount: 256, limit: 255, firstNUL: nil)) {
            try load(file, BootConfiguration(commandLine: text))
        }
    }

    @Test func `an empty initrd and one too large are refused`() {
        #expect(throws: BootError.empty(.initrd)) { try load(ELFFile().bytes, initrd: []) }
        let large = [UInt8](repeating: 0, count: 63 << 20)
        #expect(
            throws: BootError.initrdDoesNotFit(byteCount: 63 << 20, room: 63 << 20 - 4096)
        ) { try load(ELFFile().bytes, initrd: large) }
    }

    static let configurations: [(BootConfiguration, BootError)] = [
        (BootConfiguration(cpuCount: 0), .configuration(.cpuCount(0))),
        (BootConfiguration(cpuCount: 33), .configuration(.cpuCount(33))),
        (
            BootConfiguration(randomSeed: [UInt8](repeating: 0, count: 65)),
            .configuration(.randomSeed(65))
        ),
        (
            BootConfiguration(devices: [MMIODevice(base: 0xc000_0000, gsi: 4)]),
            .configuration(.interrupt(MMIODevice(base: 0xc000_0000, gsi: 4)))
        ),
        (
            BootConfiguration(devices: [MMIODevice(base: 0x1000, gsi: 5)]),
            .configuration(.window(MMIODevice(base: 0x1000, gsi: 5)))
        ),
        (
            BootConfiguration(devices: [
                MMIODevice(base: 0xc000_1000, gsi: 5),
                MMIODevice(base: 0xc000_0000, byteCount: 8192, gsi: 6),
            ]), .configuration(.window(MMIODevice(base: 0xc000_1000, gsi: 5)))
        ),
    ]

    @Test(arguments: configurations.indices)
    func `an impossible machine is refused`(_ index: Int) {
        let (configuration, expected) = Self.configurations[index]
        let error = #expect(throws: BootError.self) { try load(ELFFile().bytes, configuration) }
        #expect(error == expected)
        #expect(error?.description.isEmpty == false)
    }
}
