// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux

/// How much memory a guest may plug while it runs, and in what pieces.
package struct PluggableSize: Hashable, Sendable {
    /// Bytes of all blocks; up to 64 GiB.
    package let byteCount: UInt64
    /// Bytes of a block: a power of two, at least ``leastBlock``.
    package let blockSize: UInt64

    package static let leastBlock: UInt64 = 2 << 20

    package init(byteCount: UInt64, blockSize: UInt64 = PluggableSize.leastBlock) {
        self.byteCount = byteCount
        self.blockSize = blockSize
    }

    func validate() throws(MemoryError) {
        guard blockSize >= Self.leastBlock, blockSize.nonzeroBitCount == 1, byteCount > 0,
            byteCount <= GuestMemory.maximum, byteCount.isMultiple(of: blockSize)
        else { throw .pluggable(self) }
    }
}

/// The blocks that a guest plugs and unplugs. An unplugged one is no RAM: neither the software
/// engine nor a device finds it, and it holds no memory of the host.
///
/// Read by every processor, changed by one device, under that device's lock.
package final class PluggableMemory: @unchecked Sendable {
    /// Where the blocks begin; above all RAM, below what 40 bits address.
    package static let base: UInt64 = 128 << 30

    package let region: GuestRegion
    package let blockSize: UInt64
    package let blockCount: Int
    private let blockShift: UInt64
    /// A bit a block, set if it is plugged.
    private let bits: Mapping
    /// Told before a block becomes RAM and after it has ceased to be. Set once by an engine that
    /// maps block by block, before any device or vCPU runs.
    package var observer: (any PlugObserver)?

    init(_ size: PluggableSize, host: UInt, offset: UInt64) throws(Errno) {
        region = GuestRegion(
            base: GuestAddress(Self.base), byteCount: size.byteCount,
            hostAddress: host + UInt(offset), fileOffset: Int64(offset))
        blockSize = size.blockSize
        blockShift = UInt64(size.blockSize.trailingZeroBitCount)
        blockCount = Int(size.byteCount / size.blockSize)
        bits = try Mapping.anonymous(byteCount: (blockCount + 63) / 64 * 8)
    }

    /// Host address of `count` bytes at `address`, if they all lie in plugged blocks.
    func hostAddress(of address: UInt64, count: UInt64) -> UInt? {
        let offset = address &- region.base.rawValue
        guard offset < region.byteCount, count <= region.byteCount &- offset else { return nil }
        let last = offset &+ max(count, 1) &- 1
        for block in Int(offset >> blockShift)...Int(last >> blockShift) where !isPlugged(block) {
            return nil
        }
        return region.hostAddress &+ UInt(offset)
    }

    /// Whether block `index`, below ``blockCount``, is plugged.
    package func isPlugged(_ index: Int) -> Bool {
        unsafe clinux_load64(word(index)) & Self.bit(index) != 0
    }

    /// Where block `index` lies.
    package func region(ofBlock index: Int) -> GuestRegion {
        let offset = UInt64(index) * blockSize
        return GuestRegion(
            base: region.base &+ offset, byteCount: blockSize,
            hostAddress: region.hostAddress + UInt(offset),
            fileOffset: region.fileOffset + Int64(offset))
    }

    /// Lets the engine map blocks of `range` that are not plugged; all of them or none.
    func map(_ range: Range<Int>) throws(MemoryError) {
        guard let observer else { return }
        for block in range where !isPlugged(block) {
            do throws(MemoryError) {
                try observer.plug(block, region(ofBlock: block))
            } catch {
                for earlier in range.lowerBound..<block where !isPlugged(earlier) {
                    observer.unplug(earlier)
                }
                throw error
            }
        }
    }

    func set(_ index: Int, plugged: Bool) {
        if plugged {
            _ = unsafe clinux_or64(word(index), Self.bit(index))
        } else {
            _ = unsafe clinux_and64(word(index), ~Self.bit(index))
        }
    }

    private func word(_ index: Int) -> UnsafeMutableRawPointer? {
        precondition(index >= 0 && index < blockCount)
        return unsafe UnsafeMutableRawPointer(bitPattern: bits.address + UInt(index / 64 * 8))
    }

    private static func bit(_ index: Int) -> UInt64 { 1 << UInt64(index % 64) }
}

/// An engine that lets the guest reach plugged blocks and no others. Called on the thread of whoever
/// plugs; the index is that of the block.
package protocol PlugObserver: AnyObject, Sendable {
    func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError)
    func unplug(_ index: Int)
}

extension GuestMemory {
    /// Makes the blocks `range` RAM, all zeroes. Throws, and nothing changes, if the engine has no
    /// room for them.
    package func plug(blocks range: Range<Int>) throws(MemoryError) {
        guard let pluggable else { return }
        let range = range.clamped(to: 0..<pluggable.blockCount)
        guard !range.isEmpty else { return }
        try pluggable.map(range)
        for block in range { pluggable.set(block, plugged: true) }
        // Whatever is known of the addresses is of an earlier life.
        let offset = UInt64(range.lowerBound) * pluggable.blockSize
        didWrite(pluggable.region.base &+ offset, UInt64(range.count) * pluggable.blockSize)
    }

    /// Takes the blocks `range` away and gives their memory back to the host.
    package func unplug(blocks range: Range<Int>) throws(MemoryError) {
        guard let pluggable else { return }
        let range = range.clamped(to: 0..<pluggable.blockCount)
        guard !range.isEmpty else { return }
        for block in range where pluggable.isPlugged(block) {
            pluggable.set(block, plugged: false)
            pluggable.observer?.unplug(block)
        }
        let offset = UInt64(range.lowerBound) * pluggable.blockSize
        try punch(
            UInt64(pluggable.region.fileOffset) + offset, UInt64(range.count) * pluggable.blockSize)
    }
}
