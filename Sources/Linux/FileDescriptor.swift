// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// An open descriptor; closed when its owner goes.
package struct FileDescriptor: ~Copyable, Sendable {
    package let rawValue: CInt

    /// Takes ownership of `rawValue`.
    package init(adopting rawValue: CInt) { self.rawValue = rawValue }

    deinit { _ = clinux_close(rawValue) }

    /// Gives ownership to the caller.
    package consuming func release() -> CInt {
        let raw = rawValue
        discard self
        return raw
    }

    /// Opens `path`, close-on-exec. `flags` as open(2) has them.
    package static func open(
        _ path: String, flags: CInt = O_RDONLY, mode: UInt32 = 0o600
    ) throws(Errno) -> FileDescriptor {
        let raw = unsafe clinux_open(path, flags | O_CLOEXEC, mode)
        return FileDescriptor(adopting: try Errno.check(raw))
    }

    /// A second descriptor of the same open file, close-on-exec.
    package func duplicate() throws(Errno) -> FileDescriptor {
        FileDescriptor(adopting: try Errno.check(clinux_fcntl(rawValue, F_DUPFD_CLOEXEC, 3)))
    }

    /// Reads at most `bytes.byteCount` bytes; 0 at the end of the file.
    package func read(into bytes: inout MutableRawSpan) throws(Errno) -> Int {
        let raw = rawValue
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe clinux_read(raw, buffer.baseAddress, buffer.count)
        }
        return try Errno.check(result)
    }

    /// Reads at most `bytes.count` bytes into the front of `bytes`; 0 at the end of the file.
    package func read(into bytes: inout [UInt8]) throws(Errno) -> Int {
        let raw = rawValue
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe clinux_read(raw, buffer.baseAddress, buffer.count)
        }
        return try Errno.check(result)
    }

    /// Writes at most all of `bytes`; answers how many were taken.
    package func write(_ bytes: RawSpan) throws(Errno) -> Int {
        let raw = rawValue
        let result = unsafe bytes.withUnsafeBytes { buffer in
            unsafe clinux_write(raw, buffer.baseAddress, buffer.count)
        }
        return try Errno.check(result)
    }

    /// Writes at most all of `bytes`; answers how many were taken.
    package func write(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        let raw = rawValue
        let result = unsafe bytes.withUnsafeBytes { buffer in
            unsafe clinux_write(raw, buffer.baseAddress, buffer.count)
        }
        return try Errno.check(result)
    }

    /// Makes reads and writes answer ``Errno/again`` instead of waiting.
    package func setNonblocking(_ on: Bool = true) throws(Errno) {
        let flags = try Errno.check(clinux_fcntl(rawValue, F_GETFL, 0))
        let wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        try Errno.check(clinux_fcntl(rawValue, F_SETFL, Int(wanted)))
    }
}
