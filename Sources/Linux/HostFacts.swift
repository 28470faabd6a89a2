// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Small questions about this process and its files.
package enum HostFacts {
    package static var processID: CInt { getpid() }

    /// Permission bits of the file at `path`, links not followed.
    package static func fileMode(_ path: String) throws(Errno) -> UInt32 {
        UInt32(try Errno.check(unsafe clinux_file_mode(path)))
    }

    // MARK: Files of tests

    /// Flags for a file that must not be there yet.
    package static var creating: CInt { O_RDWR | O_CREAT | O_EXCL }

    package static func remove(_ path: String) throws(Errno) {
        try Errno.check(unsafe clinux_unlink(path))
    }

    /// Gives the file at `path` so many bytes.
    package static func resize(_ path: String, to byteCount: UInt64) throws(Errno) {
        let file = try FileDescriptor.open(path, flags: O_RDWR)
        try Errno.check(clinux_ftruncate(file.rawValue, Int64(byteCount)))
    }

    /// Bytes that the file system keeps for the file at `path`.
    package static func allocated(_ path: String) throws(Errno) -> UInt64 {
        let file = try FileDescriptor.open(path)
        return UInt64(try Errno.check(Int(clinux_allocated(file.rawValue))))
    }

    /// Writes all of `bytes` at a position of the file at `path`.
    package static func write(
        _ bytes: [UInt8], to path: String, at position: UInt64
    ) throws(Errno) {
        let file = try FileDescriptor.open(path, flags: O_RDWR)
        let count = unsafe bytes.withUnsafeBytes {
            unsafe clinux_pwrite(file.rawValue, $0.baseAddress, $0.count, Int64(position))
        }
        guard try Errno.check(count) == bytes.count else { throw .inputOutput }
    }

    /// Reads so many bytes, or fewer at its end, at a position of the file at `path`.
    package static func read(
        _ path: String, at position: UInt64, count: Int
    ) throws(Errno) -> [UInt8] {
        let file = try FileDescriptor.open(path)
        var bytes = [UInt8](repeating: 0, count: count)
        let got = unsafe bytes.withUnsafeMutableBytes {
            unsafe clinux_pread(file.rawValue, $0.baseAddress, $0.count, Int64(position))
        }
        bytes.removeSubrange(try Errno.check(got)...)
        return bytes
    }

    // MARK: Sockets of tests

    /// A connection to a TCP port of this host's own address; never blocking.
    package static func connect(to port: UInt16) throws(Errno) -> FileDescriptor {
        FileDescriptor(adopting: try Errno.check(clinux_tcp_connect(port)))
    }
}
