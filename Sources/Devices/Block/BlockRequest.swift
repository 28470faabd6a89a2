// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// What a request asks for. VIRTIO 1.2, 5.2.6.
enum BlockOperation: UInt32, Sendable {
    case read = 0
    case write = 1
    case flush = 4
    case identify = 8
    case discard = 11
    case writeZeroes = 13
}

/// The last byte of a request. VIRTIO 1.2, 5.2.6.
enum BlockStatus: UInt8, Sendable {
    case ok = 0
    case ioError = 1
    case unsupported = 2
}

/// The first 16 bytes of a request.
struct BlockHeader: BitwiseCopyable {
    var type: UInt32
    var reserved: UInt32 = 0
    var sector: UInt64

    static var byteCount: Int { 16 }
}

/// What the host has to do next for a request.
enum BlockStep {
    /// Move what is left between file and guest, at most ``BlockRequest/stepBytes``.
    case transfer(writing: Bool)
    case synchronize
    case zero(FileDescriptor.Zeroing, position: UInt64, count: UInt64)
    /// Nothing more.
    case done(BlockStatus)
}

/// A request that a drain has met between two of its steps. It is begun anew from its descriptors,
/// which stay the device's as long as the driver has not got them back.
///
/// From its beginning: each operation does the same when it is done twice, and until the driver hears
/// of its end it may expect any part of it to be done, at any time. So there is nothing to be kept of
/// a request but its place, in a snapshot or when the drive gets another file meanwhile, and a request
/// of 4 GiB needs no more than one of a sector. Somebody who drains more often than a request takes
/// holds it up, and no other.
package struct SuspendedRequest: Hashable, Sendable {
    package var queue: UInt8
    /// Index of its first descriptor.
    package var head: UInt16

    package init(queue: UInt8, head: UInt16) {
        self.queue = queue
        self.head = head
    }
}

/// A request that was taken from its queue. It is done step by step, whoever does the steps: ask
/// ``next(_:)``, do that, tell ``note(_:)`` the result, until one of them names a status.
struct BlockRequest: ~Copyable {
    /// Longest that one discard or write of zeroes may be, in sectors: 2 GiB.
    static var zeroLimit: UInt32 { 1 << 22 }
    /// Most ranges in one of them.
    static var rangeLimit: UInt32 { 16 }
    /// Most bytes that one step moves. A chain may have 4 GiB, and others wait for the step.
    static var stepBytes: Int { 4 << 20 }

    /// What is left to be moved: the header and the status byte are gone from it.
    private var chain: DescriptorChain
    let queue: Int
    private let operation: BlockOperation
    /// Where in the file what is left begins, in bytes.
    private var position: UInt64
    /// Where the status byte goes.
    private let status: GuestAddress
    /// Bytes of the guest's that are new.
    private var filled = 0
    /// Bytes that went to the file or came from it.
    private var moved: UInt64 = 0
    /// When it was taken from its queue.
    private let begun: UInt64

    init(
        _ chain: consuming DescriptorChain, queue: Int, operation: BlockOperation,
        position: UInt64, status: GuestAddress, begun: UInt64 = 0
    ) {
        self.begun = begun
        self.chain = chain
        self.queue = queue
        self.operation = operation
        self.position = position
        self.status = status
    }

    // MARK: Steps

    /// The next step.
    mutating func next(_ disk: borrowing BlockDisk) -> BlockStep {
        switch operation {
        case .read: chain.writable.byteCount > 0 ? .transfer(writing: false) : .done(.ok)
        case .write: chain.readable.byteCount > 0 ? .transfer(writing: true) : .done(.ok)
        case .flush: .synchronize
        case .discard, .writeZeroes: nextRange(disk)
        case .identify: .done(.ok)
        }
    }

    /// Reads the next range of sectors, once, and validates it. VIRTIO 1.2, 5.2.6.
    private mutating func nextRange(_ disk: borrowing BlockDisk) -> BlockStep {
        while chain.readable.byteCount > 0 {
            guard let range = chain.readable.load(BlockRange.self) else { return .done(.ioError) }
            let mayGiveBack = range.flags & 1 != 0
            // A discard has no flags, a write of zeroes the one that lets it discard.
            guard range.flags & ~1 == 0, !(operation == .discard && mayGiveBack) else {
                return .done(.unsupported)
            }
            let count = UInt64(range.count)
            guard range.count <= Self.zeroLimit,
                let position = disk.position(ofSector: range.sector, count: count)
            else { return .done(.ioError) }
            guard count > 0 else {
                // The kernel takes no empty range.
                chain.readable.removeFirst(BlockRange.byteCount)
                continue
            }
            // Drivers set the flag without a look at whether they were told of it.
            let manner: FileDescriptor.Zeroing =
                operation == .discard || mayGiveBack && disk.discards ? .giveBack : .keep
            return .zero(manner, position: position, count: count * BlockDisk.sectorSize)
        }
        return .done(.ok)
    }

