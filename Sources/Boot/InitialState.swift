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

    /// The GDT, and for Linux the page tables.
    static func pieces(_ entryProtocol: BootProtocol) -> [BootPiece] {
        var gdt: [UInt8] = []
        let code = entryProtocol == .linux64 ? wideCode : narrowCode
        for value in [0, 0, descriptor(code), descriptor(data), descriptor(task), 0] {
            gdt.append(little: value)
        }
        let table = BootPiece(address: BootLayout.gdt, bytes: gdt)
        guard entryProtocol == .linux64 else { return [table] }
        return [table, BootPiece(address: BootLayout.pageTables, bytes: pageTables())]
    }

    /// The first 4 GiB at their own addresses, in 2 MiB pages: all that a loader may use.
    private static func pageTables() -> [UInt8] {
        // Present, writable; and page size in the directories.
        let flags: UInt64 = 0x3
        let page = 4096
        var bytes = [UInt8](repeating: 0, count: 6 * page)
        bytes.set((BootLayout.pageTables + UInt64(page)) | flags, at: 0)
        for index in 0..<4 {
            let directory = BootLayout.pageTables + UInt64((2 + index) * page)
            bytes.set(directory | flags, at: page + index * 8)
        }
        for index in 0..<2048 {
            bytes.set(UInt64(index) << 21 | 0x80 | flags, at: 2 * page + index * 8)
        }
        return bytes
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
