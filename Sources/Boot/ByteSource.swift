// SPDX-License-Identifier: Apache-2.0
import Memory

/// A kernel or initrd, read piece by piece. Its bytes may change and end at any time: nothing that
/// was checked is read again.
package protocol ByteSource {
    /// How many bytes there were at first.
    var byteCount: Int { get }

    /// A copy of the bytes in `range`; nil if they are not all there any more.
    func bytes(in range: Range<Int>) -> [UInt8]?

    /// Copies the bytes in `range` to guest memory; false if they are not all there any more.
    func copy(
        _ range: Range<Int>, to memory: GuestMemory, at address: GuestAddress
    ) throws(MemoryError) -> Bool
}

extension ByteSource {
    /// As much of `range` as the file had at first; none if it is not there any more.
    func prefix(of range: Range<Int>) -> [UInt8] {
        bytes(in: range.clamped(to: 0..<byteCount)) ?? []
    }
}

/// A file that is in memory.
package struct ByteArray: ByteSource {
    private let all: [UInt8]

    package init(_ bytes: [UInt8]) { all = bytes }

    package var byteCount: Int { all.count }

    package func bytes(in range: Range<Int>) -> [UInt8]? {
        all.indices.contains(range) ? Array(all[range]) : nil
    }

    package func copy(
        _ range: Range<Int>, to memory: GuestMemory, at address: GuestAddress
    ) throws(MemoryError) -> Bool {
        guard let bytes = bytes(in: range) else { return false }
        try memory.write(bytes, at: address)
        return true
    }
}
