// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A small file in a directory of this user's own, to remember something in: it can be absent,
/// and what others have put in its place is not believed.
package struct PrivateFile: Hashable, Sendable {
    /// The directory, which is made if need be; its parent is not.
    package let directory: String
    package let name: String

    package init(directory: String, name: String) {
        self.directory = directory
        self.name = name
    }

    /// In the directory that the system keeps for this user while it runs, else among the user's
    /// caches; nil if there is neither. As the environment has it, while there is one.
    package static var usualDirectory: String? {
        if let directory = CurrentProcess.environment("XDG_RUNTIME_DIR") {
            return directory + "/swiftlet"
        }
        if CurrentProcess.isRoot { return "/run/swiftlet" }
        return CurrentProcess.environment("HOME").map { $0 + "/.cache/swiftlet" }
    }

    /// All of it, if it is an ordinary file of at most `limit` bytes, and it and its directory are
    /// this user's and nobody else can write them.
    package func read(limit: Int) -> [UInt8]? {
        do throws(Errno) {
            let directory = try openDirectory()
            let raw = unsafe clinux_openat(
                directory.rawValue, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0)
            let file = FileDescriptor(adopting: try Errno.check(raw))
            guard Self.isOwn(file.rawValue, type: S_IFREG) else { return nil }
            var bytes = [UInt8](repeating: 0, count: limit + 1)
            let count = try file.read(into: &bytes)
            return count > limit ? nil : Array(bytes[..<count])
        } catch {
            return nil
        }
    }

    /// Puts `bytes` in its place, all at once or not at all; false if that cannot be done safely.
    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool {
        _ = unsafe clinux_mkdir(directory, 0o700)
        do throws(Errno) {
            let directory = try openDirectory()
            let draft = ".\(name).\(getpid())"
            let raw = unsafe clinux_openat(
                directory.rawValue, draft,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            let file = FileDescriptor(adopting: try Errno.check(raw))
            let isWhole = try file.write(bytes[...]) == bytes.count
            guard isWhole,
                unsafe renameat(directory.rawValue, draft, directory.rawValue, name) == 0
            else {
                _ = unsafe unlinkat(directory.rawValue, draft, 0)
                return false
            }
            return true
        } catch {
            return false
        }
    }

    private func openDirectory() throws(Errno) -> FileDescriptor {
        let opened = try FileDescriptor.open(directory, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard Self.isOwn(opened.rawValue, type: S_IFDIR) else { throw .notPermitted }
        return opened
    }

    /// True if `descriptor` is of that type and of this user, and nobody else may write it.
    private static func isOwn(_ descriptor: CInt, type: mode_t) -> Bool {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == type
            && status.st_uid == geteuid() && status.st_mode & 0o022 == 0
    }
}

extension FileSystem {
    /// Something that changes when another file takes the place of the one at `path`, or when it
    /// is made again; nil if there is none.
    package static func identity(_ path: String) -> String? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return
            "\(status.st_dev)-\(status.st_ino)-\(status.st_ctim.tv_sec)-\(status.st_ctim.tv_nsec)"
    }
}
