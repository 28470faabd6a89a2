// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Pages mapped into this process; unmapped when their owner goes.
package struct Mapping: ~Copyable, @unchecked Sendable {
    /// Address of the first byte; page-aligned, never 0.
    package let address: UInt
    /// Length in bytes, as asked for.
    package let byteCount: Int

    /// Zeroed private pages that cost nothing until they are touched.
    ///
    /// - Parameter hugePages: Use pages of 2 MiB where the host has them for programs that ask.
    package static func anonymous(
        byteCount: Int, hugePages: Bool = false
    ) throws(Errno) -> Mapping {
        let mapping = try Mapping(
            byteCount: byteCount, protection: PROT_READ | PROT_WRITE,
            flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, descriptor: -1, offset: 0)
        // A host without them has small ones.
        if hugePages { try? mapping.advise(MADV_HUGEPAGE) }
        return mapping
    }

    /// Shared pages of a file. `offset` is page-aligned.
    package static func shared(
        _ file: borrowing FileDescriptor, byteCount: Int, offset: Int64 = 0, prefault: Bool = false
    ) throws(Errno) -> Mapping {
        try Mapping(
            byteCount: byteCount, protection: PROT_READ | PROT_WRITE,
            flags: MAP_SHARED | MAP_NORESERVE | (prefault ? MAP_POPULATE : 0),
            descriptor: file.rawValue, offset: offset)
    }

    /// Private read-only pages of a file. `offset` is page-aligned.
    package static func readOnly(
        _ file: borrowing FileDescriptor, byteCount: Int, offset: Int64 = 0
    ) throws(Errno) -> Mapping {
        try Mapping(
            byteCount: byteCount, protection: PROT_READ, flags: MAP_PRIVATE,
            descriptor: file.rawValue, offset: offset)
    }

    /// Room for other mappings, at a multiple of `alignment` (a power of two). Nothing there can be
    /// read or written until ``place(_:byteCount:room:at:readOnly:)``.
    package static func reserved(byteCount: Int, alignment: Int) throws(Errno) -> Mapping {
        let room = try Mapping(
            byteCount: byteCount + alignment, protection: PROT_NONE,
            flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, descriptor: -1, offset: 0)
        let start = (room.address + UInt(alignment) - 1) & ~UInt(alignment - 1)
        let (before, after) = (Int(start - room.address), alignment - Int(start - room.address))
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: room.address), before)
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: start + UInt(byteCount)), after)
        room.forget()
        return Mapping(address: start, byteCount: byteCount)
    }

    /// The pages have another owner.
    private consuming func forget() { discard self }

    private init(address: UInt, byteCount: Int) {
        self.address = address
        self.byteCount = byteCount
    }

    /// Maps the first `byteCount` bytes of a file, shared, at `position` of this mapping. Up to
    /// `room` bytes private pages follow; both are page-aligned.
    package func place(
        _ file: borrowing FileDescriptor, byteCount count: Int, room: Int? = nil, at position: Int,
        readOnly: Bool = false
    ) throws(Errno) {
        let page = 4096
        let pages = (count + page - 1) / page * page
        let all = room ?? pages
        guard position >= 0, count > 0, pages <= all, all <= byteCount - position else {
            throw .invalid
        }
        let protection = readOnly ? PROT_READ : PROT_READ | PROT_WRITE
        let place = address + UInt(position)
        if all > pages {
            try Self.map(
                at: place + UInt(pages), byteCount: all - pages, protection,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1)
        }
        try Self.map(
            at: place, byteCount: count, protection, MAP_SHARED | MAP_NORESERVE, file.rawValue)
    }

    private static func map(
        at address: UInt, byteCount: Int, _ protection: CInt, _ flags: CInt, _ file: CInt
    ) throws(Errno) {
        let result = clinux_mmap_fixed(address, byteCount, protection, flags, file)
        guard result == address else {
            throw Errno(rawValue: CInt(truncatingIfNeeded: 0 &- Int(bitPattern: result)))
        }
    }

    private init(
        byteCount: Int, protection: CInt, flags: CInt, descriptor: CInt, offset: Int64
    ) throws(Errno) {
        guard byteCount > 0 else { throw .invalid }
        let result = clinux_mmap(byteCount, protection, flags, descriptor, offset)
        // The kernel keeps the last page of the address space for error numbers.
        guard result < UInt(bitPattern: -4096) else {
            throw Errno(rawValue: CInt(truncatingIfNeeded: 0 &- Int(bitPattern: result)))
        }
        self.address = result
        self.byteCount = byteCount
    }

    /// Tells the kernel how the pages will be used, or those of the first `count` bytes; `advice` as
    /// madvise(2) has it.
    package func advise(_ advice: CInt, count: Int = .max) throws(Errno) {
        let result = unsafe madvise(
            UnsafeMutableRawPointer(bitPattern: address), min(count, byteCount), advice)
        guard result == 0 else { throw Errno(rawValue: errno) }
    }

    /// Copies `bytes` to its beginning, as many as there is room for. Not for read-only pages.
    package func fill(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe UnsafeMutableRawPointer(bitPattern: address)?.copyMemory(
                from: base, byteCount: min(source.count, byteCount))
        }
    }

    /// Makes the first `count` bytes present now rather than when they are touched.
    package func populate(count: Int) throws(Errno) {
        // MADV_POPULATE_WRITE
        let result = unsafe madvise(
            UnsafeMutableRawPointer(bitPattern: address), min(count, byteCount), 23)
        guard result == 0 else { throw Errno(rawValue: errno) }
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount) }
}
