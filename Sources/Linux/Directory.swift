// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What a file is and whose. inode(7).
package struct FileStatus: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case directory, regular, link, characterDevice, pipe, other
    }

    package let kind: Kind
    /// Permission bits.
    package let mode: UInt32
    package let user: UInt32
    package let group: UInt32
    /// Names that it has.
    package let links: UInt64
    /// Of a device.
    package let major: UInt32
    package let minor: UInt32
    /// Tells the file and its contents from all others, whatever names it has.
    package let identity: String

    /// Of a file that somebody has open.
    package init(of descriptor: CInt) throws(Errno) {
        var status = clinux_status()
        try Errno.check(unsafe clinux_status_of(descriptor, &status))
        self.init(status)
    }

    fileprivate init(_ status: clinux_status) {
        kind =
            switch Int(status.type) {
            case Int(CLINUX_DIRECTORY): .directory
            case Int(CLINUX_REGULAR): .regular
            case Int(CLINUX_LINK): .link
            case Int(CLINUX_CHARACTER): .characterDevice
            case Int(CLINUX_PIPE): .pipe
            default: .other
            }
        mode = status.mode
        user = status.user
        group = status.group
        links = status.links
        major = status.major
        minor = status.minor
        identity = "\(status.device)-\(status.inode)-\(status.size)-\(status.changed)"
    }
}

/// A directory that is held open: whatever is done to its path, this stays the one that is meant.
///
/// Names are looked up in it without following a link, and never lead out of it.
package final class Directory: Sendable {
    /// How it was reached, for messages.
    package let path: String
    private let file: FileDescriptor

    private init(_ file: consuming FileDescriptor, path: String) {
        self.file = file
        self.path = path
    }

    /// Opens a directory whose path is believed: links are followed.
    package convenience init(trusting path: String) throws(Errno) {
        self.init(try FileDescriptor.open(path, flags: O_RDONLY | O_DIRECTORY), path: path)
    }

    package func path(of name: String) -> String { path == "/" ? "/" + name : path + "/" + name }

    package func status() throws(Errno) -> FileStatus { try file.status() }

    /// Of the entry itself, if it is a link too.
    package func status(of name: String) throws(Errno) -> FileStatus {
        var status = clinux_status()
        try Errno.check(unsafe clinux_status_at(file.rawValue, name, &status))
        return FileStatus(status)
    }

    // MARK: Directories

    package func directory(_ name: String) throws(Errno) -> Directory {
        Directory(try open(name, flags: O_RDONLY | O_DIRECTORY), path: path(of: name))
    }

    /// Makes a directory. False: there is something of that name already.
    package func makeDirectory(_ name: String, mode: UInt32) throws(Errno) -> Bool {
        do throws(Errno) {
            try Errno.check(unsafe clinux_mkdir_at(file.rawValue, name, mode))
            return true
        } catch .exists {
            return false
        }
    }

    package func removeDirectory(_ name: String) throws(Errno) {
        try Errno.check(unsafe clinux_unlink_at(file.rawValue, name, 1))
    }

    package func setOwner(user: UInt32, group: UInt32) throws(Errno) {
        try file.setOwner(user: user, group: group)
    }

    package func setMode(_ mode: UInt32) throws(Errno) { try file.setMode(mode) }

    /// Makes it this process's working directory.
    package func enter() throws(Errno) {
        try Errno.check(clinux_enter(file.rawValue))
    }

    // MARK: Files

    /// Opens an entry that is there, close-on-exec.
    package func open(_ name: String, flags: CInt) throws(Errno) -> FileDescriptor {
        let raw = unsafe clinux_open_beneath(file.rawValue, name, flags)
        return FileDescriptor(adopting: try Errno.check(raw))
    }

    /// Makes an ordinary file that was not there, to be written.
    package func create(_ name: String, mode: UInt32) throws(Errno) -> FileDescriptor {
        let raw = unsafe clinux_create_at(file.rawValue, name, mode)
        return FileDescriptor(adopting: try Errno.check(raw))
    }

    /// Makes a character device that was not there, for its owner alone.
    package func makeDevice(
        _ name: String, major: UInt32, minor: UInt32, user: UInt32, group: UInt32
    ) throws(Errno) {
        try Errno.check(unsafe clinux_mknod_at(file.rawValue, name, major, minor))
        let device = try open(name, flags: FileSystem.naming)
        let status = try device.status()
        // Whoever has put another file there gets nothing.
        guard status.kind == .characterDevice, status.major == major, status.minor == minor,
            status.links == 1
        else { throw .exists }
        try device.setOwner(user: user, group: group)
    }

    /// Moves an entry to where nothing is.
    package func move(
        _ name: String, to other: String, in directory: Directory
    ) throws(Errno) {
        try Errno.check(
            unsafe clinux_move(file.rawValue, name, directory.file.rawValue, other))
    }

    /// Removes an entry, never what a link points to.
    package func remove(_ name: String) throws(Errno) {
        try Errno.check(unsafe clinux_unlink_at(file.rawValue, name, 0))
    }

    /// The first 64 KiB of a file.
    package func text(of name: String) throws(Errno) -> String {
        let file = try open(name, flags: O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = try file.read(into: &bytes)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Gives a file that is there this content, by one write, as the kernel's own files want it.
    package func write(_ text: String, to name: String) throws(Errno) {
        let file = try open(name, flags: O_WRONLY)
        _ = try file.write(Array(text.utf8)[...])
    }
}

extension FileDescriptor {
    package func status() throws(Errno) -> FileStatus { try FileStatus(of: rawValue) }

    package func setOwner(user: UInt32, group: UInt32) throws(Errno) {
        try Errno.check(clinux_chown_fd(rawValue, user, group))
    }

    package func setMode(_ mode: UInt32) throws(Errno) {
        try Errno.check(clinux_chmod_fd(rawValue, mode))
    }

    /// Copies a program to the empty file `target`, as far as the kernel needs it to execute it:
    /// without symbols.
    package func copyProgram(to target: borrowing FileDescriptor) throws(Errno) {
        let count = try Errno.check(Int(clinux_program_size(rawValue)))
        try Errno.check(clinux_copy(rawValue, target.rawValue, Int64(count)))
    }
}

extension FileSystem {
    /// Flags for a descriptor that only says which file is meant.
    package static var naming: CInt { CLINUX_PATH_ONLY }
    /// Flags for an unknown file that is read, without waiting for anybody.
    package static var readingAtOnce: CInt { O_RDONLY | O_NONBLOCK | O_NOCTTY }
    /// Flags for a file that is written.
    package static var writing: CInt { O_WRONLY }

    /// Permissions that new files never get. umask(2)
    package static func setModeMask(_ mask: UInt32) { _ = umask(mask) }

    /// `path` from the root on, all links followed.
    package static func realPath(_ path: String) throws(Errno) -> String {
        var buffer = [CChar](repeating: 0, count: 4097)
        try Errno.check(unsafe clinux_real_path(path, &buffer))
        let end = buffer.firstIndex(of: 0) ?? 0
        return String(decoding: buffer[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