    /// Takes note of the result of a step: a count or a negated error number. A status ends the
    /// request; without one it goes on with ``next(_:)``.
    mutating func note(_ result: Int) -> BlockStatus? {
        if result < 0 {
            let error = Errno(rawValue: CInt(truncatingIfNeeded: 0 &- result))
            if error == .interrupted { return nil }
            let isZeroing = operation == .discard || operation == .writeZeroes
            return isZeroing && error == .notSupported ? .unsupported : .ioError
        }
        switch operation {
        case .read:
            // The file has become shorter than the disk.
            guard result > 0 else { return .ioError }
            chain.writable.noteFilled(result)
            chain.writable.removeFirst(result)
            position &+= UInt64(result)
            moved &+= UInt64(result)
            filled &+= result
        case .write:
            guard result > 0 else { return .ioError }
            chain.readable.removeFirst(result)
            position &+= UInt64(result)
            moved &+= UInt64(result)
        case .flush, .identify: return .ok
        case .discard, .writeZeroes: chain.readable.removeFirst(BlockRange.byteCount)
        }
        return nil
    }

    /// Answers with the drive's name. VIRTIO 1.2, 5.2.6.1: 20 bytes, a shorter one ends in zeroes.
    mutating func identify(_ id: String) -> BlockStatus {
        guard chain.writable.byteCount >= BlockConfiguration.idLength else { return .ioError }
        var offset = 0
        for byte in id.utf8.prefix(BlockConfiguration.idLength) {
            chain.writable.store(byte, at: offset)
            offset += 1
        }
        while offset < BlockConfiguration.idLength {
            chain.writable.store(0 as UInt8, at: offset)
            offset += 1
        }
        filled = BlockConfiguration.idLength
        chain.writable.removeFirst(filled)
        return .ok
    }

    /// Bytes of the next step, if it moves any.
    var stepByteCount: Int {
        min(chain.readable.byteCount &+ chain.writable.byteCount, Self.stepBytes)
    }

    /// Moves the bytes of the next step now, and takes them off `budget`. A status ends the request.
    mutating func transferStep(
        writing: Bool, _ disk: borrowing BlockDisk, _ budget: inout Int
    ) -> BlockStatus? {
        let result = transfer(writing: writing, disk)
        budget &-= max(result, 0)
        return note(result)
    }

    private func transfer(writing: Bool, _ disk: borrowing BlockDisk) -> Int {
        let file = disk.file.rawValue
        do throws(Errno) {
            return writing
                ? try chain.readable.write(file, at: position, limit: Self.stepBytes)
                : try chain.writable.read(file, at: position, limit: Self.stepBytes)
        } catch {
            return -Int(error.rawValue)
        }
    }

    /// Puts a transfer of what is left into `ring`, one step of it.
    func start(
        writing: Bool, _ disk: borrowing BlockDisk, on ring: inout IOUring, token: UInt64
    ) {
        let file = disk.file.rawValue
        if writing {
            chain.readable.start(
                writing: true, file, at: position, limit: Self.stepBytes, on: &ring, token: token)
        } else {
            chain.writable.start(
                writing: false, file, at: position, limit: Self.stepBytes, on: &ring, token: token)
        }
    }

    /// Lets go of it between two steps. The driver has heard of none of them.
    consuming func setAside(on queues: inout Virtqueues) -> SuspendedRequest {
        let queue = queue
        return SuspendedRequest(
            queue: UInt8(truncatingIfNeeded: queue), head: queues[queue].setAside(chain))
    }

    /// Gives it back to the driver, and counts it.
    consuming func finish(
        _ status: BlockStatus, on queues: inout Virtqueues, _ tally: BlockTally
    ) {
        tally.note(operation, bytes: moved, since: begun, status)
        finish(status, on: &queues)
    }

    /// Gives it back to the driver.
    consuming func finish(_ status: BlockStatus, on queues: inout Virtqueues) {
        let queue = queue
        // The status byte counts as written if all before it is.
        let written = chain.writable.byteCount == 0 ? filled &+ 1 : filled
        chain.writable.storeRemoved(status.rawValue, at: self.status)
        queues[queue].complete(chain, written: written)
    }
}

/// A range of sectors to discard or to zero. VIRTIO 1.2, 5.2.6.
struct BlockRange: BitwiseCopyable {
    var sector: UInt64
    var count: UInt32
    var flags: UInt32

    static var byteCount: Int { 16 }
}
