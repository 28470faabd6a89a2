// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Linux

/// A stretch of guest RAM and where it lies in this process.
package struct GuestRegion: Hashable, Sendable {
    package let base: GuestAddress
    /// Bytes; a multiple of 1 MiB.
    package let byteCount: UInt64
    /// Host address of the first byte. For engines only.
    package let hostAddress: UInt
    /// Where it begins in the backing memfd, if it is RAM.
    package let fileOffset: Int64
    /// Writes of the guest's go to nobody.
    package let isReadOnly: Bool

    package init(
        base: GuestAddress, byteCount: UInt64, hostAddress: UInt, fileOffset: Int64 = 0,
        isReadOnly: Bool = false
    ) {
        self.base = base
        self.byteCount = byteCount
        self.hostAddress = hostAddress
        self.fileOffset = fileOffset
        self.isReadOnly = isReadOnly
    }

    package var end: UInt64 { base.rawValue &+ byteCount }
}

/// The guest's RAM: one memfd, mapped once, seen by the guest as one or two regions around the
/// hole below 4 GiB, and if asked for as a third in which it plugs and unplugs blocks. Files may lie
/// beside it as persistent memory.
///
/// The guest changes it at any time. So bytes are copied in and copied out, once; ring indices are
/// read and written atomically; and no pointer or span to them leaves this module, except for the
/// host address that an engine maps.
package final class GuestMemory: @unchecked Sendable {
    /// Most RAM below the hole for devices; the rest goes from 4 GiB up.
    package static let lowLimit: UInt64 = 3 << 30
    /// Where RAM goes on above the hole.
    package static let highBase: UInt64 = 4 << 30
    /// A kernel begins at 1 MiB.
    package static let minimum: UInt64 = 2 << 20
    package static let maximum: UInt64 = 64 << 30

    /// Ascending, all RAM: ``bootRegions``, then the one for hot-plugged memory.
    package let regions: [GuestRegion]
    /// RAM that is there from the start; ascending, one or two.
    package let bootRegions: [GuestRegion]
    /// Bytes of RAM that are there from the start.
    package let byteCount: UInt64
    /// Bytes of the mapping that holds all regions, persistent memory too.
    package let mappedByteCount: UInt64
    /// Bytes of ``file``.
    let fileByteCount: UInt64
    /// The blocks that the guest may plug and unplug.
    package let pluggable: PluggableMemory?
    /// Files that the guest reads and writes as memory.
    package let persistent: [PersistentMemory]
    /// The memory itself, to be shared with another process or saved.
    package let file: FileDescriptor

    private let mapping: Mapping
    package let layout: RAMLayout
    let usesHugePages: Bool

    /// What the host backs RAM with.
    package enum HugePages: Sendable {
        /// Its small pages, and what the host gives to all files in memory.
        case none
        /// Pages of 2 MiB where the host has them at hand for who asks; that is an advice.
        case transparent
        /// 2 MiB pages of hugetlbfs, which the host must have reserved.
        case twoMiB
    }

    /// Told after the host has written to guest memory (device input). Set once by an engine that
    /// caches decoded guest code, before any device or vCPU runs.
    package var writeObserver: (any GuestWriteObserver)?

    /// - Parameters:
    ///   - byteCount: Whole MiB, from 2 MiB to 64 GiB.
    ///   - pluggable: Blocks for hot-plugged memory, all unplugged.
    ///   - persistent: Files to lie beside RAM.
    ///   - hugePages: What backs RAM, the pluggable too.
    ///   - prefault: Touch every page now rather than when the guest does; not the pluggable ones.
    package init(
        byteCount: UInt64, pluggable: PluggableSize? = nil, persistent: [PersistentFile] = [],
        hugePages: HugePages = .none, prefault: Bool = false
    ) throws(MemoryError) {
        guard byteCount >= Self.minimum, byteCount <= Self.maximum, byteCount % (1 << 20) == 0
        else { throw .size(byteCount) }
        if let pluggable { try pluggable.validate() }
        // Blocks begin where a large page of the host can.
        let pluggableOffset =
            (byteCount + PluggableSize.leastBlock - 1)
            / PluggableSize.leastBlock * PluggableSize.leastBlock
        fileByteCount = pluggable.map { pluggableOffset + $0.byteCount } ?? byteCount
        guard let persistentByteCount = PersistentMemory.byteCount(of: persistent) else {
            throw .persistent
        }
        let persistentOffset =
            (fileByteCount + PersistentFile.granule - 1)
            / PersistentFile.granule * PersistentFile.granule
        mappedByteCount =
            persistent.isEmpty ? fileByteCount : persistentOffset + persistentByteCount
        do throws(Errno) {
            file = try Self.makeFile(byteCount: fileByteCount, hugePages: hugePages == .twoMiB)
            // Advice comes before the first page.
            let isPlain = persistent.isEmpty && pluggable == nil && hugePages != .transparent
            let pages =
                persistent.isEmpty
                ? try Mapping.shared(
                    file, byteCount: Int(fileByteCount), prefault: prefault && isPlain)
                : try Self.mapAll(
                    mappedByteCount, file, fileByteCount, persistent, from: persistentOffset)
            mapping = consume pages
            // A host without them has small ones.
            if hugePages == .transparent {
                try? mapping.advise(MADV_HUGEPAGE, count: Int(fileByteCount))
            }
            if prefault, !isPlain { try mapping.populate(count: Int(byteCount)) }
            if let pluggable {
                self.pluggable = try PluggableMemory(
                    pluggable, host: mapping.address, offset: pluggableOffset)
            } else {
                self.pluggable = nil
            }
        } catch {
            throw .host(error)
        }
        // A core file or a fork has no business with a guest's memory.
        try? mapping.advise(MADV_DONTDUMP)
        let host = mapping.address
        let lowCount = min(byteCount, Self.lowLimit)
        let highCount = byteCount - lowCount
        layout = RAMLayout(host: host, lowCount: lowCount, highCount: highCount)
        usesHugePages = hugePages == .twoMiB
        self.byteCount = byteCount
        let low = GuestRegion(
            base: GuestAddress(0), byteCount: lowCount, hostAddress: host, fileOffset: 0)
        let high = GuestRegion(
            base: GuestAddress(Self.highBase), byteCount: highCount,
            hostAddress: host + UInt(lowCount), fileOffset: Int64(lowCount))
        bootRegions = highCount == 0 ? [low] : [low, high]
        regions = bootRegions + (self.pluggable.map { [$0.region] } ?? [])
        self.persistent = PersistentMemory.place(
            persistent, host: mapping.address, offset: persistentOffset)
    }

    deinit { forgetLosses() }

    /// Maps RAM and, from `offset` on, the files, one behind the other.
    private static func mapAll(
        _ byteCount: UInt64, _ file: borrowing FileDescriptor, _ fileByteCount: UInt64,
        _ persistent: [PersistentFile], from offset: UInt64
    ) throws(Errno) -> Mapping {
        let all = try Mapping.reserved(
            byteCount: Int(byteCount), alignment: Int(PersistentFile.granule))
        try all.place(file, byteCount: Int(fileByteCount), at: 0)
        var place = Int(offset)
        for persistent in persistent {
            try all.place(
                persistent.file, byteCount: Int(persistent.byteCount),
                room: Int(persistent.mappedByteCount), at: place, readOnly: persistent.isReadOnly)
            place += Int(persistent.mappedByteCount)
        }
        return all
    }

    /// All that an engine maps from the start: RAM that is there, and persistent memory.
    package var mappedRegions: [GuestRegion] { bootRegions + persistent.map(\.region) }

    private static func makeFile(
        byteCount: UInt64, hugePages: Bool
    ) throws(Errno) -> FileDescriptor {
        // The size of huge pages is the binary logarithm of 2 MiB, from bit 26 on.
        let huge: UInt32 = hugePages ? 21 << 26 | UInt32(MFD_HUGETLB) : 0
        let raw = unsafe clinux_memfd_create("guest-memory", huge | UInt32(MFD_CLOEXEC))
        let file = FileDescriptor(adopting: try Errno.check(raw))
        try Errno.check(clinux_ftruncate(file.rawValue, Int64(byteCount)))
        return file
    }

    /// Host address of `count` bytes at `address`, if they are all RAM of one region, or persistent
    /// memory that can be written to.
    ///
    /// For this module and for engines; what lies there changes under the reader.
    @inline(__always)
    package func hostAddress(of address: GuestAddress, count: UInt64) -> UInt? {
        layout.hostAddress(of: address.rawValue, count: count)
            ?? farAddress(address.rawValue, count, writing: true)
    }

    @inline(__always)
    private func pointer(
        _ address: GuestAddress, _ count: Int
    ) throws(MemoryError) -> UnsafeMutableRawPointer {
        guard let host = hostAddress(of: address, count: UInt64(count)),
            let pointer = unsafe UnsafeMutableRawPointer(bitPattern: host)
        else { throw .outOfRange(address, count: UInt64(count)) }
        return unsafe pointer
    }

    @inline(__always)
    private func source(
        _ address: GuestAddress, _ count: Int
    ) throws(MemoryError) -> UnsafeRawPointer {
        guard let host = readableAddress(of: address, count: UInt64(count)),
            let pointer = unsafe UnsafeRawPointer(bitPattern: host)
        else { throw .outOfRange(address, count: UInt64(count)) }
        return unsafe pointer
    }

    /// True if all `count` bytes at `address` are memory of one region that can be written to.
    package func contains(_ address: GuestAddress, count: UInt64) -> Bool {
        hostAddress(of: address, count: count) != nil
    }

    /// Copies a value out. Its bytes may be of different moments; validate the copy.
    package func load<Value: BitwiseCopyable>(
        _ type: Value.Type, at address: GuestAddress
    ) throws(MemoryError) -> Value {
        let source = unsafe try source(address, MemoryLayout<Value>.size)
        return unsafe source.loadUnaligned(as: type)
    }

    /// Copies a value in.
    package func store<Value: BitwiseCopyable>(
        _ value: Value, at address: GuestAddress
    ) throws(MemoryError) {
        let target = unsafe try pointer(address, MemoryLayout<Value>.size)
        unsafe target.storeBytes(of: value, as: Value.self)
        didWrite(address, UInt64(MemoryLayout<Value>.size))
    }

    /// Copies bytes out into all of `bytes`.
    package func read(
        into bytes: inout MutableRawSpan, at address: GuestAddress
    ) throws(MemoryError) {
        let count = bytes.byteCount
        let source = unsafe try source(address, count)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe base.copyMemory(from: source, byteCount: count)
        }
    }

    /// Copies `count` bytes out.
    package func read(at address: GuestAddress, count: Int) throws(MemoryError) -> [UInt8] {
        let source = unsafe try source(address, count)
        return unsafe [UInt8](UnsafeRawBufferPointer(start: source, count: count))
    }

    /// Copies bytes in.
    package func write(_ bytes: RawSpan, at address: GuestAddress) throws(MemoryError) {
        let count = bytes.byteCount
        let target = unsafe try pointer(address, count)
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe target.copyMemory(from: base, byteCount: count)
        }
        didWrite(address, UInt64(count))
    }

    /// Copies bytes in.
    package func write(_ bytes: [UInt8], at address: GuestAddress) throws(MemoryError) {
        try unsafe write(bytes.span.bytes, at: address)
    }

    /// Copies words in, each with its lowest byte first.
    package func write(words: [UInt64], at address: GuestAddress) throws(MemoryError) {
        try unsafe write(words.span.bytes, at: address)
    }

    /// Sets `count` bytes to zero.
    package func zero(at address: GuestAddress, count: Int) throws(MemoryError) {
        let target = unsafe try pointer(address, count)
        unsafe memset(target, 0, count)
        didWrite(address, UInt64(count))
    }

    /// Reads a ring index that the other side publishes. `address` is even.
    package func loadAcquire(at address: GuestAddress) throws(MemoryError) -> UInt16 {
        unsafe clinux_load_acquire16(try pointer(address, 2))
    }

    /// Publishes a ring index: all earlier writes are seen before it. `address` is even.
    @inline(__always)
    package func storeRelease(_ value: UInt16, at address: GuestAddress) throws(MemoryError) {
        unsafe clinux_store_release16(try pointer(address, 2), value)
        didWrite(address, 2)
    }

    @inline(__always)
    func didWrite(_ address: GuestAddress, _ count: UInt64) {
        if let writeObserver { writeObserver.hostWrote(at: address, count: count) }
    }
}

/// Whoever must know that the host, not the guest, has changed guest memory.
package protocol GuestWriteObserver: AnyObject, Sendable {
    /// `count` bytes at `address` are new. Called on the writing thread, after the write.
    func hostWrote(at address: GuestAddress, count: UInt64)
}
