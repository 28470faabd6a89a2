// SPDX-License-Identifier: Apache-2.0

/// The parts of an ELF file that a kernel loader needs. System V ABI, chapters 4 and 5.
struct ELFImage {
    /// Kernels have fewer than ten.
    static let mostProgramHeaders = 64
    /// Notes beyond this many bytes of a segment are not looked at; kernels have some hundred.
    static let noteLimit = 64 << 10

    /// One loadable segment that takes memory.
    struct Load {
        let segment: KernelSegment
        let virtual: UInt64
    }

    private struct ProgramHeader {
        let type, offset, virtual, physical, inFile, inMemory: UInt64
    }

    let is64: Bool
    let entry: UInt64
    private(set) var loads: [Load] = []
    /// A note whose owner is "Linux", as every Linux since 4.19 carries one.
    private(set) var saysLinux = false
    /// Xen note 18: the 32-bit entry for PVH.
    private(set) var pvhEntry: UInt64?

    static func matches(_ file: Span<UInt8>) -> Bool {
        file.has([0x7f, 0x45, 0x4c, 0x46], at: 0)
    }

    init(_ file: KernelFile) throws(BootError) {
        let first = file.head
        let head = first.span
        is64 = try Self.checkIdentity(head)
        let wide = is64
        guard let type = head.little16(at: 16),
            let entry = wide ? head.little64(at: 24) : head.little32(at: 24).map(UInt64.init),
            let table = wide ? head.little64(at: 32) : head.little32(at: 28).map(UInt64.init),
            let size = head.little16(at: wide ? 54 : 42),
            let count = head.little16(at: wide ? 56 : 44)
        else { throw .truncated(needed: wide ? 64 : 52, present: file.byteCount) }
        guard type == 2 || type == 3 else { throw .unsupported(.objectFile(type: type)) }
        guard size == (wide ? 56 : 32) else { throw .malformed(.programHeaderSize(size)) }
        guard 1...Self.mostProgramHeaders ~= Int(count) else {
            throw .malformed(.segmentCount(count))
        }
        self.entry = entry
        let (end, overflow) = table.addingReportingOverflow(UInt64(size) * UInt64(count))
        guard !overflow, end <= UInt64(file.byteCount) else {
            throw .truncated(needed: overflow ? .max : end, present: file.byteCount)
        }
        let headers = file.bytes(in: Int(table)..<Int(end))
        for index in 0..<Int(count) {
            guard
                let header = Self.programHeader(
                    headers.span, at: index * Int(size), wide: wide)
            else { throw .unreadable(.kernel) }
            switch header.type {
            case 1: try addLoad(header, index, fileSize: file.byteCount)
            case 4:
                let range = try Self.bytes(of: header, index, fileSize: file.byteCount)
                readNotes(file.bytes(in: range.prefix(Self.noteLimit)).span)
            default: break
            }
        }
        guard !loads.isEmpty else { throw .malformed(.nothingToLoad) }
    }

    /// Where `entry` is in guest-physical space. Linux gives its entry as a physical address,
    /// others as a virtual one.
    func physicalEntry() throws(BootError) -> UInt64 {
        for load in loads where load.segment.start <= entry && entry < load.segment.end {
            return entry
        }
        for load in loads {
            let offset = entry &- load.virtual
            if entry >= load.virtual, offset < load.segment.byteCount {
                return load.segment.start &+ offset
            }
        }
        throw .malformed(.entryOutside(entry))
    }

    /// Answers if the file is of the 64-bit class.
    private static func checkIdentity(_ file: Span<UInt8>) throws(BootError) -> Bool {
        guard let fileClass = file.byte(at: 4), let order = file.byte(at: 5),
            let low = file.byte(at: 18), let high = file.byte(at: 19)
        else { throw .truncated(needed: 52, present: file.count) }
        let machine =
            order == 2 ? UInt16(low) << 8 | UInt16(high) : UInt16(high) << 8 | UInt16(low)
        guard order == 1 || order == 2, fileClass == 1 || fileClass == 2 else {
            throw .unrecognized([0x7f, 0x45, 0x4c, 0x46])
        }
        guard order == 1, machine == 62 || machine == 3 else {
            throw .wrongArchitecture(name(ofMachine: machine, is64: fileClass == 2))
        }
        return fileClass == 2
    }

