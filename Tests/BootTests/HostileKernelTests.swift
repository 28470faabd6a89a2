// SPDX-License-Identifier: Apache-2.0
import Memory
import Testing

@testable import Boot

/// Files that must be refused, each with its own reason.
@Suite struct HostileKernelTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        let what: String
        let file: [UInt8]
        let error: BootError
        var wish: BootProtocol?
        var testDescription: String { what }

        init(_ what: String, _ file: [UInt8], _ error: BootError, _ wish: BootProtocol? = nil) {
            self.what = what
            self.file = file
            self.error = error
            self.wish = wish
        }
    }

    static let lowEnd: UInt64 = 64 << 20

    static func elf(_ change: (inout ELFFile) -> Void) -> [UInt8] {
        var file = ELFFile()
        change(&file)
        return file.bytes
    }

    static func bzImage(_ change: (inout BzImageFile) -> Void) -> [UInt8] {
        var file = BzImageFile()
        change(&file)
        return file.bytes
    }

    static func multiboot(_ change: (inout MultibootFile) -> Void) -> [UInt8] {
        var file = MultibootFile()
        change(&file)
        return file.bytes
    }

    static let elfSize = ELFFile().bytes.count

    static let elfRefusals: [Refusal] = [
        Refusal("nothing", [], .empty(.kernel)),
        Refusal(
            "the magic and no more", [0x7f, 0x45, 0x4c, 0x46], .truncated(needed: 52, present: 4)),
        Refusal(
            "a header cut short", [UInt8](ELFFile().bytes.prefix(40)),
            .truncated(needed: 64, present: 40)),
        Refusal(
            "program headers cut short", [UInt8](ELFFile().bytes.prefix(100)),
            .truncated(needed: 120, present: 100)),
        Refusal(
            "code cut short", [UInt8](ELFFile().bytes.prefix(120)),
            .malformed(.segmentBytes(index: 0, offset: 120, count: 1, fileSize: 120))),
        Refusal("AArch64", elf { $0.machine = 183 }, .wrongArchitecture("64-bit Arm (AArch64)")),
        Refusal("RISC-V", elf { $0.machine = 243 }, .wrongArchitecture("64-bit RISC-V")),
        Refusal(
            "an unheard-of machine", elf { $0.machine = 0xbeef },
            .wrongArchitecture("another architecture (ELF machine 48879)")),
        Refusal("an object file", elf { $0.type = 1 }, .unsupported(.objectFile(type: 1))),
        Refusal("a core file", elf { $0.type = 4 }, .unsupported(.objectFile(type: 4))),
        Refusal(
            "32 bits without other entry",
            elf {
                $0.is64 = false
                $0.machine = 3
            }, .unsupported(.elf32)),
        Refusal(
            "odd program headers", elf { $0.programHeaderSize = 32 },
            .malformed(.programHeaderSize(32))),
        Refusal(
            "no program headers", elf { $0.programHeaderCount = 0 }, .malformed(.segmentCount(0))),
        Refusal(
            "65,535 program headers", elf { $0.programHeaderCount = 0xffff },
            .malformed(.segmentCount(0xffff))),
        Refusal(
            "program headers past the file", elf { $0.programHeaderOffset = 1 << 40 },
            .truncated(needed: 1 << 40 + 56, present: elfSize)),
        Refusal(
            "program headers that wrap", elf { $0.programHeaderOffset = .max - 8 },
            .truncated(needed: .max, present: elfSize)),
        Refusal("only notes", elf { $0.segments[0].type = 4 }, .malformed(.nothingToLoad)),
        Refusal(
            "only a segment of no size", elf { $0.segments[0].bytes = [] },
            .malformed(.nothingToLoad)),
        Refusal(
            "a segment past the file", elf { $0.segments[0].inFile = 1000 },
            .malformed(.segmentBytes(index: 0, offset: 120, count: 1000, fileSize: elfSize))),
        Refusal(
            "a segment whose offset wraps", elf { $0.segments[0].offset = .max },
            .malformed(.segmentBytes(index: 0, offset: .max, count: 1, fileSize: elfSize))),
        Refusal(
            "a note segment past the file",
            elf { $0.segments.append(ELFFile.Segment(type: 4, offset: 1 << 50, inFile: 16)) },
            .malformed(.segmentBytes(index: 1, offset: 1 << 50, count: 16, fileSize: 181))),
        Refusal(
            "more in the file than in memory", elf { $0.segments[0].inMemory = 0 },
            .malformed(.segmentShrinks(index: 0, inFile: 1, inMemory: 0))),
        Refusal(
            "an address that wraps",
            elf {
                $0.segments[0].physical = .max - 1
                $0.segments[0].inMemory = 4096
            }, .malformed(.segmentWraps(index: 0, address: .max - 1, count: 4096))),
        Refusal(
            "segments that overlap",
            elf {
                $0.segments[0].inMemory = 0x2000
                $0.segments.append(ELFFile.Segment(physical: 0x10_1fff))
            }, .malformed(.segmentsOverlap(0x10_0000, 0x10_1fff))),
        Refusal(
            "a kernel over the zero page", elf { $0.segments[0].physical = 0x7000 },
            .overlapsTables(0x7000)),
        Refusal(
            "a kernel at 0", elf { $0.segments[0].physical = 0 }, .overlapsTables(0)),
        Refusal(
            "a bss beyond RAM", elf { $0.segments[0].inMemory = 1 << 30 },
            .kernelOutsideMemory(end: 1 << 30 + 0x10_0000, limit: lowEnd)),
        Refusal(
            "a kernel in the hole", elf { $0.segments[0].physical = 0xd000_0000 },
            .kernelOutsideMemory(end: 0xd000_0001, limit: lowEnd)),
        Refusal(
            "an entry in no segment", elf { $0.entry = 0x20_0000 },
            .malformed(.entryOutside(0x20_0000))),
        Refusal(
            "a PVH entry in no segment",
            elf { $0.segments.append(ELFFile.pvhNote(0xffff_ffff_ffff)) },
            .malformed(.entryOutside(0xffff_ffff_ffff))),
        Refusal("PVH asked for, not there", elf { _ in }, .unsupported(.entry(.pvh)), .pvh),
        Refusal(
            "Multiboot asked for, not there", elf { _ in }, .unsupported(.entry(.multiboot)),
            .multiboot),
    ]

    static let otherRefusals: [Refusal] = [
        Refusal("text", [UInt8]("#!/bin/sh\n".utf8), .unrecognized([0x23, 0x21, 0x2f, 0x62])),
        Refusal("one byte", [0x7f], .unrecognized([0x7f])),
        Refusal("gzip", [0x1f, 0x8b, 8, 0], .unsupported(.compressed("gzip"))),
        Refusal("zstd", [0x28, 0xb5, 0x2f, 0xfd, 0], .unsupported(.compressed("zstd"))),
        Refusal(
            "an Arm Image", [UInt8](repeating: 0, count: 56) + [UInt8]("ARMd".utf8),
            .wrongArchitecture("64-bit Arm (AArch64)")),
        Refusal("a 32-bit bzImage", bzImage { $0.extendedFlags = 0 }, .unsupported(.linux32)),
        Refusal(
            "an old bzImage", bzImage { $0.version = 0x20b }, .unsupported(.linuxProtocol(0x20b))),
        Refusal("a zImage", bzImage { $0.loadFlags = 0 }, .unsupported(.lowLinux)),
        Refusal(
            "a bzImage of 600 bytes", [UInt8](BzImageFile().bytes.prefix(600)),
            .truncated(needed: 0x268, present: 600)),
        Refusal(
            "a bzImage cut before its kernel", [UInt8](BzImageFile().bytes.prefix(1024)),
            .truncated(needed: 2048, present: 1024)),
        Refusal(
            "a bzImage cut in its kernel", [UInt8](BzImageFile().bytes.prefix(2032)),
            .truncated(needed: 2048, present: 2032)),
        Refusal(
            "a bzImage of 64 GiB", bzImage { $0.paragraphs = .max },
            .truncated(needed: UInt64(UInt32.max) * 16 + 1024, present: 2048)),
        Refusal(
            "a short setup header", bzImage { $0.jump = 0x20 },
            .malformed(.setupHeader(byteCount: 0x222 - 0x1f1))),
        Refusal(
            "a long setup header", bzImage { $0.jump = 0xff },
            .malformed(.setupHeader(byteCount: 0x301 - 0x1f1))),
        Refusal("alignment 0", bzImage { $0.alignment = 0 }, .malformed(.alignment(0))),
        Refusal("alignment 3", bzImage { $0.alignment = 3 }, .malformed(.alignment(3))),
        Refusal(
            "init_size beyond RAM", bzImage { $0.initSize = .max },
            .kernelOutsideMemory(end: 0x20_0000 + UInt64(UInt32.max), limit: lowEnd)),
        Refusal(
            "a fixed address that wraps",
            bzImage {
                $0.isRelocatable = false
                $0.preferred = .max - 16
            }, .kernelOutsideMemory(end: .max, limit: lowEnd)),
        Refusal(
            "a fixed low address",
            bzImage {
                $0.isRelocatable = false
                $0.preferred = 0x9000
            }, .overlapsTables(0x9000)),
        Refusal("PVH asked of a bzImage", bzImage { _ in }, .unsupported(.entry(.pvh)), .pvh),
        Refusal(
            "unknown Multiboot demands", multiboot { $0.flags = 1 << 16 | 1 << 5 },
            .unsupported(.multibootFlags(1 << 16 | 1 << 5))),
        Refusal(
            "a wrong Multiboot checksum", multiboot { $0.checksum = 1 },
            .unrecognized([0xf4, 0xf4, 0xf4, 0xf4])),
        Refusal(
            "a Multiboot header in no ELF without addresses", multiboot { $0.flags = 0 },
            .unrecognized([0xf4, 0xf4, 0xf4, 0xf4])),
        Refusal(
            "a header below its load address", multiboot { $0.header = 0xf_ffff },
            .malformed(.multibootAddresses)),
        Refusal(
            "a load address before the file", multiboot { $0.header = 0x20_0000 },
            .malformed(.multibootAddresses)),
        Refusal(
            "a load end before the start", multiboot { $0.loadEnd = 0x10_0000 },
            .malformed(.multibootAddresses)),
        Refusal(
            "a load end past the file", multiboot { $0.loadEnd = 0x20_0000 },
            .truncated(needed: 0x10_0000, present: 112)),
        Refusal(
            "a bss before the load end", multiboot { $0.bssEnd = 0x10_0001 },
            .malformed(.multibootAddresses)),
        Refusal(
            "a bss beyond RAM", multiboot { $0.bssEnd = .max },
            .kernelOutsideMemory(end: UInt64(UInt32.max), limit: lowEnd)),
        Refusal(
            "a Multiboot entry outside", multiboot { $0.entry = 0 }, .malformed(.entryOutside(0))),
        Refusal(
            "a header cut short", [UInt8](MultibootFile().bytes.prefix(40)),
            .truncated(needed: 48, present: 40)),
        Refusal(
            "64-bit entry asked of Multiboot", multiboot { _ in }, .unsupported(.entry(.linux64)),
            .linux64),
    ]

    @Test(arguments: elfRefusals + otherRefusals)
    func `is refused with its reason`(_ refusal: Refusal) {
        let error = #expect(throws: BootError.self) {
            do throws(BootError) {
                _ = try BootImage.plan(
                    kernel: ByteArray(refusal.file), entryProtocol: refusal.wish,
                    lowEnd: Self.lowEnd)
            } catch { throw error }
        }
        #expect(error == refusal.error)
        let text = error?.description ?? ""
        #expect(!text.isEmpty && !text.contains("\n") && !text.hasSuffix("."))
    }

    @Test func `an open note and a note of 4 GiB end the search and nothing else`() throws {
        for nameSize in [0, 5, 0xffff_fff0, .max] as [UInt32] {
            var note: [UInt8] = []
            note.append(little: nameSize)
            note.append(little: UInt32.max)
            note.append(little: UInt32(18))
            let file = Self.elf { $0.segments.append(ELFFile.Segment(type: 4, bytes: note)) }
            let plan = try BootImage.plan(
                kernel: ByteArray(file), entryProtocol: nil, lowEnd: Self.lowEnd)
            #expect(plan.entryProtocol == .linux64)
        }
    }

    /// A file that has fewer bytes than it said when it was opened.
    private struct ShortenedFile: ByteSource {
        let now: ByteArray
        let byteCount: Int

        func bytes(in range: Range<Int>) -> [UInt8]? { now.bytes(in: range) }

        func copy(
            _ range: Range<Int>, to memory: GuestMemory, at address: GuestAddress
        ) throws(MemoryError) -> Bool {
            try now.copy(range, to: memory, at: address)
        }
    }

    @Test func `a kernel or initrd that is shortened while it is read is refused`() throws {
        let whole = Self.elf { $0.segments[0].bytes = [UInt8](repeating: 0x90, count: 100_000) }
        let memory = try GuestMemory(byteCount: Self.lowEnd)
        for count in [0, 60, 64, 100, 119, 120, 70_000, whole.count - 1] {
            let file = ShortenedFile(
                now: ByteArray(Array(whole.prefix(count))), byteCount: whole.count)
            #expect(throws: BootError.unreadable(.kernel)) {
                _ = try BootImage.load(kernel: file, configuration: .init(), into: memory)
            }
            let initrd = ShortenedFile(
                now: ByteArray(Array(whole.prefix(count))), byteCount: whole.count)
            #expect(throws: BootError.unreadable(.initrd)) {
                _ = try BootImage.load(
                    kernel: ByteArray(whole), initrd: initrd, configuration: .init(), into: memory)
            }
        }
        #expect(
            "\(BootError.unreadable(.initrd))" == "the initrd file could not be read to its end")
    }
}
