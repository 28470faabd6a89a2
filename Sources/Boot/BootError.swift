// SPDX-License-Identifier: Apache-2.0
import Memory

/// Why a machine cannot be started from what it was given. Nothing has been started; guest
/// memory may hold parts of the kernel.
package enum BootError: Error, Hashable {
    package enum File: String, Hashable, Sendable {
        case kernel, initrd
    }

    /// Kernels that are well-formed and not for us.
    package enum Unsupported: Hashable, Sendable {
        case compressed(String)
        case linux32
        /// A 32-bit ELF with neither a Multiboot nor a PVH entry.
        case elf32
        case linuxProtocol(UInt16)
        case lowLinux
        case objectFile(type: UInt16)
        case multibootFlags(UInt32)
        /// The kernel has no entry of the protocol that was asked for.
        case entry(BootProtocol)
    }

    /// Headers that contradict themselves or the file.
    package enum Malformed: Hashable, Sendable {
        case programHeaderSize(UInt16)
        case segmentCount(UInt16)
        case nothingToLoad
        case segmentBytes(index: Int, offset: UInt64, count: UInt64, fileSize: Int)
        case segmentShrinks(index: Int, inFile: UInt64, inMemory: UInt64)
        case segmentWraps(index: Int, address: UInt64, count: UInt64)
        case segmentsOverlap(UInt64, UInt64)
        case entryOutside(UInt64)
        case setupHeader(byteCount: Int)
        case alignment(UInt32)
        case multibootAddresses
    }

    package enum Configuration: Hashable, Sendable {
        case cpuCount(Int)
        case randomSeed(Int)
        case window(MMIODevice)
        case interrupt(MMIODevice)
    }

    case empty(File)
    case tooLarge(File, byteCount: Int, limit: Int)
    case truncated(needed: UInt64, present: Int)
    /// The file became shorter while it was read, or its medium failed.
    case unreadable(File)
    /// The first bytes, at most four.
    case unrecognized([UInt8])
    case wrongArchitecture(String)
    case unsupported(Unsupported)
    case malformed(Malformed)
    /// A part of the kernel would lie below 1 MiB, where the monitor's tables are.
    case overlapsTables(UInt64)
    /// The kernel needs RAM up to `end`; below the hole for devices it ends at `limit`.
    case kernelOutsideMemory(end: UInt64, limit: UInt64)
    case initrdDoesNotFit(byteCount: Int, room: UInt64)
    case commandLine(byteCount: Int, limit: Int, firstNUL: Int?)
    case configuration(Configuration)
}

extension BootError: CustomStringConvertible {
    /// One sentence: what is wrong and, where one can say, what would be right.
    package var description: String {
        switch self {
        case .empty(let file): "the \(file.rawValue) file is empty"
        case .tooLarge(let file, let byteCount, let limit):
            "the \(file.rawValue) file has \(byteCount) bytes; at most \(limit) are accepted"
        case .truncated(let needed, let present):
            "the kernel file is truncated: its headers speak of \(needed) bytes, it has \(present)"
        case .unreadable(let file): "the \(file.rawValue) file could not be read to its end"
        case .unrecognized(let first):
            "the kernel file (first bytes: \(hex(first))) is no ELF, bzImage or Multiboot kernel"
        case .wrongArchitecture(let name):
            "the kernel is built for \(name); this machine is x86-64"
        case .unsupported(let reason): reason.description
        case .malformed(let reason): "the kernel file is damaged: \(reason)"
        case .overlapsTables(let address):
            "the kernel wants to be loaded at \(hex(address)); memory below 0x100000 is taken"
        case .kernelOutsideMemory(let end, let limit):
            "too little memory for this kernel: it reaches up to \(hex(end)), "
                + "and RAM for it ends at \(hex(limit))"
        case .initrdDoesNotFit(let byteCount, let room):
            "too little memory for this initrd of \(byteCount) bytes: "
                + "beside the kernel there is room for \(room)"
        case .commandLine(_, _, let position?):
            "the kernel command line has a NUL character at position \(position)"
        case .commandLine(let byteCount, let limit, nil):
            "the kernel command line has \(byteCount) bytes; this kernel takes at most \(limit)"
        case .configuration(let reason): reason.description
        }
    }
}

extension BootError.Unsupported: CustomStringConvertible {
    package var description: String {
        switch self {
        case .compressed(let format):
            "the kernel file is compressed with \(format); unpack it first"
        case .linux32: "the kernel is a 32-bit Linux; a 64-bit one is needed"
        case .elf32:
            "the kernel is a 32-bit ELF file without Multiboot or PVH entry; "
                + "a Linux kernel must be a 64-bit one"
        case .linuxProtocol(let version):
            "the kernel speaks Linux boot protocol \(version >> 8).\(version & 0xff); "
                + "2.12 or later is needed"
        case .lowLinux: "the kernel is a zImage for low memory; a bzImage is needed"
        case .objectFile(let type):
            "the kernel file is an ELF file of type \(type); an executable (type 2) is needed"
        case .multibootFlags(let flags):
            "the kernel demands Multiboot features that do not exist (flags \(hex(UInt64(flags))))"
        case .entry(.linux64): "the kernel has no 64-bit Linux entry"
        case .entry(.pvh): "the kernel has no PVH entry (Xen note 18)"
        case .entry(.multiboot): "the kernel has no Multiboot header in its first 8 KiB"
        }
    }
}

extension BootError.Malformed: CustomStringConvertible {
    package var description: String {
        switch self {
        case .programHeaderSize(let size): "program headers of \(size) bytes"
        case .segmentCount(let count):
            "\(count) program headers; between 1 and \(ELFImage.mostProgramHeaders) are accepted"
        case .nothingToLoad: "it has nothing to load"
        case .segmentBytes(let index, let offset, let count, let fileSize):
            "segment \(index) names \(count) bytes at \(offset) of a file of \(fileSize) bytes"
        case .segmentShrinks(let index, let inFile, let inMemory):
            "segment \(index) has \(inFile) bytes in the file but \(inMemory) in memory"
        case .segmentWraps(let index, let address, let count):
            "segment \(index) at \(hex(address)) with \(count) bytes leaves the address space"
        case .segmentsOverlap(let one, let other):
            "the segments at \(hex(one)) and \(hex(other)) overlap"
        case .entryOutside(let entry): "its entry point \(hex(entry)) is in no segment"
        case .setupHeader(let byteCount): "a Linux setup header of \(byteCount) bytes"
        case .alignment(let alignment): "an alignment of \(alignment) is no power of two"
        case .multibootAddresses: "the addresses in its Multiboot header contradict each other"
        }
    }
}

extension BootError.Configuration: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cpuCount(let count):
            "\(count) processors; between 1 and \(BootLayout.mostCPUs) are possible"
        case .randomSeed(let count):
            "a random seed of \(count) bytes; at most "
                + "\(BootConfiguration.randomSeedLimit) are accepted"
        case .window(let device):
            "the device window of \(device.byteCount) bytes at \(hex(device.base)) "
                + "is misplaced or taken"
        case .interrupt(let device): "interrupt \(device.gsi) is not for devices or taken"
        }
    }
}

private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
