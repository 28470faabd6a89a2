// SPDX-License-Identifier: Apache-2.0
import CLinux

extension FileDescriptor {
    /// Reads into `bytes` from index `start` on; how many, 0 at the end, or a negated error number.
    package func read(into bytes: inout MutableSpan<UInt8>, from start: Int) -> Int {
        let raw = rawValue
        return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, start < buffer.count else { return 0 }
            return unsafe clinux_read(raw, base + start, buffer.count - start)
        }
    }
}
