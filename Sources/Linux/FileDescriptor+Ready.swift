// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

extension FileDescriptor {
    /// Writes at most 4,096 bytes if that need not wait, whether or not the descriptor blocks;
    /// `.again` if it would. For descriptors shared with other programs, such as a terminal,
    /// whose flags are not ours to change.
    package func writeIfReady(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        guard clinux_is_writable(rawValue) == 1 else { throw .again }
        return try write(bytes.prefix(4096))
    }

    /// As ``duplicating(_:)``, for output. A terminal says that it has room for more, and makes who
    /// writes much wait for its reader all the same. So it is opened anew, if it can be, and never
    /// makes anybody wait; the flags of `raw`, which others share, stay as they are.
    package static func forOutput(_ raw: CInt) throws(Errno) -> FileDescriptor {
        let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY
        if Terminal.isTerminal(raw), let own = try? open("/proc/self/fd/\(raw)", flags: flags) {
            return own
        }
        return try duplicating(raw)
    }

    /// True if epoll(7) can watch it; false for regular files and the like, always ready.
    package var isPollable: Bool {
        guard let poller = try? Poller() else { return true }
        do throws(Errno) {
            try poller.add(rawValue, token: 0)
            return true
        } catch {
            return error.rawValue != EPERM
        }
    }
}

extension Stream {
    /// As ``FileDescriptor/writeIfReady(_:)``, on a descriptor that is not owned.
    package static func writeIfReady(
        _ bytes: ArraySlice<UInt8>, to descriptor: CInt
    ) throws(Errno) -> Int {
        guard clinux_is_writable(descriptor) == 1 else { throw .again }
        return try write(bytes.prefix(4096), to: descriptor)
    }
}
