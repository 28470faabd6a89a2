// SPDX-License-Identifier: Apache-2.0
import Linux

/// What a drive has done, counted as requests are given back. Guarded as its drive is.
package final class BlockTally {
    package internal(set) var readBytes: UInt64 = 0
    package internal(set) var writtenBytes: UInt64 = 0
    package internal(set) var flushes: UInt64 = 0
    /// Requests that the host could not carry out.
    package internal(set) var failures: UInt64 = 0
    package internal(set) var reads = Latency()
    package internal(set) var writes = Latency()
    /// Times that more requests were there than could be under way.
    package internal(set) var full: UInt64 = 0
    /// Notifications without a request.
    package internal(set) var idle: UInt64 = 0
    /// Other files that the drive got, and such that it could not have.
    package internal(set) var updates: UInt64 = 0
    package internal(set) var failedUpdates: UInt64 = 0

    init() {}

    /// Counts a request that ends now.
    func note(
        _ operation: BlockOperation, bytes: UInt64, since begun: UInt64, _ status: BlockStatus
    ) {
        switch operation {
        case .read:
            readBytes &+= bytes
            reads.record(Clock.monotonic &- begun)
        case .write:
            writtenBytes &+= bytes
            writes.record(Clock.monotonic &- begun)
        case .flush: flushes &+= 1
        case .identify, .discard, .writeZeroes: break
        }
        if status == .ioError { failures &+= 1 }
    }
}
