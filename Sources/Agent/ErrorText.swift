// SPDX-License-Identifier: Apache-2.0

/// What Linux's error numbers mean, for messages that the host makes of a guest's numbers.
enum ErrorText {
    static var isDirectory: UInt32 { 21 }

    /// The errors that commands and copies meet; others by number.
    static func text(_ errno: UInt32) -> String {
        switch errno {
        case 1: "operation not permitted"
        case 2: "no such file or directory"
        case 5: "input/output error"
        case 7: "argument list too long"
        case 8: "exec format error"
        case 11: "no more processes allowed"
        case 12: "out of memory"
        case 13: "permission denied"
        case 16: "device or resource busy"
        case 17: "file exists"
        case 18: "not on the same file system"
        case 20: "not a directory"
        case isDirectory: "is a directory"
        case 22: "invalid argument"
        case 23, 24: "too many open files"
        case 26: "text file busy"
        case 27: "file too large"
        case 28: "no space left on device"
        case 30: "read-only file system"
        case 31: "too many hard links"
        case 36: "file name too long"
        case 40: "too many levels of symbolic links"
        case 95: "operation not supported"
        case 111: "connection refused"
        case 122: "disk quota exceeded"
        default: "error \(errno)"
        }
    }
}
