// SPDX-License-Identifier: Apache-2.0

/// Bytes for one place in guest memory.
struct BootPiece: Sendable {
    let address: UInt64
    let bytes: [UInt8]
}

/// What each protocol tells the kernel: the memory map, and where initrd and command line are.
struct Handover: Sendable {
    let map: MemoryMap
    let initrd: Range<UInt64>?
    /// With the NUL.
    let commandLineCount: Int
    let setupHeader: [UInt8]
    let randomSeed: [UInt8]

    func pieces(_ entryProtocol: BootProtocol) -> [BootPiece] {
        switch entryProtocol {
        case .linux64: linux()
        case .pvh: pvh()
        case .multiboot: multiboot()
        }
    }

    // MARK: Linux: boot_params. Documentation/arch/x86/boot.rst and zero-page.rst.

    private func linux() -> [BootPiece] {
        var page = [UInt8](repeating: 0, count: 4096)
        page.replaceSubrange(
            LinuxImage.headerOffset..<(LinuxImage.headerOffset + setupHeader.count),
            with: setupHeader)
        if setupHeader.isEmpty {
            page.set(UInt16(0xaa55), at: 0x1fe)
            page.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
            page.set(UInt16(0x20f), at: 0x206)
            page.set(UInt8(1), at: 0x211)
        }
        page.set(BootLayout.acpi, at: 0x70)
        // A loader without an identifier of its own.
        page.set(UInt8(0xff), at: 0x210)
        page.set(UInt32(initrd?.lowerBound ?? 0), at: 0x218)
        page.set(UInt32(initrd.map { $0.upperBound - $0.lowerBound } ?? 0), at: 0x21c)
        page.set(UInt32(BootLayout.commandLine), at: 0x228)
        page.set(UInt32(0), at: 0x23c)
        page.set(UInt64(0), at: 0x240)
        page.set(randomSeed.isEmpty ? 0 : BootLayout.randomSeed, at: 0x250)
        page.set(UInt8(map.entries.count), at: 0x1e8)
        for (index, entry) in map.entries.enumerated() {
            let offset = 0x2d0 + index * 20
            page.set(entry.base, at: offset)
            page.set(entry.byteCount, at: offset + 8)
            page.set(entry.kind.rawValue, at: offset + 16)
        }
        let zeroPage = BootPiece(address: BootLayout.zeroPage, bytes: page)
        guard !randomSeed.isEmpty else { return [zeroPage] }
        // setup_data: next, type 9 (SETUP_RNG_SEED), length, data.
        var seed: [UInt8] = []
        seed.append(little: UInt64(0))
        seed.append(little: UInt32(9))
        seed.append(little: UInt32(randomSeed.count))
        seed += randomSeed
        return [zeroPage, BootPiece(address: BootLayout.randomSeed, bytes: seed)]
    }

    // MARK: PVH: hvm_start_info, version 1. Xen docs/misc/pvh.

    private func pvh() -> [BootPiece] {
        var info: [UInt8] = []
        info.append(little: UInt32(0x336e_c578))
        info.append(little: UInt32(1))
        info.append(little: UInt32(0))
        info.append(little: UInt32(initrd == nil ? 0 : 1))
        info.append(little: initrd == nil ? 0 : BootLayout.moduleList)
        info.append(little: BootLayout.commandLine)
        info.append(little: BootLayout.acpi)
        info.append(little: BootLayout.memoryMap)
        info.append(little: UInt32(map.entries.count))
        info.append(little: UInt32(0))

        var table: [UInt8] = []
        for entry in map.entries {
            table.append(little: entry.base)
            table.append(little: entry.byteCount)
            table.append(little: entry.kind.rawValue)
            table.append(little: UInt32(0))
        }
        var pieces = [
            BootPiece(address: BootLayout.startInfo, bytes: info),
            BootPiece(address: BootLayout.memoryMap, bytes: table),
        ]
        if let initrd {
            var module: [UInt8] = []
            module.append(little: initrd.lowerBound)
            module.append(little: initrd.upperBound - initrd.lowerBound)
            module.append(little: UInt64(0))
            module.append(little: UInt64(0))
            pieces.append(BootPiece(address: BootLayout.moduleList, bytes: module))
        }
        return pieces
    }

    // MARK: Multiboot 0.6.96, 3.3.

    private func multiboot() -> [BootPiece] {
        var table: [UInt8] = []
        for entry in map.entries {
            // The size of an entry does not count itself.
            table.append(little: UInt32(20))
            table.append(little: entry.base)
            table.append(little: entry.byteCount)
            table.append(little: entry.kind.rawValue)
        }
        let loader = [UInt8]("Swiftlet\0".utf8)

        var info = [UInt8](repeating: 0, count: 116)
        // Memory sizes, command line, modules, memory map, loader name.
        let always: UInt32 = 0b10_0100_0101
        info.set(initrd == nil ? always : always | 0b1000, at: 0)
        info.set(UInt32(BootLayout.lowMemoryEnd / 1024), at: 4)
        info.set(UInt32((map.lowEnd - BootLayout.highMemory) / 1024), at: 8)
        info.set(UInt32(BootLayout.commandLine), at: 16)
        info.set(UInt32(initrd == nil ? 0 : 1), at: 20)
        info.set(UInt32(initrd == nil ? 0 : BootLayout.moduleList), at: 24)
        info.set(UInt32(table.count), at: 44)
        info.set(UInt32(BootLayout.memoryMap), at: 48)
        info.set(UInt32(BootLayout.loaderName), at: 64)
        var pieces = [
            BootPiece(address: BootLayout.startInfo, bytes: info),
            BootPiece(address: BootLayout.memoryMap, bytes: table),
            BootPiece(address: BootLayout.loaderName, bytes: loader),
        ]
        if let initrd {
            var module: [UInt8] = []
            module.append(little: UInt32(initrd.lowerBound))
            module.append(little: UInt32(initrd.upperBound))
            // Its string: the empty one at the end of the command line.
            module.append(little: UInt32(BootLayout.commandLine) + UInt32(commandLineCount - 1))
            module.append(little: UInt32(0))
            pieces.append(BootPiece(address: BootLayout.moduleList, bytes: module))
        }
        return pieces
    }
}
