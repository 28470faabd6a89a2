// SPDX-License-Identifier: Apache-2.0
@testable import Boot

/// A tiny ELF kernel, right in every field until a test changes one.
struct ELFFile {
    struct Segment {
        var type: UInt32 = 1
        var virtual: UInt64 = 0x10_0000
        var physical: UInt64 = 0x10_0000
        var bytes: [UInt8] = [0xf4]
        var inMemory: UInt64?
        /// Instead of the true ones.
        var offset: UInt64?
        var inFile: UInt64?
    }

    var is64 = true
    var type: UInt16 = 2
    var machine: UInt16 = 62
    var entry: UInt64 = 0x10_0000
    var segments = [Segment()]
    var programHeaderSize: UInt16?
    var programHeaderCount: UInt16?
    var programHeaderOffset: UInt64?
    /// Put right behind the program headers.
    var padding: [UInt8] = []

    static func note(owner: String, type: UInt32, _ value: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: UInt32(owner.utf8.count + 1))
        bytes.append(little: UInt32(value.count))
        bytes.append(little: type)
        bytes += [UInt8](owner.utf8) + [0]
        while bytes.count % 4 != 0 { bytes.append(0) }
        bytes += value
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }

    static let linuxNote = Segment(type: 4, bytes: note(owner: "Linux", type: 0x100, []))

    static func pvhNote(_ entry: UInt64, wide: Bool = true) -> Segment {
        var value: [UInt8] = []
        if wide { value.append(little: entry) } else { value.append(little: UInt32(entry)) }
        return Segment(type: 4, bytes: note(owner: "Xen", type: 18, value))
    }

    static let multibootHeader: [UInt8] = {
        var bytes: [UInt8] = []
        bytes.append(little: MultibootHeader.magic)
        bytes.append(little: UInt32(3))
        bytes.append(little: 0 &- MultibootHeader.magic &- 3)
        return bytes
    }()

    var bytes: [UInt8] {
        let headerCount = is64 ? 64 : 52
        let entryCount = is64 ? 56 : 32
        var data = padding
        var table: [UInt8] = []
        let dataStart = headerCount + entryCount * segments.count
        for segment in segments {
            while data.count % 4 != 0 { data.append(0) }
            let offset = segment.offset ?? UInt64(dataStart + data.count)
            let inFile = segment.inFile ?? UInt64(segment.bytes.count)
            let inMemory = segment.inMemory ?? inFile
            table += programHeader(segment, offset: offset, inFile: inFile, inMemory: inMemory)
            data += segment.bytes
        }
        return header(headerCount: headerCount, entryCount: entryCount) + table + data
    }

    private func header(headerCount: Int, entryCount: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]
        bytes += [UInt8](repeating: 0, count: 9)
        bytes.append(little: type)
        bytes.append(little: machine)
        bytes.append(little: UInt32(1))
        appendWord(&bytes, entry)
        appendWord(&bytes, programHeaderOffset ?? UInt64(headerCount))
        appendWord(&bytes, 0)
        bytes.append(little: UInt32(0))
        bytes.append(little: UInt16(headerCount))
        bytes.append(little: programHeaderSize ?? UInt16(entryCount))
        bytes.append(little: programHeaderCount ?? UInt16(segments.count))
        bytes += [UInt8](repeating: 0, count: 6)
        return bytes
    }

    private func programHeader(
        _ segment: Segment, offset: UInt64, inFile: UInt64, inMemory: UInt64
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: segment.type)
        if is64 { bytes.append(little: UInt32(7)) }
        for value in [offset, segment.virtual, segment.physical, inFile, inMemory] {
            appendWord(&bytes, value)
        }
        if !is64 { bytes.append(little: UInt32(7)) }
        appendWord(&bytes, 4096)
        return bytes
    }

    private func appendWord(_ bytes: inout [UInt8], _ value: UInt64) {
        if is64 {
            bytes.append(little: value)
        } else {
            bytes.append(little: UInt32(truncatingIfNeeded: value))
        }
    }
}

/// A tiny bzImage, right in every field until a test changes one.
struct BzImageFile {
    var version: UInt16 = 0x20f
    var loadFlags: UInt8 = 1
    var extendedFlags: UInt16 = 1
    var setupSectors: UInt8 = 1
    var paragraphs: UInt32?
    var jump: UInt8 = 0x6a
    var initrdLast: UInt32 = 0x7fff_ffff
    var alignment: UInt32 = 0x20_0000
    var isRelocatable = true
    var commandLineSize: UInt32 = 2047
    var preferred: UInt64 = 0x100_0000
    var initSize: UInt32 = 0x10_0000
    var code = [UInt8](repeating: 0x90, count: 0x400)

    var bytes: [UInt8] {
        var file = [UInt8](repeating: 0, count: (Int(setupSectors) + 1) * 512)
        file.set(setupSectors, at: 0x1f1)
        file.set(paragraphs ?? UInt32((code.count + 15) / 16), at: 0x1f4)
        file.set(UInt16(0xaa55), at: 0x1fe)
        file.set(UInt8(0xeb), at: 0x200)
        file.set(jump, at: 0x201)
        file.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
        file.set(version, at: 0x206)
        file.set(loadFlags, at: 0x211)
        file.set(initrdLast, at: 0x22c)
        file.set(alignment, at: 0x230)
        file.set(UInt8(isRelocatable ? 1 : 0), at: 0x234)
        file.set(extendedFlags, at: 0x236)
        file.set(commandLineSize, at: 0x238)
        file.set(preferred, at: 0x258)
        file.set(initSize, at: 0x260)
        return file + code
    }
}

/// A kernel that is no ELF: a Multiboot header with addresses, then code.
struct MultibootFile {
    var flags: UInt32 = 1 << 16
    var checksum: UInt32?
    var before = 16
    var header: UInt32?
    var load: UInt32 = 0x10_0000
    var loadEnd: UInt32 = 0
    var bssEnd: UInt32 = 0
    var entry: UInt32 = 0x10_0000
    var code = [UInt8](repeating: 0x90, count: 64)

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0xf4, count: before)
        bytes.append(little: MultibootHeader.magic)
        bytes.append(little: flags)
        bytes.append(little: checksum ?? (0 &- MultibootHeader.magic &- flags))
        bytes.append(little: header ?? (load &+ UInt32(before)))
        bytes.append(little: load)
        bytes.append(little: loadEnd)
        bytes.append(little: bssEnd)
        bytes.append(little: entry)
        return bytes + code
    }
}

/// Kernels to begin with when bytes are changed: one a form.
enum KernelFiles {
    static let all: [[UInt8]] = [
        ELFFile().bytes,
        ELFFile(segments: [ELFFile.Segment(inMemory: 0x3000), ELFFile.pvhNote(0x10_0000)]).bytes,
        ELFFile(segments: [ELFFile.Segment(), ELFFile.linuxNote]).bytes,
        ELFFile(is64: false, machine: 3, padding: ELFFile.multibootHeader).bytes,
        BzImageFile().bytes,
        MultibootFile().bytes,
    ]
}

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Fields of a table, read by tests; nil past its end.
extension [UInt8] {
    func word16(_ offset: Int) -> UInt16? { span.little16(at: offset) }
    func word32(_ offset: Int) -> UInt32? { span.little32(at: offset) }
    func word64(_ offset: Int) -> UInt64? { span.little64(at: offset) }
}
