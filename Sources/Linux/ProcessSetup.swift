// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Whose a process is, what it may use, and where it goes on: what a program does to itself before
/// it becomes another.
package enum ProcessSetup {
    /// A bound of setrlimit(2).
    package enum Limit: Hashable, Sendable {
        /// Largest file in bytes.
        case fileSize
        /// Number of descriptors.
        case openFiles
    }

    package static func limit(_ limit: Limit, to value: UInt64) throws(Errno) {
        let resource =
            switch limit {
            case .fileSize: clinux_limit_file_size
            case .openFiles: clinux_limit_open_files
            }
        try Errno.check(clinux_set_limit(resource, value))
    }

    /// Takes this user and group, and no other groups. ``regain()`` leads back until the next
    /// ``execute(_:)``, which takes that away too.
    package static func become(user: UInt32, group: UInt32) throws(Errno) {
        try Errno.check(clinux_become(user, group))
    }

    /// Goes back to root's rights after ``become(user:group:)``.
    package static func regain() throws(Errno) { try Errno.check(clinux_regain()) }

    /// No capability can come back that is given up.
    package static func closeCapabilityBounds() throws(Errno) {
        try Errno.check(clinux_close_bounds())
    }

    /// Replaces this program by the one at `words[0]`, which gets all `words` and an empty
    /// environment. Answers why that was not possible.
    package static func execute(_ words: [String]) -> Errno {
        // SAFETY: the strings live until the call returns, which it does only if it failed.
        let result = unsafe withCStrings(words) { list in unsafe clinux_exec(list[0], list) }
        return Errno(rawValue: -result)
    }

    /// Makes a second process that goes on from here. Nil: this is it. For programs of one thread.
    package static func fork() throws(Errno) -> CInt? {
        let made = try Errno.check(clinux_fork())
        return made == 0 ? nil : made
    }

    /// Waits for the end of a child: its exit status, or 256 and the signal that ended it.
    @discardableResult
    package static func wait(for child: CInt) throws(Errno) -> CInt {
        try Errno.check(clinux_reap(child))
    }

    /// Leaves session and terminal. Not for the leader of a process group.
    package static func makeSession() throws(Errno) { try Errno.check(clinux_new_session()) }

    package static var isSessionLeader: Bool { clinux_is_session_leader() == 1 }

    /// Makes 0, 1 and 2 what `descriptor` is.
    package static func replaceStandardStreams(by descriptor: CInt) throws(Errno) {
        for stream: CInt in 0...2 { try Errno.check(clinux_replace(descriptor, stream)) }
    }

    /// Opens `/dev/null` in place of those of 0, 1 and 2 that are closed, so that no file of ours
    /// gets their number.
    package static func completeStandardStreams() throws(Errno) {
        while true {
            let file = try FileDescriptor.open("/dev/null", flags: O_RDWR)
            guard file.rawValue <= 2 else { return }
            let raw = file.release()
            // Those three stay open over an exec.
            try Errno.check(clinux_fcntl(raw, F_SETFD, 0))
        }
    }

    /// Ends this process and nothing else of it, as the copy of another must.
    package static func end(_ status: CInt) -> Never { clinux_end(status) }
}

/// Calls `body` with a null-terminated array of C strings.
func withCStrings(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt
) -> CInt {
    var list = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe list.indices { unsafe free(list[index]) } }
    return unsafe list.withUnsafeMutableBufferPointer { buffer in
        guard let first = buffer.baseAddress else { return -EINVAL }
        return unsafe body(first)
    }
}
