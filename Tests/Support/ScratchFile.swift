// SPDX-License-Identifier: Apache-2.0
import Linux

/// A file of a test's, gone with this value.
package final class ScratchFile: Sendable {
    package let path: String

    /// A new file of so many bytes, all zero, none of them allocated.
    package init(byteCount: UInt64 = 0) throws {
        path = ScratchPath.unique("test")
        _ = try FileDescriptor.open(path, flags: HostFacts.creating)
        try resize(byteCount)
    }

    deinit { try? HostFacts.remove(path) }

    package func resize(_ byteCount: UInt64) throws {
        try HostFacts.resize(path, to: byteCount)
    }

    /// Bytes that its file system keeps for it.
    package var allocated: UInt64 {
        get throws { try HostFacts.allocated(path) }
    }

    package func write(_ bytes: [UInt8], at position: UInt64 = 0) throws {
        try HostFacts.write(bytes, to: path, at: position)
    }

    package func read(at position: UInt64 = 0, count: Int) throws -> [UInt8] {
        try HostFacts.read(path, at: position, count: count)
    }
}
