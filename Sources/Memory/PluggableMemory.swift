// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux
import Synchronization

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
    /// A bit a block, set while it is no RAM and the engine has it: on its way in, or out.
    private let passing: Mapping
    /// A count a block: how often it is pinned.
    private let pins: Mapping
    /// Held while blocks change, or give memory back.
    let changes = Mutex(())
    /// Told before a block becomes RAM and after it has ceased to be. Set once by an engine that
    /// maps block by block, before any device or vCPU runs.
    package var observer: (any PlugObserver)?

    // In two steps: Swift 6.3.1's optimizer fails on an object that is given up half made.
    convenience init(_ size: PluggableSize, host: UInt, offset: UInt64) throws(Errno) {
        let count = Int(size.byteCount / size.blockSize)
        let bits = try Mapping.anonymous(byteCount: (count + 63) / 64 * 8)
        let passing = try Mapping.anonymous(byteCount: (count + 63) / 64 * 8)
        let pins = try Mapping.anonymous(byteCount: count * 4)
        self.init(size, host: host, offset: offset, bits: bits, passing: passing, pins: pins)
    }

    private init(
        _ size: PluggableSize, host: UInt, offset: UInt64, bits: consuming Mapping,
        passing: consuming Mapping, pins: consuming Mapping
    ) {
        region = GuestRegion(
            base: GuestAddress(Self.base), byteCount: size.byteCount,
            hostAddress: host + UInt(offset), fileOffset: Int64(offset))
        blockSize = size.blockSize
        blockShift = UInt64(size.blockSize.trailingZeroBitCount)
        blockCount = Int(size.byteCount / size.blockSize)
        self.bits = bits
        self.passing = passing
        self.pins = pins
    }

    /// The blocks of `count` bytes at `address`, if they all lie in the region.
    func blocks(of address: UInt64, count: UInt64) -> Range<Int>? {
        let offset = address &- region.base.rawValue
        guard offset < region.byteCount, count <= region.byteCount &- offset else { return nil }
        let last = offset &+ max(count, 1) &- 1
        return Int(offset >> blockShift)..<Int(last >> blockShift) + 1
    }

    /// Host address of `count` bytes at `address`, if they all lie in plugged blocks.
    func hostAddress(of address: UInt64, count: UInt64) -> UInt? {
        guard let blocks = blocks(of: address, count: count) else { return nil }
        for block in blocks where !isPlugged(block) { return nil }
        return region.hostAddress &+ UInt(address &- region.base.rawValue)
    }

    // MARK: Pins

    /// Lets no block of `range` be unplugged until ``unpin(_:)``. Any thread.
    func pin(_ range: Range<Int>) {
        for block in range { _ = unsafe clinux_add32(pin(block), 1) }
        clinux_fence()
    }

    func unpin(_ range: Range<Int>) {
        for block in range { _ = unsafe clinux_add32(pin(block), .max) }
    }

    private func isPinned(_ range: Range<Int>) -> Bool {
        for block in range where unsafe clinux_load32(pin(block)) != 0 { return true }
        return false
    }

    private func pin(_ index: Int) -> UnsafeMutableRawPointer? {
        precondition(index >= 0 && index < blockCount)
        return unsafe UnsafeMutableRawPointer(bitPattern: pins.address + UInt(index * 4))
    }

    /// Makes the plugged blocks of `range` unplugged, and notes them for ``takePassing(_:)``; false, and
    /// nothing changes, if one of the range is pinned.
    func clear(_ range: Range<Int>) -> Bool {
        guard !isPinned(range) else { return false }
        for block in range where isPlugged(block) {
            set(block, in: passing, true)
            set(block, plugged: false)
        }
        clinux_fence()
        // Who pins asks afterwards whether a block is plugged. Either it hears that it is not, or it
        // is seen here.
        guard !isPinned(range) else {
            for block in range where takePassing(block) { set(block, plugged: true) }
            return false
        }
        return true
    }

    /// Whether the engine has block `index`, which is no RAM; once.
    func takePassing(_ index: Int) -> Bool {
        guard isPassing(index) else { return false }
        set(index, in: passing, false)
        return true
    }

    private func isPassing(_ index: Int) -> Bool {
        unsafe clinux_load64(word(index, in: passing)) & Self.bit(index) != 0
    }

    /// Whether block `index`, below ``blockCount``, is plugged.
    package func isPlugged(_ index: Int) -> Bool {
        unsafe clinux_load64(word(index, in: bits)) & Self.bit(index) != 0
    }

    /// Where block `index` lies.
    package func region(ofBlock index: Int) -> GuestRegion {
        let offset = UInt64(index) * blockSize
        return GuestRegion(
            base: region.base &+ offset, byteCount: blockSize,
            hostAddress: region.hostAddress + UInt(offset),
            fileOffset: region.fileOffset + Int64(offset))
    }

    /// Lets the engine have the blocks of `range` that are not plugged. After an error it has some of
    /// them, which ``takePassing(_:)`` finds.
    func admit(_ range: Range<Int>) throws(MemoryError) {
        for block in range where !isPlugged(block) && !isPassing(block) {
            try observer?.plug(block, region(ofBlock: block))
            set(block, in: passing, true)
        }
    }

    /// Makes block `index`, which the engine has, RAM.
    func enter(_ index: Int) {
        set(index, plugged: true)
        set(index, in: passing, false)
    }

    private func set(_ index: Int, plugged: Bool) { set(index, in: bits, plugged) }

    private func set(_ index: Int, in map: borrowing Mapping, _ isSet: Bool) {
        if isSet {
            _ = unsafe clinux_or64(word(index, in: map), Self.bit(index))
        } else {
            _ = unsafe clinux_and64(word(index, in: map), ~Self.bit(index))
        }
    }

    private func word(_ index: Int, in map: borrowing Mapping) -> UnsafeMutableRawPointer? {
        precondition(index >= 0 && index < blockCount)
        return unsafe UnsafeMutableRawPointer(bitPattern: map.address + UInt(index / 64 * 8))
    }

    private static func bit(_ index: Int) -> UInt64 { 1 << UInt64(index % 64) }
}

/// An engine that lets the guest reach plugged blocks and no others. Called on the thread of whoever
/// plugs; the index is that of the block.
package protocol PlugObserver: AnyObject, Sendable {
    func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError)
    func unplug(_ index: Int)
    /// The memory of all blocks of `range` that are no RAM has been given back, as far as the host has
    /// taken it. An engine whose processors may still have touched it calls
    /// ``GuestMemory/discardUnplugged(_:)`` when they cannot any more.
    func didUnplug(_ range: Range<Int>)
}

extension PlugObserver {
    package func didUnplug(_ range: Range<Int>) {}
}
