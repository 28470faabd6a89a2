// SPDX-License-Identifier: Apache-2.0

/// The header by which a kernel says that it is for Multiboot loaders. Multiboot 0.6.96, 3.1.
struct MultibootHeader {
    static let magic: UInt32 = 0x1bad_b002
    /// The header lies in the first so many bytes.
    static let searchLimit = 8192

    /// In the file.
    let offset: Int
    let flags: UInt32

    /// Finds the header, if the file has one.
    ///
    /// - Parameter head: The file's first bytes.
    init?(_ head: Span<UInt8>) {
        for offset in stride(from: 0, through: Self.searchLimit - 12, by: 4) {
            guard let magic = head.little32(at: offset) else { return nil }
            guard magic == Self.magic, let flags = head.little32(at: offset + 4),
                let checksum = head.little32(at: offset + 8), magic &+ flags &+ checksum == 0
            else { continue }
            self.offset = offset
            self.flags = flags
            return
        }
        return nil
    }

    /// The header itself says what to load where (a.out kludge), whatever else the file is.
    var hasAddresses: Bool { flags & 1 << 16 != 0 }

    /// Page-aligned modules (bit 0), memory information (bit 1) are always given, video modes
    /// (bit 2) never; other bits below 16 must be understood or refused.
    func checkFlags() throws(BootError) {
        guard flags & 0xfff8 == 0 else { throw .unsupported(.multibootFlags(flags)) }
    }

    /// The segment and entry of a kernel that gives its addresses in the header.
    func addresses(_ file: KernelFile) throws(BootError) -> (KernelSegment, entry: UInt64) {
        let first = file.head
        let head = first.span
        guard let header = head.little32(at: offset + 12),
            let load = head.little32(at: offset + 16),
            let loadEnd = head.little32(at: offset + 20),
            let bssEnd = head.little32(at: offset + 24),
            let entry = head.little32(at: offset + 28)
        else { throw .truncated(needed: UInt64(offset) + 32, present: file.byteCount) }
        guard load <= header, Int(header - load) <= offset else {
            throw .malformed(.multibootAddresses)
        }
        let start = offset - Int(header - load)
        let end: Int
        if loadEnd == 0 {
            end = file.byteCount
        } else {
            guard loadEnd > load else { throw .malformed(.multibootAddresses) }
            end = start + Int(loadEnd - load)
        }
        guard end <= file.byteCount else {
            throw .truncated(needed: UInt64(end), present: file.byteCount)
        }
        let inFile = UInt64(end - start)
        guard bssEnd == 0 || UInt64(bssEnd) >= UInt64(load) + inFile else {
            throw .malformed(.multibootAddresses)
        }
        let inMemory = bssEnd == 0 ? inFile : UInt64(bssEnd) - UInt64(load)
        return (
            KernelSegment(file: start..<end, start: UInt64(load), byteCount: inMemory),
            entry: UInt64(entry)
        )
    }
}
