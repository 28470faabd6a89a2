// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A line for a file that is written when a signal ends the process.
///
/// Whoever could make it then may hold locks that the signal's handler would wait for, so it is made
/// beforehand, and the handler changes digits in place.
package struct PartingLine: Sendable {
    /// Why a signal ends the process.
    package enum Reason: CaseIterable, Hashable, Sendable {
        /// A system call that the thread's filter forbids.
        case badSystemCall
        case sigbus
        case sigsegv
        case sigxfsz
        case sigxcpu
        case sigill
        /// SIGILL of the program's own: a check of Swift's has failed.
        case trap
    }

    private let bytes: [UInt8]
    private let time: Int
    private let digits: [Int]

    /// - Parameters:
    ///   - time: Where 13 digits are that become the milliseconds since 1970.
    ///   - digit: Where the digit is that becomes 1 for a reason.
    package init(_ bytes: [UInt8], time: Int, digit: (Reason) -> Int) {
        self.bytes = bytes
        self.time = time
        digits = Reason.allCases.map(digit)
    }

    /// Keeps it for `file`, which stays open, in the place of the line that was kept before. One
    /// thread at a time.
    package func keep(for file: CInt) throws(Errno) {
        let result = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe digits.withUnsafeBufferPointer { digits in
                // SAFETY: both are copied; a digit's place is looked up in an array of as many.
                unsafe clinux_keep_parting(
                    file, bytes.baseAddress, bytes.count, time, digits.baseAddress)
            }
        }
        try Errno.check(result)
    }
}
