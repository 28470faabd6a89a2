// SPDX-License-Identifier: Apache-2.0
import Linux

/// Where a file lies as the guest's persistent memory.
///
/// Behind the file's last page, up to the next ``PersistentFile/granule``, lies memory of no file:
/// what the guest writes there is lost with the machine.
package struct PersistentMemory: Sendable {
    /// Where the first begins: above all other memory.
    package static let base: UInt64 = 256 << 30
    /// Where all must have ended: what processors with 39 bits of address reach.
    package static let limit: UInt64 = 512 << 30

    package let file: PersistentFile
    package let region: GuestRegion

    /// Places files one behind the other.
    ///
    /// - Parameters:
    ///   - host: Where they lie in this process, in the same order.
    ///   - offset: Of the first in the machine's mapping.
    static func place(
        _ files: [PersistentFile], host: UInt, offset: UInt64
    ) -> [PersistentMemory] {
        var done: UInt64 = 0
        return files.map { file in
            defer { done += file.mappedByteCount }
            let region = GuestRegion(
                base: GuestAddress(base + done), byteCount: file.mappedByteCount,
                hostAddress: host + UInt(offset + done), fileOffset: 0,
                isReadOnly: file.isReadOnly)
            return PersistentMemory(file: file, region: region)
        }
    }

    /// Bytes that all of them take; nil if there is no room for them.
    static func byteCount(of files: [PersistentFile]) -> UInt64? {
        var sum: UInt64 = 0
        for file in files {
            sum += file.mappedByteCount
            guard sum <= limit - base else { return nil }
        }
        return sum
    }
}

extension GuestMemory {
    /// Host address of `count` bytes at `address`, if they are all memory that can be read: RAM, or
    /// persistent memory that nobody may write to.
    ///
    /// As ``hostAddress(of:count:)`` for the rest.
    @inline(__always)
    package func readableAddress(of address: GuestAddress, count: UInt64) -> UInt? {
        layout.hostAddress(of: address.rawValue, count: count)
            ?? farAddress(address.rawValue, count, writing: false)
    }

    /// As these, beyond the RAM that is there from the start.
    @inline(never)
    package func farAddress(_ start: UInt64, _ count: UInt64, writing: Bool) -> UInt? {
        guard start >= PersistentMemory.base else {
            return pluggable?.hostAddress(of: start, count: count)
        }
        for memory in persistent {
            let offset = start &- memory.region.base.rawValue
            guard offset < memory.region.byteCount else { continue }
            guard count <= memory.region.byteCount &- offset, !(writing && memory.region.isReadOnly)
            else { return nil }
            return memory.region.hostAddress &+ UInt(offset)
        }
        return nil
    }

    /// From now on the monitor ends, and says why, when a page of persistent memory is missing.
    package func watchLosses() throws(Errno) {
        for memory in persistent {
            try MemoryLoss.watch(
                memory.region.hostAddress, count: Int(memory.region.byteCount),
                sentence: "swiftlet-vmm: \(memory.file.lossText)")
        }
    }

    /// Ends ``watchLosses()``.
    func forgetLosses() {
        for memory in persistent { MemoryLoss.forget(memory.region.hostAddress) }
    }

    /// A persistent memory whose file no longer has all its bytes.
    package var lostFile: PersistentFile? { persistent.first { !$0.file.isWhole }?.file }
}
