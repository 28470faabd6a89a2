// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A regular file's bytes, mapped read-only. Who can write the file can change them.
package final class MappedFile: Sendable {
    /// Keeps the pages mapped; nil for an empty file.
    private let mapping: Mapping?
    private let address: UInt
    private let byteCount: Int

    /// Maps all of `path`. A directory or a special file is refused.
    package init(_ path: String) throws(Errno) {
        let file = try FileDescriptor.open(path)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw status.st_mode & S_IFMT == S_IFDIR ? .isDirectory : .invalid
        }
        let count = Int(status.st_size)
        byteCount = count
        guard count > 0 else {
            mapping = nil
            address = 0
            return
        }
        let pages = try Mapping.readOnly(file, byteCount: count)
        address = pages.address
        mapping = consume pages
    }

    package var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let start = unsafe UnsafePointer<UInt8>(bitPattern: address)
            let buffer = unsafe UnsafeBufferPointer(start: start, count: byteCount)
            return unsafe _overrideLifetime(Span(_unsafeElements: buffer), borrowing: self)
        }
    }
}

/// The kernel's random numbers.
package enum RandomBytes {
    package static func make(count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            let result = unsafe clinux_random(buffer.baseAddress, count)
            used = max(result, 0)
        }
    }
}
