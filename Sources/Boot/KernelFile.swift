// SPDX-License-Identifier: Apache-2.0

/// A kernel's file as the loaders look at it: its first bytes, and others where those point to.
struct KernelFile {
    /// All formats are recognized by these, and most have all of their headers here.
    static let headLimit = 64 << 10

    /// The first bytes, at most ``headLimit``.
    let head: [UInt8]
    let byteCount: Int
    private let source: any ByteSource

    init(_ source: any ByteSource) {
        self.source = source
        byteCount = source.byteCount
        head = source.prefix(of: 0..<Self.headLimit)
    }

    /// As much of `range` as there is, not negative.
    func bytes(in range: Range<Int>) -> [UInt8] {
        range.upperBound <= head.count ? Array(head[range]) : source.prefix(of: range)
    }
}
