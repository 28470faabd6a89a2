// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What a program knows of itself.
package enum CurrentProcess {
    /// When it began, on ``Clock/monotonic``: before the loader, to within the time that the
    /// process then waited instead of running. Right only if asked first thing.
    package static var start: UInt64 {
        let now = clinux_clock(CLOCK_MONOTONIC)
        return now &- min(now, clinux_clock(CLOCK_PROCESS_CPUTIME_ID))
    }

    /// Process number.
    package static var identifier: CInt { getpid() }

    /// Path of the program's file with all links followed.
    package static var executablePath: String? { linkTarget("/proc/self/exe") }

    /// The effective user is root.
    package static var isRoot: Bool { geteuid() == 0 }

    /// The value of an environment variable, unless it is missing or empty.
    package static func environment(_ name: String) -> String? {
        // SAFETY: nobody changes the environment in this program.
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// The whole environment, `NAME=value` each.
    package static var environment: [String] { unsafe strings(clinux_environment()) }

    /// The program's name and its arguments. `CommandLine` searches the program for conformances to
    /// make this list.
    package static var arguments: [String] { unsafe strings(clinux_arguments()) }

    /// A list of C strings that ends with a null, and that nobody changes in this program.
    private static func strings(
        _ list: UnsafePointer<UnsafeMutablePointer<CChar>?>?
    ) -> [String] {
        var all: [String] = []
        guard var next = unsafe list else { return [] }
        while let text = unsafe next.pointee {
            unsafe all.append(String(cString: text))
            unsafe next += 1
        }
        return all
    }

    /// Forgets which pages of its own code the program has executed so far. Those that it goes on
    /// executing are mapped again, from the page cache, one by one; those of its start are not.
    package static func forgetCode() { clinux_unmap_code() }

    /// Lets what is executed from now on map less of the code around it. It costs a millisecond,
    /// and saves half of the code's resident memory.
    package static func divideCode() { clinux_divide_code() }

    /// Ends the program at once, with `status`.
    package static func exit(_ status: CInt) -> Never { CLinux.exit(status) }

    /// Ends the program as `signal` would have.
    package static func end(by signal: Signal) -> Never {
        clinux_default_signal(signal.rawValue)
        raise(signal.rawValue)
        CLinux.exit(128 &+ signal.rawValue)
    }

    /// Writes all of `text` to standard error, as far as it takes it.
    package static func complain(_ text: String) { writeAll(Array(text.utf8), to: 2) }

    /// Writes all of `bytes`, waiting as long as it takes; gives up at an error.
    package static func writeAll(_ bytes: [UInt8], to descriptor: CInt) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe clinux_write(descriptor, $0.baseAddress, $0.count)
            }
            if count == Int(-EINTR) { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static func linkTarget(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBufferPointer {
            unsafe clinux_readlink(path, $0.baseAddress, $0.count)
        }
        guard count > 0, count < 4096 else { return nil }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Questions about files that need no open descriptor.
package enum FileSystem {
    /// Why the file at `path` cannot be read by this process; nil if it can.
    package static func readError(_ path: String) -> Errno? { access(path, R_OK) }

    /// Why the file at `path` cannot be executed by this process; nil if it can.
    package static func executeError(_ path: String) -> Errno? { access(path, X_OK) }

    /// All bytes of the file at `path`; nil if there are more than `limit`.
    package static func contents(of path: String, limit: Int) throws(Errno) -> [UInt8]? {
        let file = try FileDescriptor.open(path)
        var contents: [UInt8] = []
        // Most files are smaller than a page, and each page of room costs a start a fault.
        var buffer = [UInt8](repeating: 0, count: min(max(limit, 0), (4 << 10) - 1) + 1)
        while true {
            let count = try file.read(into: &buffer)
            if count == 0 { return contents }
            guard contents.count + count <= limit else { return nil }
            contents.append(contentsOf: buffer[..<count])
        }
    }

    /// Whether `descriptor` is an ordinary file, which never makes anybody wait.
    package static func isRegularFile(_ descriptor: CInt) -> Bool {
        clinux_is_regular(descriptor) == 1
    }

    /// Flags for a log that is made if it is not there.
    package static var appending: CInt { O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY }

    /// Opens a log: a file, which is made if it is not there and added to, or a named pipe, which
    /// need not have a reader. Writes never wait.
    package static func openLog(_ path: String) throws(Errno) -> FileDescriptor {
        try FileDescriptor.open(
            path, flags: O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY)
    }

    /// Why the file at `path` cannot be opened, to be read or also written; nil if it can.
    package static func openError(_ path: String, writable: Bool) -> Errno? {
        do throws(Errno) {
            _ = try FileDescriptor.open(path, flags: (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK)
            return nil
        } catch {
            return error
        }
    }

    /// Whether there is anything at `path` that this process can find.
    package static func exists(_ path: String) -> Bool { place(of: path) != nil }

    /// Whether two paths lead to the same thing, through whatever links.
    package static func isSame(_ path: String, _ other: String) -> Bool {
        guard let place = place(of: path), let other = self.place(of: other) else { return false }
        return place == other
    }

    private static func place(of path: String) -> (device: UInt64, inode: UInt64)? {
        guard let file = try? FileDescriptor.open(path, flags: CLINUX_PATH_ONLY) else { return nil }
        var status = clinux_status()
        guard unsafe clinux_status_of(file.rawValue, &status) == 0 else { return nil }
        return (status.device, status.inode)
    }

    /// Flags for a device or socket that is used both ways.
    package static var readingAndWriting: CInt { O_RDWR }

    private static func access(_ path: String, _ mode: CInt) -> Errno? {
        let result = unsafe clinux_access(path, mode)
        return result < 0 ? Errno(rawValue: -result) : nil
    }
}

/// Reads and writes on descriptors that this process was started with, and does not own.
package enum Stream {
    /// Reads at most `limit` bytes; none at the end.
    package static func read(_ descriptor: CInt, limit: Int) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let result = unsafe buffer.withUnsafeMutableBytes {
            unsafe clinux_read(descriptor, $0.baseAddress, $0.count)
        }
        buffer.removeSubrange(try Errno.check(result)...)
        return buffer
    }

    /// Reads at most `bytes.count` bytes into the front of `bytes`; 0 at the end.
    package static func read(
        _ descriptor: CInt, into bytes: inout [UInt8]
    ) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeMutableBytes {
            unsafe clinux_read(descriptor, $0.baseAddress, $0.count)
        }
        return try Errno.check(result)
    }

    /// Writes at most all of `bytes`; how many were taken.
    package static func write(
        _ bytes: ArraySlice<UInt8>, to descriptor: CInt
    ) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeBytes {
            unsafe clinux_write(descriptor, $0.baseAddress, $0.count)
        }
        return try Errno.check(result)
    }
}
