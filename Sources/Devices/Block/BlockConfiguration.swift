// SPDX-License-Identifier: Apache-2.0
import Linux

/// What a drive is made from, in Firecracker's terms.
package struct BlockConfiguration: Hashable, Sendable {
    /// Who moves the bytes.
    package enum Engine: String, CaseIterable, Sendable {
        /// One request after the other.
        case serial = "Sync"
        /// As many at once as the driver has (io_uring).
        case concurrent = "Async"
    }

    /// What becomes of what the guest writes.
    package enum Cache: String, CaseIterable, Sendable {
        /// The host writes it out when it likes; the guest cannot ask for it.
        case lax = "Unsafe"
        /// The guest's flushes wait for the medium.
        case writeback = "Writeback"
    }

    /// Most queues of a drive.
    package static var queueLimit: Int { 8 }
    /// Bytes of ``id`` that the guest is told. VIRTIO 1.2, 5.2.6.
    package static var idLength: Int { 20 }

    /// Names the drive to the host, and to the guest as its serial number, of which 20 bytes count.
    package var id: String
    /// A regular file or a block device, taken as it is: no format is ever guessed.
    package var path: String
    package var isReadOnly = false
    package var engine = Engine.serial
    package var cache = Cache.lax
    package var limits = RateLimits.none
    /// Queues that the driver may use, 1 to 8.
    package var queueCount = 1
    /// The driver may give sectors back, which become holes in the file.
    package var discards = true

    package init(id: String, path: String) {
        self.id = id
        self.path = path
    }
}

/// Why a drive cannot be made or changed.
package enum BlockError: Error, Hashable, Sendable {
    /// The file cannot be opened.
    case open(String, Errno)
    /// It is neither a regular file nor a block device.
    case kind(String)
    /// It does not hold a single sector.
    case empty(String)
    /// The host has no io_uring for us.
    case ring(Errno)
    /// No timer for the rate limiter.
    case host(Errno)
    /// Not 1 to 8.
    case queueCount(Int)
}

extension BlockError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .open(let path, let error): "\(path) cannot be opened: \(error)"
        case .kind(let path): "\(path) is neither a regular file nor a block device"
        case .empty(let path): "\(path) has less than one sector of 512 bytes"
        case .ring(let error):
            "io_engine Async: \(IOUring.explain(error)); Sync works everywhere"
        case .host(let error): "no timer can be made: \(error)"
        case .queueCount(let count): "a drive has from 1 to 8 queues, not \(count)"
        }
    }
}

/// The host's file behind a drive.
package struct BlockDisk: ~Copyable {
    package static var sectorSize: UInt64 { 512 }

    let file: FileDescriptor
    let path: String
    package let isReadOnly: Bool
    /// What the guest gives back becomes a hole; otherwise the file keeps all its space.
    let discards: Bool
    /// Whole sectors of the file; what is left over at its end is not seen by the guest.
    package let sectors: UInt64

    /// Opens `path`, read-only if the guest may not write: the host's kernel holds to that.
    package init(
        _ path: String, isReadOnly: Bool, discards: Bool = true
    ) throws(BlockError) {
        let opened: FileDescriptor
        let size: UInt64
        do throws(Errno) {
            opened = try FileDescriptor.openDisk(path, isReadOnly: isReadOnly)
        } catch {
            throw .open(path, error)
        }
        do throws(Errno) {
            size = try opened.diskSize()
        } catch {
            throw .kind(path)
        }
        guard size >= Self.sectorSize else { throw .empty(path) }
        file = opened
        self.path = path
        self.isReadOnly = isReadOnly
        self.discards = discards
        sectors = size / Self.sectorSize
    }

    /// Byte position of `count` sectors from `sector` on, if the disk has them all.
    func position(ofSector sector: UInt64, count: UInt64) -> UInt64? {
        guard sector <= sectors, count <= sectors - sector else { return nil }
        return sector * Self.sectorSize
    }
}
