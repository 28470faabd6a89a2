// SPDX-License-Identifier: Apache-2.0
import Linux

/// A file of the host's that a guest is to have as persistent memory.
package final class PersistentFile: Sendable {
    /// What the guest's addresses and sizes are made of.
    package static let granule: UInt64 = 2 << 20

    package let path: String
    /// The host's kernel holds to it: neither descriptor nor mapping can be written to.
    package let isReadOnly: Bool
    /// Bytes of the file when it was opened.
    package let byteCount: UInt64
    let file: FileDescriptor

    /// Opens a regular file or block device that is not empty.
    package init(_ path: String, isReadOnly: Bool) throws(PersistentFileError) {
        do throws(Errno) {
            file = try FileDescriptor.openDisk(path, isReadOnly: isReadOnly)
        } catch {
            throw .open(path, error)
        }
        do throws(Errno) {
            byteCount = try file.diskSize()
        } catch {
            throw .kind(path)
        }
        guard byteCount > 0 else { throw .empty(path) }
        guard byteCount <= PersistentMemory.limit - PersistentMemory.base else {
            throw .size(path, byteCount)
        }
        self.path = path
        self.isReadOnly = isReadOnly
    }

    /// Bytes that the guest sees: up to the next granule.
    package var mappedByteCount: UInt64 {
        (byteCount + Self.granule - 1) / Self.granule * Self.granule
    }

    /// Waits until all that the guest has written is on the host's medium.
    package func flush() throws(Errno) {
        if !isReadOnly { try file.synchronizeData() }
    }

    /// What is to be said once the guest cannot reach the file any more.
    package var lossText: String {
        "the file \(path), the guest's persistent memory, cannot be reached any more: it has become"
            + " shorter, or its disk is full"
    }

    /// Whether the file still has the bytes that it was opened with.
    package var isWhole: Bool {
        guard let now = try? file.diskSize() else { return false }
        return now >= byteCount
    }
}

/// Why a file cannot be persistent memory.
package enum PersistentFileError: Error, Hashable {
    case open(String, Errno)
    /// Neither a regular file nor a block device.
    case kind(String)
    case empty(String)
    /// Larger than all the room there is.
    case size(String, UInt64)
}

extension PersistentFileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .open(let path, let error): "\(path) cannot be opened: \(error)"
        case .kind(let path): "\(path) is neither a regular file nor a block device"
        case .empty(let path): "\(path) is empty"
        case .size(let path, let bytes):
            "\(path) has \(bytes) bytes; persistent memory has room for 256 GiB"
        }
    }
}
