// SPDX-License-Identifier: Apache-2.0

/// A bzImage: setup header, real-mode code that we skip, compressed kernel with a 64-bit entry.
/// Linux Documentation/arch/x86/boot.rst, protocol 2.12 and later.
struct LinuxImage {
    /// Where the setup header begins, in the file and in boot_params.
    static let headerOffset = 0x1f1
    /// The header's end in protocol 2.12: init_size and handover_offset are its last fields.
    static let smallestHeaderEnd = 0x268
    /// Where boot_params has no more room for it.
    static let largestHeaderEnd = 0x290

    private let fields: Fields
    private let code: Range<Int>
    private let header: [UInt8]

    /// The setup header's fields that decide where and how.
    private struct Fields {
        let initrdLast, alignment, commandLineSize, initSize: UInt32
        let isRelocatable: Bool
        let preferred: UInt64
    }

    static func matches(_ head: Span<UInt8>) -> Bool {
        head.little16(at: 0x1fe) == 0xaa55 && head.has([UInt8]("HdrS".utf8), at: 0x202)
    }

    init(_ file: KernelFile) throws(BootError) {
        let first = file.head
        let head = first.span
        let short = BootError.truncated(
            needed: UInt64(Self.smallestHeaderEnd), present: file.byteCount)
        guard let version = head.little16(at: 0x206) else { throw short }
        guard version >= 0x20c else { throw .unsupported(.linuxProtocol(version)) }
        guard let loadFlags = head.byte(at: 0x211), let extendedFlags = head.little16(at: 0x236),
            let setupSectors = head.byte(at: 0x1f1), let paragraphs = head.little32(at: 0x1f4),
            let jump = head.byte(at: 0x201), head.holds(Self.smallestHeaderEnd, at: 0)
        else { throw short }
        guard loadFlags & 1 != 0 else { throw .unsupported(.lowLinux) }
        guard extendedFlags & 1 != 0 else { throw .unsupported(.linux32) }
        let headerEnd = 0x202 + Int(jump)
        guard Self.smallestHeaderEnd...Self.largestHeaderEnd ~= headerEnd,
            head.holds(headerEnd, at: 0)
        else { throw .malformed(.setupHeader(byteCount: headerEnd - Self.headerOffset)) }
        header = (Self.headerOffset..<headerEnd).map { head[$0] }

        let start = (Int(setupSectors == 0 ? 4 : setupSectors) + 1) * 512
        let count = Int(paragraphs) * 16
        // The size is in units of 16 bytes: the last unit may be cut.
        guard count > 0, start + count < file.byteCount + 16, start < file.byteCount else {
            throw .truncated(needed: UInt64(start + count), present: file.byteCount)
        }
        code = start..<min(start + count, file.byteCount)
        fields = try Self.fields(head, short)
    }

    private static func fields(
        _ head: Span<UInt8>, _ short: BootError
    ) throws(BootError) -> Fields {
        guard let initrdLast = head.little32(at: 0x22c), let alignment = head.little32(at: 0x230),
            let relocatable = head.byte(at: 0x234), let commandLineSize = head.little32(at: 0x238),
            let preferred = head.little64(at: 0x258), let initSize = head.little32(at: 0x260)
        else { throw short }
        return Fields(
            initrdLast: initrdLast, alignment: alignment, commandLineSize: commandLineSize,
            initSize: initSize, isRelocatable: relocatable != 0, preferred: preferred)
    }

    /// Places the kernel at the address it prefers, or, if RAM ends before that and it can be
    /// moved, at the lowest aligned one.
    func plan(lowEnd: UInt64) throws(BootError) -> KernelPlan {
        let needed = max(UInt64(fields.initSize), UInt64(code.count))
        var start = fields.preferred
        var (end, overflow) = start.addingReportingOverflow(needed)
        if fields.isRelocatable {
            let alignment = UInt64(fields.alignment)
            guard alignment.nonzeroBitCount == 1 else {
                throw .malformed(.alignment(fields.alignment))
            }
            if overflow || end > lowEnd || start < BootLayout.highMemory
                || start & (alignment - 1) != 0
            {
                start = (BootLayout.highMemory + alignment - 1) & ~(alignment - 1)
                (end, overflow) = start.addingReportingOverflow(needed)
            }
        }
        guard !overflow, end <= lowEnd else {
            throw .kernelOutsideMemory(end: overflow ? .max : end, limit: lowEnd)
        }
        let segment = KernelSegment(file: code, start: start, byteCount: needed)
        var plan = try KernelPlan(.linux64, [segment], entry: start &+ 0x200, lowEnd: lowEnd)
        plan.initrdLimit = UInt64(fields.initrdLast) + 1
        plan.setupHeader = header
        plan.commandLineLimit = min(
            BootLayout.commandLineLimit, Int(fields.commandLineSize).advanced(by: 1))
        return plan
    }
}
