// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux

/// Memory that goes back to the host.
extension GuestMemory {
    /// Bytes of the smallest piece that the host takes back.
    package var discardGranule: UInt64 { usesHugePages ? 2 << 20 : 4096 }

    /// Gives the pages that lie wholly in `count` bytes at `address` back to the host; whoever
    /// reads them next finds zeroes. Answers the bytes that went back: less than `count` where an
    /// end cuts a page, or all memory is made of huge pages.
    ///
    /// The bytes must all be RAM of one region.
    @discardableResult
    package func discard(
        _ address: GuestAddress, count: UInt64
    ) throws(MemoryError) -> UInt64 {
        guard count > 0 else { return 0 }
        // Persistent memory is a file's, and stays.
        guard let host = hostAddress(of: address, count: count),
            UInt64(host - layout.host) < fileByteCount
        else { throw .outOfRange(address, count: count) }
        let granule = discardGranule
        let start = UInt64(host - layout.host)
        let first = (start + granule - 1) / granule * granule
        let end = (start + count) / granule * granule
        guard first < end else { return 0 }
        try punch(first, end - first)
        didWrite(address &+ (first - start), end - first)
        return end - first
    }

    /// Makes a hole of `count` bytes at `offset` of the file: all who map it see zeroes.
    func punch(_ offset: UInt64, _ count: UInt64) throws(MemoryError) {
        do throws(Errno) {
            try Errno.check(
                clinux_punch_hole(file.rawValue, Int64(offset), Int64(count)))
        } catch {
            throw .host(error)
        }
    }

    /// Bytes of the host's memory that the guest's takes now.
    package var residentByteCount: UInt64 {
        UInt64(max(clinux_allocated_bytes(file.rawValue), 0))
    }
}
