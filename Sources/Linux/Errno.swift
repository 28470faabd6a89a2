// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A kernel error number.
package struct Errno: Error, RawRepresentable, Hashable, Sendable {
    package let rawValue: CInt

    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static var interrupted: Self { Self(rawValue: EINTR) }
    package static var again: Self { Self(rawValue: EAGAIN) }
    package static var brokenPipe: Self { Self(rawValue: EPIPE) }
    package static var connectionReset: Self { Self(rawValue: ECONNRESET) }
    package static var timedOut: Self { Self(rawValue: ETIMEDOUT) }
    package static var noEntry: Self { Self(rawValue: ENOENT) }
    package static var noDevice: Self { Self(rawValue: ENODEV) }
    package static var noSuchAddress: Self { Self(rawValue: ENXIO) }
    package static var noAccess: Self { Self(rawValue: EACCES) }
    package static var notPermitted: Self { Self(rawValue: EPERM) }
    package static var badAddress: Self { Self(rawValue: EFAULT) }
    package static var invalid: Self { Self(rawValue: EINVAL) }
    package static var busy: Self { Self(rawValue: EBUSY) }
    package static var exists: Self { Self(rawValue: EEXIST) }
    package static var notDirectory: Self { Self(rawValue: ENOTDIR) }
    package static var tooManyLinks: Self { Self(rawValue: ELOOP) }
    package static var isDirectory: Self { Self(rawValue: EISDIR) }

    /// Turns a `CLinux` answer into a value or a thrown error.
    package static func check(_ result: Int) throws(Errno) -> Int {
        guard result >= 0 else { throw Errno(rawValue: CInt(truncatingIfNeeded: -result)) }
        return result
    }

    /// As ``check(_:)-(Int)``, for answers of 32 bits.
    @discardableResult
    package static func check(_ result: CInt) throws(Errno) -> CInt {
        guard result >= 0 else { throw Errno(rawValue: -result) }
        return result
    }
}

extension Errno: CustomStringConvertible {
    /// The C library's text, such as `No such file or directory`.
    package var description: String {
        // SAFETY: strerror answers a C string that lives until the thread's next call.
        unsafe String(cString: strerror(rawValue))
    }

    /// The C library's text and the number, as Rust shows an error of the host.
    package var withNumber: String { "\(self) (os error \(rawValue))" }
}