    private static func name(ofMachine machine: UInt16, is64: Bool) -> String {
        switch machine {
        case 8: "MIPS"
        case 20: "PowerPC"
        case 21: "64-bit PowerPC"
        case 22: "IBM Z (s390x)"
        case 40: "32-bit Arm"
        case 183: "64-bit Arm (AArch64)"
        case 243: is64 ? "64-bit RISC-V" : "32-bit RISC-V"
        case 258: "LoongArch"
        default: "another architecture (ELF machine \(machine))"
        }
    }

    private static func programHeader(
        _ file: Span<UInt8>, at offset: Int, wide: Bool
    ) -> ProgramHeader? {
        func word(_ wideOffset: Int, _ narrowOffset: Int) -> UInt64? {
            wide
                ? file.little64(at: offset + wideOffset)
                : file.little32(at: offset + narrowOffset).map(UInt64.init)
        }
        guard let type = file.little32(at: offset), let fileOffset = word(8, 4),
            let virtual = word(16, 8), let physical = word(24, 12), let inFile = word(32, 16),
            let inMemory = word(40, 20)
        else { return nil }
        return ProgramHeader(
            type: UInt64(type), offset: fileOffset, virtual: virtual, physical: physical,
            inFile: inFile, inMemory: inMemory)
    }

    private static func bytes(
        of header: ProgramHeader, _ index: Int, fileSize: Int
    ) throws(BootError) -> Range<Int> {
        let (end, overflow) = header.offset.addingReportingOverflow(header.inFile)
        guard !overflow, end <= UInt64(fileSize) else {
            throw .malformed(
                .segmentBytes(
                    index: index, offset: header.offset, count: header.inFile, fileSize: fileSize))
        }
        return Int(header.offset)..<Int(end)
    }

    private mutating func addLoad(
        _ header: ProgramHeader, _ index: Int, fileSize: Int
    ) throws(BootError) {
        guard header.inFile <= header.inMemory else {
            throw .malformed(
                .segmentShrinks(index: index, inFile: header.inFile, inMemory: header.inMemory))
        }
        guard header.inMemory > 0 else { return }
        let file = try Self.bytes(of: header, index, fileSize: fileSize)
        guard !header.physical.addingReportingOverflow(header.inMemory).overflow else {
            throw .malformed(
                .segmentWraps(index: index, address: header.physical, count: header.inMemory))
        }
        let segment = KernelSegment(
            file: file, start: header.physical, byteCount: header.inMemory)
        loads.append(Load(segment: segment, virtual: header.virtual))
    }

    /// Looks through a note segment; a note that reaches out of it ends the search.
    private mutating func readNotes(_ notes: Span<UInt8>) {
        var offset = 0
        while let nameSize = notes.little32(at: offset), let size = notes.little32(at: offset + 4),
            let type = notes.little32(at: offset + 8)
        {
            let name = offset + 12
            let value = name + (Int(nameSize) + 3) & ~3
            let next = value + (Int(size) + 3) & ~3
            guard notes.holds(Int(nameSize), at: name), notes.holds(Int(size), at: value) else {
                return
            }
            if nameSize == 6, notes.has([UInt8]("Linux\0".utf8), at: name) { saysLinux = true }
            if nameSize == 4, type == 18, notes.has([UInt8]("Xen\0".utf8), at: name) {
                pvhEntry =
                    size >= 8
                    ? notes.little64(at: value) : notes.little32(at: value).map(UInt64.init)
            }
            offset = next
        }
    }
}
