// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What the host's files say: `/proc`, `/sys`, `/dev`, `/etc` below a root of choice, so that tests
/// can show another host.
package struct HostFiles: Sendable {
    /// Longest file that is read, in bytes; more is cut off.
    package static var byteLimit: Int { 1 << 20 }

    private let root: String

    /// The files below `root`; the host's own by default.
    package init(root: String = "") { self.root = root }

    /// Contents of `path` without white space at the end; nil if it cannot be read.
    package func text(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(root + path) else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < Self.byteLimit, let count = try? file.read(into: &buffer), count > 0 {
            bytes += buffer[..<count]
        }
        while let last = bytes.last, last <= UInt8(ascii: " ") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Lines of `path`; none if it cannot be read.
    package func lines(_ path: String) -> [Substring] {
        text(path)?.split(separator: "\n") ?? []
    }

    /// The number that is all of `path`.
    package func number(_ path: String) -> Int64? { text(path).flatMap { Int64($0) } }

    package func exists(_ path: String) -> Bool { unsafe clinux_access(root + path, F_OK) == 0 }

    /// Names in the directory `path`, sorted, without `.` and `..`.
    package func names(in path: String) -> [String] {
        guard let directory = unsafe opendir(root + path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            // SAFETY: the name ends with a zero and lives until the next call.
            let name = unsafe String(cString: clinux_entry_name(entry))
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Why `path` cannot be opened for reading and writing; nil if it can.
    package func openError(_ path: String) -> Errno? {
        do throws(Errno) {
            _ = try FileDescriptor.open(root + path, flags: O_RDWR | O_NONBLOCK)
            return nil
        } catch {
            return error
        }
    }
}
