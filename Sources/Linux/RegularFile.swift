// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A regular file that is read by position. Who can write it can change it, and make it shorter.
package final class RegularFile: Sendable {
    private let file: FileDescriptor
    /// The file's size when it was opened.
    package let byteCount: Int

    /// Opens `path`. A directory or a special file is refused.
    package init(_ path: String) throws(Errno) {
        file = try FileDescriptor.open(path, flags: O_RDONLY | O_NONBLOCK)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw status.st_mode & S_IFMT == S_IFDIR ? .isDirectory : .invalid
        }
        byteCount = Int(status.st_size)
    }

    /// The bytes in `range`, fewer if the file has ended.
    package func bytes(in range: Range<Int>) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var done = 0
        while done < bytes.count {
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe clinux_pread(
                    file.rawValue, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                    Int64(range.lowerBound + done))
            }
            let got = try Errno.check(result)
            if got == 0 { break }
            done += got
        }
        bytes.removeLast(bytes.count - done)
        return bytes
    }

    /// Copies the bytes in `range` to `position` of `other`, in the kernel (sendfile(2)); answers
    /// how many there were. ``Errno/invalid`` if one of the two files cannot do that.
    package func copy(
        _ range: Range<Int>, to other: borrowing FileDescriptor, at position: Int64
    ) throws(Errno) -> Int {
        _ = try Errno.check(Int(clinux_seek(other.rawValue, position)))
        var done = 0
        while done < range.count {
            let got = try Errno.check(
                clinux_sendfile(
                    other.rawValue, file.rawValue, Int64(range.lowerBound + done),
                    range.count - done))
            if got == 0 { break }
            done += got
        }
        return done
    }
}
