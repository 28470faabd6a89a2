// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

/// What the boot processor starts with, and what lies where.
package struct BootResult: Hashable, Sendable {
    package let entryProtocol: BootProtocol
    /// Guest-physical address of the first instruction.
    package let entry: UInt64
    /// State of the boot processor. The others wait for INIT and start-up.
    package let state: CPUState
    /// From the kernel's first byte to the end of its bss (or init_size).
    package let kernel: Range<UInt64>
    package let initrd: Range<UInt64>?
}

/// Kernel files: recognized by content, never by name, and put into guest memory ready to run.
///
/// A bzImage and an ELF that says it is Linux are entered at Linux's 64-bit entry: it takes the
/// fewest guest instructions and a random seed. Another ELF is entered by PVH if it has that
/// entry, else by Multiboot if it has that header, else, when 64-bit, at the 64-bit entry. What is
/// no ELF needs a Multiboot header with addresses.
package enum BootImage {
    /// Largest kernel file, in bytes; one with all debugging information has a few hundred MB.
    package static let kernelLimit = 2 << 30

    /// Puts kernel, initrd, command line and tables into `memory`.
    ///
    /// Total on hostile bytes: bounded work, no trap, and nothing that the files say is believed
    /// before it is checked.
    ///
    /// - Parameters:
    ///   - kernel: Copied once, into guest memory.
    ///   - initrd: Copied once. Nil: none.
    ///   - memory: Fresh: all bytes zero.
    package static func load(
        kernel: some ByteSource, initrd: (any ByteSource)? = nil,
        configuration: BootConfiguration, into memory: GuestMemory
    ) throws(BootError) -> BootResult {
        try configuration.check()
        let map = MemoryMap(memory)
        let plan = try plan(
            kernel: kernel, entryProtocol: configuration.entryProtocol, lowEnd: map.lowEnd)
        let commandLine = try commandLine(configuration.commandLine, limit: plan.commandLineLimit)
        let initrdRange = try place(initrd, plan: plan, into: memory, lowEnd: map.lowEnd)
        for segment in plan.segments {
            try memory.put(segment.file, of: kernel, .kernel, at: segment.start)
        }
        try memory.put(commandLine, at: BootLayout.commandLine)
        let apicIDs = (0..<UInt32(configuration.cpuCount)).map { $0 }
        try memory.put(MPTable.bytes(cpuCount: configuration.cpuCount), at: BootLayout.mpTable)
        try memory.put(
            ACPITables.bytes(apicIDs: apicIDs, devices: configuration.devices), at: BootLayout.acpi)

        let handover = Handover(
            map: map, initrd: initrdRange, commandLineCount: commandLine.count,
            setupHeader: plan.setupHeader, randomSeed: configuration.randomSeed)
        for piece in handover.pieces(plan.entryProtocol) {
            try memory.put(piece.bytes, at: piece.address)
        }
        let descriptors = InitialState.descriptors(plan.entryProtocol)
        try memory.put(descriptors.bytes, at: descriptors.address)
        if plan.entryProtocol == .linux64 {
            try InitialState.eachPageTable { address, entries throws(BootError) in
                try memory.put(words: entries, at: address)
            }
        }
        return BootResult(
            entryProtocol: plan.entryProtocol, entry: plan.entry,
            state: InitialState.state(plan.entryProtocol, entry: plan.entry), kernel: plan.extent,
            initrd: initrdRange)
    }

    /// Recognizes a kernel file and works out what goes where.
    static func plan(
        kernel source: some ByteSource, entryProtocol: BootProtocol?, lowEnd: UInt64
    ) throws(BootError) -> KernelPlan {
        guard source.byteCount > 0 else { throw .empty(.kernel) }
        guard source.byteCount <= kernelLimit else {
            throw .tooLarge(.kernel, byteCount: source.byteCount, limit: kernelLimit)
        }
        let kernel = KernelFile(source)
        let first = kernel.head
        let head = first.span
        guard !head.isEmpty else { throw .unreadable(.kernel) }
        if LinuxImage.matches(head) {
            guard entryProtocol == nil || entryProtocol == .linux64 else {
                throw .unsupported(.entry(entryProtocol ?? .linux64))
            }
            return try LinuxImage(kernel).plan(lowEnd: lowEnd)
        }
        let multiboot = MultibootHeader(head)
        if ELFImage.matches(head) {
            return try plan(
                try ELFImage(kernel), multiboot, kernel, entryProtocol: entryProtocol,
                lowEnd: lowEnd)
        }
        guard let multiboot, multiboot.hasAddresses else {
            throw explanation(of: head)
        }
        guard entryProtocol == nil || entryProtocol == .multiboot else {
            throw .unsupported(.entry(entryProtocol ?? .multiboot))
        }
        return try plan(multiboot, kernel, nil, lowEnd: lowEnd)
    }

    private static func plan(
        _ image: ELFImage, _ multiboot: MultibootHeader?, _ file: KernelFile,
        entryProtocol wish: BootProtocol?, lowEnd: UInt64
    ) throws(BootError) -> KernelPlan {
        let entryProtocol: BootProtocol
        if let wish {
            entryProtocol = wish
        } else {
            entryProtocol = try preferred(image, multiboot)
        }
        switch entryProtocol {
        case .linux64:
            guard image.is64 else { throw .unsupported(.entry(.linux64)) }
            return try KernelPlan(
                .linux64, image.loads.map(\.segment), entry: try image.physicalEntry(),
                lowEnd: lowEnd)
        case .pvh:
            guard let entry = image.pvhEntry else { throw .unsupported(.entry(.pvh)) }
            return try KernelPlan(.pvh, image.loads.map(\.segment), entry: entry, lowEnd: lowEnd)
        case .multiboot:
            guard let multiboot else { throw .unsupported(.entry(.multiboot)) }
            return try plan(multiboot, file, image, lowEnd: lowEnd)
        }
    }

    /// The entry that suits an ELF kernel. See the type's own words.
    private static func preferred(
        _ image: ELFImage, _ multiboot: MultibootHeader?
    ) throws(BootError) -> BootProtocol {
        if image.is64 && image.saysLinux { return .linux64 }
        if image.pvhEntry != nil { return .pvh }
        if multiboot != nil { return .multiboot }
        guard image.is64 else { throw .unsupported(.elf32) }
        return .linux64
    }

    private static func plan(
        _ header: MultibootHeader, _ file: KernelFile, _ image: ELFImage?, lowEnd: UInt64
    ) throws(BootError) -> KernelPlan {
        try header.checkFlags()
        if header.hasAddresses {
            let (segment, entry) = try header.addresses(file)
            return try KernelPlan(.multiboot, [segment], entry: entry, lowEnd: lowEnd)
        }
        guard let image else { throw .unsupported(.entry(.multiboot)) }
        return try KernelPlan(
            .multiboot, image.loads.map(\.segment), entry: try image.physicalEntry(),
            lowEnd: lowEnd)
    }

    /// What a file is that is no kernel of ours.
    private static func explanation(of file: Span<UInt8>) -> BootError {
        let formats: [(name: String, magic: [UInt8])] = [
            ("gzip", [0x1f, 0x8b]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]),
            ("zstd", [0x28, 0xb5, 0x2f, 0xfd]), ("bzip2", [0x42, 0x5a, 0x68]),
            ("lz4", [0x02, 0x21, 0x4c, 0x18]), ("lz4", [0x04, 0x22, 0x4d, 0x18]),
        ]
        for format in formats where file.has(format.magic, at: 0) {
            return .unsupported(.compressed(format.name))
        }
        if file.has([UInt8]("ARMd".utf8), at: 56) {
            return .wrongArchitecture("64-bit Arm (AArch64)")
        }
        if file.has([UInt8]("RSC\u{5}".utf8), at: 56) {
            return .wrongArchitecture("64-bit RISC-V")
        }
        return .unrecognized((0..<min(4, file.count)).map { file[$0] })
    }

    /// The command line with its NUL.
    private static func commandLine(_ text: String, limit: Int) throws(BootError) -> [UInt8] {
        var bytes = [UInt8](text.utf8)
        if let position = bytes.firstIndex(of: 0) {
            throw .commandLine(byteCount: bytes.count, limit: limit - 1, firstNUL: position)
        }
        guard bytes.count < limit else {
            throw .commandLine(byteCount: bytes.count, limit: limit - 1, firstNUL: nil)
        }
        bytes.append(0)
        return bytes
    }

    private static func place(
        _ initrd: (any ByteSource)?, plan: KernelPlan, into memory: GuestMemory, lowEnd: UInt64
    ) throws(BootError) -> Range<UInt64>? {
        guard let initrd else { return nil }
        let count = initrd.byteCount
        guard count > 0 else { throw .empty(.initrd) }
        let address = try plan.initrdAddress(byteCount: count, lowEnd: lowEnd)
        try memory.put(0..<count, of: initrd, .initrd, at: address)
        return address..<(address + UInt64(count))
    }
}

extension GuestMemory {
    /// Writes what was placed; that it is RAM has been checked before.
    fileprivate func put(_ bytes: [UInt8], at address: UInt64) throws(BootError) {
        try put(0..<bytes.count, of: ByteArray(bytes), .kernel, at: address)
    }

    /// Writes words to where they were placed, which is RAM in any machine.
    fileprivate func put(words: [UInt64], at address: UInt64) throws(BootError) {
        do throws(MemoryError) {
            try write(words: words, at: GuestAddress(address))
        } catch {
            throw outside(end: address &+ UInt64(words.count * 8))
        }
    }

    private func outside(end: UInt64) -> BootError {
        .kernelOutsideMemory(end: end, limit: regions[0].byteCount)
    }

    /// Copies a part of a file to where it was placed.
    fileprivate func put(
        _ range: Range<Int>, of source: some ByteSource, _ file: BootError.File,
        at address: UInt64
    ) throws(BootError) {
        let isThere: Bool
        do throws(MemoryError) {
            isThere = try source.copy(range, to: self, at: GuestAddress(address))
        } catch {
            throw outside(end: address &+ UInt64(range.count))
        }
        guard isThere else { throw .unreadable(file) }
    }
}
