// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A directory of this user's own, with ordinary files in it that are replaced as a whole.
package struct PrivateDirectory: ~Copyable, Sendable {
    package let path: String
    private let file: FileDescriptor

    /// Opens the directory at `path`. ``Errno/notPermitted`` if it is another user's, or if others
    /// may write it.
    package init(_ path: String) throws(Errno) {
        let opened = try FileDescriptor.open(path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        guard unsafe fstat(opened.rawValue, &status) == 0, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else { throw .notPermitted }
        self.path = path
        file = opened
    }

    /// Makes the directory at `path`, and those above it, where they are not there yet.
    package static func make(_ path: String) throws(Errno) {
        var end = path.startIndex
        while end < path.endIndex {
            let next = path.index(after: end)
            end = path[next...].firstIndex(of: "/") ?? path.endIndex
            let made = unsafe clinux_mkdir(String(path[..<end]), 0o700)
            guard made == 0 || made == -EEXIST else {
                throw Errno(rawValue: -made)
            }
        }
    }

    /// Names in it, sorted, without `.` and `..`.
    package var names: [String] { HostFiles().names(in: path) }

    /// All bytes of the file `name`; nil if there are more than `limit`.
    package func read(_ name: String, limit: Int = 1 << 20) throws(Errno) -> [UInt8]? {
        let source = try open(name, flags: O_RDONLY | O_NONBLOCK)
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4 << 10)
        while true {
            let count = try source.read(into: &buffer)
            if count == 0 { return contents }
            guard contents.count + count <= limit else { return nil }
            contents += buffer[..<count]
        }
    }

    /// Puts `bytes` in the place of the file `name`: readers find the old file or the new one, and
    /// a full disk leaves the old one. One writer at a time.
    package func write(_ bytes: [UInt8], to name: String) throws(Errno) {
        let draft = ".\(name).new"
        do throws(Errno) {
            let target = try open(draft, flags: O_WRONLY | O_CREAT | O_TRUNC)
            var rest = bytes[...]
            while !rest.isEmpty { rest = rest.dropFirst(try target.write(rest)) }
            try rename(draft, to: name)
        } catch {
            try? remove(file: draft)
            throw error
        }
    }

    /// Opens the file `name`, never through a link; `flags` as open(2) has them.
    package func open(_ name: String, flags: CInt) throws(Errno) -> FileDescriptor {
        let raw = unsafe clinux_openat(file.rawValue, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
        return FileDescriptor(adopting: try Errno.check(raw))
    }

    /// Makes the file `name`, empty, to be added to.
    package func make(_ name: String) throws(Errno) -> FileDescriptor {
        try open(name, flags: O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
    }

    /// Opens the file `name` to be read; nil: there is none.
    package func openIfThere(_ name: String) throws(Errno) -> FileDescriptor? {
        do throws(Errno) {
            return try open(name, flags: O_RDONLY | O_NONBLOCK)
        } catch .noEntry {
            return nil
        }
    }

    /// Makes the directory `name`, which must not exist.
    package func makeDirectory(_ name: String) throws(Errno) {
        guard unsafe mkdirat(file.rawValue, name, 0o700) == 0 else { throw .last }
    }

    /// Gives the file or directory `name` another name, and replaces a file that has it.
    package func rename(_ name: String, to other: String) throws(Errno) {
        guard unsafe renameat(file.rawValue, name, file.rawValue, other) == 0 else { throw .last }
    }

    package func remove(file name: String) throws(Errno) {
        guard unsafe unlinkat(file.rawValue, name, 0) == 0 else { throw .last }
    }

    /// Removes the directory `name` and the files in it; directories in it are refused.
    package func remove(directory name: String) throws(Errno) {
        let inner = FileDescriptor(
            adopting: try Errno.check(
                unsafe clinux_openat(
                    file.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)))
        for entry in HostFiles().names(in: path + "/" + name) {
            if unsafe unlinkat(inner.rawValue, entry, 0) != 0, errno != ENOENT { throw .last }
        }
        guard unsafe unlinkat(file.rawValue, name, AT_REMOVEDIR) == 0 else { throw .last }
    }
}

extension PrivateDirectory {
    /// Takes the lock on the file `name`, which is made if it may be; nil: another holds it.
    package func lock(
        _ name: String, _ manner: FileLock.Manner, makes: Bool
    ) throws(Errno) -> FileLock? {
        let file = try open(name, flags: makes ? O_RDONLY | O_CREAT : O_RDONLY)
        do throws(Errno) {
            try Errno.check(clinux_flock(file.rawValue, manner == .shared ? 0 : 1))
        } catch .again {
            return nil
        }
        return FileLock(file)
    }
}

/// A lock on a file. flock(2): it belongs to the open file, so it ends with the last process that
/// has it open, however that one ends, and goes along to a child that is given the descriptor.
package struct FileLock: ~Copyable, Sendable {
    package enum Manner: Sendable { case shared, exclusive }

    package let file: FileDescriptor

    fileprivate init(_ file: consuming FileDescriptor) { self.file = file }

    /// Takes over a lock that was inherited with `descriptor`.
    package init(adopting descriptor: CInt) {
        _ = clinux_fcntl(descriptor, F_SETFD, Int(FD_CLOEXEC))
        file = FileDescriptor(adopting: descriptor)
    }
}

extension FileDescriptor {
    /// Tells the file that is open from all others, as long as it is.
    package struct FileIdentity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
    }

    package var fileIdentity: FileIdentity? {
        var status = stat()
        guard unsafe fstat(rawValue, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Cuts the file off behind its first `count` bytes.
    package func truncate(to count: Int) throws(Errno) {
        guard ftruncate(rawValue, off_t(count)) == 0 else { throw .last }
    }
}

extension Errno {
    /// Of the C library's last call in this thread that failed.
    fileprivate static var last: Errno { Errno(rawValue: errno) }
}
