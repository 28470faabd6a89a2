// SPDX-License-Identifier: Apache-2.0
import Memory

/// What devices read and write in the slices of a chain.
extension GuestSlices {
    /// Copies a value out from `offset` on, or nil if the slices end before it does.
    package func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value? {
        let size = MemoryLayout<Value>.size
        guard byteCount >= size, offset <= byteCount - size else { return nil }
        return unsafe withUnsafeTemporaryAllocation(
            byteCount: size, alignment: MemoryLayout<Value>.alignment
        ) { buffer in
            var bytes = unsafe MutableRawSpan(_unsafeBytes: buffer)
            _ = copyOut(at: offset, into: &bytes)
            return unsafe buffer.loadUnaligned(as: type)
        }
    }

    /// Copies a value in from `offset` on; false, and nothing done, if the slices end before.
    @discardableResult
    package func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int = 0) -> Bool {
        let size = MemoryLayout<Value>.size
        guard byteCount >= size, offset <= byteCount - size else { return false }
        unsafe withUnsafeBytes(of: value) { buffer in
            let bytes = unsafe RawSpan(
                _unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<size]))
            copyIn(bytes, at: offset)
        }
        return true
    }

    /// Copies at most `count` bytes out from `offset` on into `bytes` from `position` on; answers
    /// how many, no more than either side has.
    package func copyOut(
        at offset: Int, count: Int, into bytes: inout [UInt8], at position: Int
    ) -> Int {
        guard position >= 0, count > 0, position <= bytes.count - count else { return 0 }
        return unsafe bytes.withUnsafeMutableBytes { buffer in
            let part = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[position..<position + count])
            var span = unsafe MutableRawSpan(_unsafeBytes: part)
            return copyOut(at: offset, into: &span)
        }
    }

    /// Copies bytes in from `offset` on, as many as there is room for; answers how many.
    @discardableResult
    package func copyIn(_ bytes: ArraySlice<UInt8>, at offset: Int = 0) -> Int {
        unsafe bytes.withUnsafeBytes { buffer in
            let span = unsafe RawSpan(_unsafeBytes: buffer)
            return copyIn(span, at: offset)
        }
    }
}
