// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// The boot processor's registers, and the descriptors and page tables behind them.
enum InitialState {
    private static let wideCode = Segment(
        selector: 0x10, base: 0, limit: 0xffff_ffff, attributes: 0xa09b)
    private static let narrowCode = Segment(
        selector: 0x10, base: 0, limit: 0xffff_ffff, attributes: 0xc09b)
    private static let data = Segment(
        selector: 0x18, base: 0, limit: 0xffff_ffff, attributes: 0xc093)
    /// A busy TSS: PVH demands it, and no processor in protected mode is without.
    private static let task = Segment(selector: 0x20, base: 0, limit: 0x67, attributes: 0x008b)

    /// Linux 64-bit: long mode, identity-mapped, RSI = boot_params. PVH and Multiboot: 32-bit
    /// protected mode without paging, EBX = information.
    static func state(_ entryProtocol: BootProtocol, entry: UInt64) -> CPUState {
        var state = CPUState()
        state.general.rip = entry
        state.general.rsp = BootLayout.stackTop
        state.system.cs = entryProtocol == .linux64 ? wideCode : narrowCode
        state.system.ds = data
        state.system.es = data
        state.system.fs = data
        state.system.gs = data
        state.system.ss = data
        state.system.tr = task
        state.system.gdt = DescriptorTable(base: BootLayout.gdt, limit: 6 * 8 - 1)
        // PE, and ET, which is always set.
        state.system.cr0 = 0x11
        switch entryProtocol {
        case .linux64:
            state.general.rsi = BootLayout.zeroPage
            state.general.rbp = BootLayout.stackTop
            state.system.cr0 |= 1 << 31
            state.system.cr3 = BootLayout.pageTables
            // PAE; LME and LMA.
            state.system.cr4 = 1 << 5
            state.system.efer = 1 << 8 | 1 << 10
        case .pvh:
            state.general.rbx = BootLayout.startInfo
        case .multiboot:
            state.general.rax = 0x2bad_b002
            state.general.rbx = BootLayout.startInfo
        }
        return state
    }

    /// The GDT.
    static func descriptors(_ entryProtocol: BootProtocol) -> BootPiece {
        var gdt: [UInt8] = []
        let code = entryProtocol == .linux64 ? wideCode : narrowCode
        for value in [0, 0, descriptor(code), descriptor(data), descriptor(task), 0] {
            gdt.append(little: value)
        }
        return BootPiece(address: BootLayout.gdt, bytes: gdt)
    }

    /// Hands over the page tables that Linux begins with, one after the other: the first 4 GiB at their
    /// own addresses, in 2 MiB pages, which is all that a loader may use. What is missing behind the
    /// entries of a table is zero.
    ///
    /// One at a time, as all of them at once would be six fresh pages of this process, too.
    static func eachPageTable(
        _ body: (_ address: UInt64, _ entries: [UInt64]) throws(BootError) -> Void
    ) throws(BootError) {
        // Present, writable; and page size in the directories.
        let flags: UInt64 = 0x3
        let page: UInt64 = 4096
        let first = BootLayout.pageTables
        var directories: [UInt64] = []
        for index in 2..<6 as Range<UInt64> { directories.append(first + index * page | flags) }
        try body(first, [first + page | flags])
        try body(first + page, directories)
        var entries = [UInt64](repeating: 0, count: 512)
        for index in 2..<6 as Range<UInt64> {
            for entry in 0..<512 as Range<UInt64> {
                entries[Int(entry)] = ((index - 2) << 9 | entry) << 21 | 0x80 | flags
            }
            try body(first + index * page, entries)
        }
    }

    /// A segment as the GDT has it. Intel SDM 3, 3.4.5.
    static func descriptor(_ segment: Segment) -> UInt64 {
        let isPaged = segment.attributes & 0x8000 != 0
        let limit = UInt64(isPaged ? segment.limit >> 12 : segment.limit)
        var value = limit & 0xffff
        value |= (limit >> 16 & 0xf) << 48
        value |= (segment.base & 0xff_ffff) << 16
        value |= (segment.base >> 24 & 0xff) << 56
        return value | UInt64(segment.attributes) << 40
    }
}
