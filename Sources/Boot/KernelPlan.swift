// SPDX-License-Identifier: Apache-2.0

/// Bytes of the kernel file that go to one place in guest memory.
struct KernelSegment: Hashable, Sendable {
    /// In the file; checked to lie inside it.
    let file: Range<Int>
    /// Guest-physical.
    let start: UInt64
    /// At least `file.count`; what is beyond is zero, as fresh guest memory is.
    let byteCount: UInt64

    /// Checked not to wrap where segments are made.
    var end: UInt64 { start &+ byteCount }
}

/// What a kernel file comes to: what goes where, and how it is entered.
struct KernelPlan: Sendable {
    var entryProtocol: BootProtocol
    /// Guest-physical, ascending and apart.
    var segments: [KernelSegment]
    /// Guest-physical.
    var entry: UInt64
    /// All that the kernel uses before it looks at the memory map.
    var extent: Range<UInt64>
    /// One past the last byte that the initrd may have.
    var initrdLimit: UInt64
    /// Longest command line with its NUL.
    var commandLineLimit = BootLayout.commandLineLimit
    /// A bzImage's setup header as it lies in the file, from offset 0x1f1.
    var setupHeader: [UInt8] = []

    /// Sorts and checks the segments against each other and against RAM.
    ///
    /// - Parameter lowEnd: Where RAM below the hole ends.
    init(
        _ entryProtocol: BootProtocol, _ unsorted: [KernelSegment], entry: UInt64, lowEnd: UInt64
    ) throws(BootError) {
        let segments = unsorted.sorted { $0.start < $1.start }
        guard let first = segments.first, let last = segments.last else {
            throw .malformed(.nothingToLoad)
        }
        guard first.start >= BootLayout.highMemory else { throw .overlapsTables(first.start) }
        for (one, next) in zip(segments, segments.dropFirst()) where one.end > next.start {
            throw .malformed(.segmentsOverlap(one.start, next.start))
        }
        guard last.end <= lowEnd else {
            throw .kernelOutsideMemory(end: last.end, limit: lowEnd)
        }
        guard segments.contains(where: { $0.start <= entry && entry < $0.end }) else {
            throw .malformed(.entryOutside(entry))
        }
        self.entryProtocol = entryProtocol
        self.segments = segments
        self.entry = entry
        extent = first.start..<last.end
        initrdLimit = lowEnd
    }

    /// Where an initrd of `byteCount` bytes goes: as high as it may, in whole pages, not over the
    /// kernel and not below 1 MiB.
    func initrdAddress(byteCount: Int, lowEnd: UInt64) throws(BootError) -> UInt64 {
        let page: UInt64 = 4096
        let top = min(initrdLimit, lowEnd) & ~(page - 1)
        let count = UInt64(byteCount)
        let kernelEnd = (extent.upperBound &+ (page - 1)) & ~(page - 1)
        let above = top > kernelEnd ? top - kernelEnd : 0
        if count <= above { return (top - count) & ~(page - 1) }
        let kernelStart = min(extent.lowerBound & ~(page - 1), top)
        let below = kernelStart - min(BootLayout.highMemory, kernelStart)
        if count <= below { return (kernelStart - count) & ~(page - 1) }
        throw .initrdDoesNotFit(byteCount: byteCount, room: max(above, below))
    }
}
