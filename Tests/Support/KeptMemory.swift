// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Memory

extension GuestMemory {
    /// Lets the host take no more of this memory back: nobody makes a hole in a file that he may only
    /// read. What is mapped stays as it is.
    package func keepAll() throws(Errno) {
        let number = file.rawValue
        let reader = try FileDescriptor.open("/proc/self/fd/\(number)", flags: O_RDONLY)
        try Errno.check(dup2(reader.rawValue, number))
    }
}
