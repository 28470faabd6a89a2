// SPDX-License-Identifier: Apache-2.0

extension Mapping {
    /// Lends the pages to `body` as bytes. Nobody may write to them meanwhile: for private,
    /// read-only mappings of files that are not being rewritten.
    package borrowing func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = unsafe UnsafeRawPointer(bitPattern: address)
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: byteCount)
        return try unsafe body(bytes.bindMemory(to: UInt8.self).span)
    }
}
