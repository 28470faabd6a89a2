// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hypervisor
import Memory

/// A guest of `Guest/tests/privileged`, assembled: entered in 64-bit mode at CPL 0.
struct PrivilegedGuest {
    /// Where it is loaded, and begins.
    static let base: UInt64 = 0x10_0000
    private static let tables: UInt64 = 0x9000
    private static let descriptors: UInt64 = 0x1000

    let name: String
    private let bytes: [UInt8]

    private static let assembler = Assembler("Guest/tests/privileged")

    init(_ name: String) throws {
        self.name = name
        bytes = try Self.assembler.image(
            of: name + ".S",
            link: ["-Ttext=0x\(String(Self.base, radix: 16))", "-e", "_start"])
    }

    /// What it says on a processor that does what the manuals say.
    func expected() throws -> String {
        try String(
            contentsOf: Self.assembler.sources.appending(path: name + ".expected"), encoding: .utf8)
    }

    /// Puts it into memory, with tables that map the first gigabyte one to one.
    func load(into memory: GuestMemory) throws {
        try memory.write(bytes, at: GuestAddress(Self.base))
        for (selector, value): (UInt64, UInt64) in [
            (0, 0), (8, 0x00af_9b00_0000_ffff), (16, 0x00cf_9300_0000_ffff),
        ] {
            try memory.store(value, at: GuestAddress(Self.descriptors + selector))
        }
        try memory.store(Self.tables + 0x1003, at: GuestAddress(Self.tables))
        try memory.store(Self.tables + 0x2003, at: GuestAddress(Self.tables + 0x1000))
        for index in UInt64(0)..<512 {
            try memory.store(
                index << 21 | 0x83, at: GuestAddress(Self.tables + 0x2000 + index * 8))
        }
    }

    /// 64-bit code at its first byte.
    static var start: CPUState {
        var state = CPUState()
        let data = Segment(selector: 0x10, base: 0, limit: .max, attributes: 0xc093)
        state.system.cs = Segment(selector: 8, base: 0, limit: .max, attributes: 0xa09b)
        for path in [\SystemRegisters.ss, \.ds, \.es, \.fs, \.gs] {
            state.system[keyPath: path] = data
        }
        state.system.tr = Segment(selector: 0, base: 0, limit: 0x67, attributes: 0x8b)
        state.system.gdt = DescriptorTable(base: descriptors, limit: 23)
        state.system.cr0 = 0x8000_0031
        state.system.cr3 = tables
        state.system.cr4 = 0x20
        state.system.efer = 0x500
        state.general.rip = base
        state.general.rsp = 0x8000
        return state
    }
}
