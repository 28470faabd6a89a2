// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Calls on paths that Foundation has no words for. Each answers what the C library's does.
enum Posix {
    @discardableResult
    static func link(_ path: String, _ other: String) -> Int32 {
        unsafe Foundation.link(path, other)
    }

    @discardableResult
    static func symlink(_ target: String, _ path: String) -> Int32 {
        unsafe Foundation.symlink(target, path)
    }

    @discardableResult
    static func rename(_ path: String, _ other: String) -> Int32 {
        unsafe Foundation.rename(path, other)
    }

    @discardableResult
    static func unlink(_ path: String) -> Int32 { unsafe Foundation.unlink(path) }

    @discardableResult
    static func rmdir(_ path: String) -> Int32 { unsafe Foundation.rmdir(path) }

    @discardableResult
    static func mkdir(_ path: String, _ mode: mode_t) -> Int32 {
        unsafe Foundation.mkdir(path, mode)
    }

    @discardableResult
    static func mkfifo(_ path: String, _ mode: mode_t) -> Int32 {
        unsafe Foundation.mkfifo(path, mode)
    }

    /// A character device.
    @discardableResult
    static func device(_ path: String, major: UInt, minor: UInt) -> Int32 {
        unsafe mknod(path, S_IFCHR | 0o666, dev_t(major << 8 | minor))
    }

    @discardableResult
    static func chmod(_ path: String, _ mode: mode_t) -> Int32 {
        unsafe Foundation.chmod(path, mode)
    }

    @discardableResult
    static func chown(_ path: String, _ user: Int, _ group: Int) -> Int32 {
        unsafe Foundation.chown(path, uid_t(user), gid_t(group))
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Of the entry itself, if it is a link too.
    static func status(_ path: String) -> stat? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status : nil
    }
}
