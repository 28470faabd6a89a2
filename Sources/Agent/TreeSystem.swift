// SPDX-License-Identifier: Apache-2.0
import CTree

/// What copying trees asks of Linux, with arrays in place of pointers. Names end with a zero; a
/// negative result is a negated error number.
///
/// Written out, as the compiler of Swift 6.3.1 fails on the wrappers that it would make itself when
/// it has more than one thread.
enum TreeSystem {
    /// What a name stands for. `follows`: what a symbolic link leads to.
    static func status(
        _ name: [UInt8], in directory: Int32, follows: Bool = false
    ) -> tree_status {
        // SAFETY: here and below, an array lends its bytes for the time of the call, with their
        // number.
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_status_at(directory, $0.baseAddress, Int32($0.count), follows ? 1 : 0)
        }
    }

    static func openDirectory(
        _ name: [UInt8], in directory: Int32, follows: Bool = false
    ) -> Int32 {
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_open_directory(directory, $0.baseAddress, Int32($0.count), follows ? 1 : 0)
        }
    }

    static func openFile(_ name: [UInt8], in directory: Int32) -> Int32 {
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_open_file(directory, $0.baseAddress, Int32($0.count))
        }
    }

    static func makeFile(_ name: [UInt8], in directory: Int32) -> Int32 {
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_make_file(directory, $0.baseAddress, Int32($0.count))
        }
    }

    static func makeDirectory(_ name: [UInt8], in directory: Int32) -> Int32 {
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_make_directory(directory, $0.baseAddress, Int32($0.count))
        }
    }

    /// - Parameter strings: The link's name, what it leads to.
    static func makeLink(_ strings: [UInt8], in directory: Int32) -> Int32 {
        unsafe strings.withUnsafeBufferPointer {
            unsafe tree_make_link(directory, $0.baseAddress, Int32($0.count))
        }
    }

    /// Gives a file one more name.
    ///
    /// - Parameter strings: Its name in `source`, its new one in `directory`.
    static func makeHardLink(
        _ strings: [UInt8], from source: Int32, in directory: Int32
    ) -> Int32 {
        unsafe strings.withUnsafeBufferPointer {
            unsafe tree_make_hard_link(source, directory, $0.baseAddress, Int32($0.count))
        }
    }

    /// Puts what a link leads to into `target`; how many bytes, without a zero.
    static func readLink(
        _ name: [UInt8], in directory: Int32, into target: inout [UInt8]
    ) -> Int32 {
        unsafe target.withUnsafeMutableBufferPointer { room in
            unsafe name.withUnsafeBufferPointer {
                unsafe tree_read_link(
                    directory, $0.baseAddress, Int32($0.count), room.baseAddress,
                    Int32(room.count))
            }
        }
    }

    /// Removes whatever has that name, a directory apart.
    static func remove(_ name: [UInt8], in directory: Int32) -> Int32 {
        unsafe name.withUnsafeBufferPointer {
            unsafe tree_remove(directory, $0.baseAddress, Int32($0.count))
        }
    }

    /// Reads at most `limit` bytes to `bytes[start...]`.
    static func read(
        _ file: Int32, into bytes: inout [UInt8], from start: Int, limit: Int
    ) -> Int32 {
        unsafe bytes.withUnsafeMutableBufferPointer {
            unsafe tree_read(
                file, $0.baseAddress, Int32(clamping: $0.count), Int32(clamping: start),
                Int32(clamping: limit))
        }
    }

    /// Writes `bytes[start...]`.
    static func write(_ bytes: [UInt8], from start: Int, to file: Int32) -> Int32 {
        unsafe bytes.withUnsafeBufferPointer {
            unsafe tree_write(
                file, $0.baseAddress, Int32(clamping: $0.count), Int32(clamping: start))
        }
    }

    /// Puts records of a directory into `records`.
    static func list(_ directory: Int32, into records: inout [UInt8]) -> Int32 {
        unsafe records.withUnsafeMutableBufferPointer {
            unsafe tree_list(directory, $0.baseAddress, Int32(clamping: $0.count))
        }
    }

    /// Gives a link what its entry says; that it cannot be is no matter.
    static func adornLink(_ name: [UInt8], in directory: Int32, as entry: TreeEntry) {
        unsafe name.withUnsafeBufferPointer {
            _ = unsafe tree_set_link_owner(
                directory, $0.baseAddress, Int32($0.count), entry.owner, entry.group)
            _ = unsafe tree_set_link_time(
                directory, $0.baseAddress, Int32($0.count), entry.seconds, entry.nanoseconds)
        }
    }
}
