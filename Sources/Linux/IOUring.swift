// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A ring of requests that the kernel works on while we do something else. io_uring(7).
///
/// Requests are put in, submitted together by one system call, and come back in any order, each
/// with the token that it was given. ``descriptor`` polls readable while some have come back.
/// The kernel holds on to the files of what was submitted, and has read lists of buffers by then;
/// the buffers themselves it uses until the request comes back.
package struct IOUring: ~Copyable, @unchecked Sendable {
    /// A request that has come back.
    package struct Completion: Hashable, Sendable {
        package let token: UInt64
        /// What the system call would have answered: a count, or a negated error number.
        package let result: Int32
    }

    package let descriptor: FileDescriptor
    /// Requests that fit between two submissions.
    package let capacity: UInt32
    private let rings: Mapping
    private let entries: Mapping
    private let place: Places
    /// Of the submission ring; only we write it.
    private var tail: UInt32 = 0
    /// Requests put in and not yet submitted.
    package private(set) var waiting: UInt32 = 0

    /// Addresses inside the mappings.
    private struct Places {
        let submissionTail: UInt
        let completionHead: UInt
        let completionTail: UInt
        let completions: UInt
        let completionMask: UInt32
    }

    /// - Parameter capacity: Requests between two submissions, a power of two up to 4,096. Twice
    ///   as many may be under way.
    package init(capacity: UInt32) throws(Errno) {
        var parameters = io_uring_params()
        parameters.flags = UInt32(CLINUX_URING_DISABLED) | UInt32(CLINUX_URING_FLAGS)
        var raw = unsafe clinux_uring_setup(capacity, &parameters)
        if raw == -EINVAL {
            parameters = io_uring_params()
            parameters.flags = UInt32(CLINUX_URING_DISABLED)
            raw = unsafe clinux_uring_setup(capacity, &parameters)
        }
        let descriptor = FileDescriptor(adopting: try Errno.check(raw))
        let needed = UInt32(CLINUX_URING_FEATURES)
        guard parameters.features & needed == needed else { throw Errno(rawValue: ENOSYS) }
        try Self.restrict(descriptor)
        let submission = parameters.sq_off
        let completion = parameters.cq_off
        let end = max(
            submission.array + parameters.sq_entries * 4,
            completion.cqes + parameters.cq_entries * UInt32(MemoryLayout<io_uring_cqe>.stride))
        let rings = try Mapping.shared(
            descriptor, byteCount: Int(end), offset: CLINUX_URING_RINGS)
        let entries = try Mapping.shared(
            descriptor, byteCount: Int(parameters.sq_entries) * Self.entrySize,
            offset: CLINUX_URING_ENTRIES)
        let base = rings.address
        // Entry n of the ring is request n, always.
        for index in 0..<parameters.sq_entries {
            unsafe clinux_store32(
                Self.pointer(base + UInt(submission.array) + UInt(index) * 4), index)
        }
        place = Places(
            submissionTail: base + UInt(submission.tail),
            completionHead: base + UInt(completion.head),
            completionTail: base + UInt(completion.tail),
            completions: base + UInt(completion.cqes),
            completionMask: parameters.cq_entries - 1)
        self.capacity = parameters.sq_entries
        self.rings = rings
        self.entries = entries
        self.descriptor = descriptor
    }

    /// All that this type puts in. Whoever takes over a thread that may submit gets no more.
    private static func restrict(_ ring: borrowing FileDescriptor) throws(Errno) {
        let operations = [
            IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
            IORING_OP_FALLOCATE, IORING_OP_POLL_ADD,
        ].map { UInt8(truncatingIfNeeded: $0.rawValue) }
        try Errno.check(
            unsafe clinux_uring_restrict(
                ring.rawValue, operations, UInt32(truncatingIfNeeded: operations.count)))
    }

    /// One plain sentence about a ring that cannot be had.
    package static func explain(_ error: Errno) -> String {
        switch error.rawValue {
        case EPERM, EACCES:
            "this host forbids io_uring (see /proc/sys/kernel/io_uring_disabled)"
        case ENOSYS: "this host's kernel has no io_uring that will do; Linux 5.10 has one"
        default: "no io_uring can be made: \(error)"
        }
    }

    private static var entrySize: Int { MemoryLayout<io_uring_sqe>.stride }

    // MARK: Putting in

    /// Whether another request fits before ``submit(waitingFor:)``.
    package var hasRoom: Bool { waiting < capacity }

    /// Puts a request in. ``hasRoom`` must be true.
    @inline(__always)
    mutating func put(
        _ operation: io_uring_op, _ file: CInt, position: UInt64, address: UInt64, count: UInt32,
        flags: UInt32 = 0, token: UInt64
    ) {
        precondition(hasRoom)
        let slot = UInt(tail & (capacity - 1))
        unsafe clinux_uring_fill(
            Self.pointer(entries.address + slot * UInt(Self.entrySize)),
            UInt8(truncatingIfNeeded: operation.rawValue), file, position, address, count, flags,
            token)
        tail &+= 1
        waiting += 1
    }

    /// Reads or writes one buffer of `count` bytes at host address `address`, which must stay
    /// until the request comes back.
    package mutating func transfer(
        _ file: CInt, writing: Bool, address: UInt, count: UInt32, position: UInt64, token: UInt64
    ) {
        put(
            writing ? IORING_OP_WRITE : IORING_OP_READ, file, position: position,
            address: UInt64(address), count: count, token: token)
    }

    /// Reads or writes many buffers: `count` `iovec`s at host address `list`, which must stay
    /// until they are submitted.
    package mutating func transfer(
        _ file: CInt, writing: Bool, list: UInt, count: UInt32, position: UInt64, token: UInt64
    ) {
        put(
            writing ? IORING_OP_WRITEV : IORING_OP_READV, file, position: position,
            address: UInt64(list), count: count, token: token)
    }

    /// As ``FileDescriptor/synchronizeData()``.
    package mutating func synchronizeData(_ file: CInt, token: UInt64) {
        put(
            IORING_OP_FSYNC, file, position: 0, address: 0, count: 0,
            flags: UInt32(IORING_FSYNC_DATASYNC), token: token)
    }

    /// As ``FileDescriptor/zero(_:_:at:count:)``.
    package mutating func zero(
        _ file: CInt, _ manner: FileDescriptor.Zeroing, position: UInt64, count: UInt64,
        token: UInt64
    ) {
        // The number of bytes has the place of an address, and the mode that of a length.
        put(
            IORING_OP_FALLOCATE, file, position: position, address: count, count: manner.mode,
            token: token)
    }

    /// Comes back once `file` is readable.
    package mutating func pollReadable(_ file: CInt, token: UInt64) {
        put(
            IORING_OP_POLL_ADD, file, position: 0, address: 0, count: 0, flags: 1, token: token)
    }

    // MARK: Submitting

    /// Submits what was put in, and waits until `wanted` requests have come back and wait to be
    /// taken. An error leaves what was not submitted where it is.
    package mutating func submit(waitingFor wanted: UInt32 = 0) throws(Errno) {
        unsafe clinux_store_release32(Self.pointer(place.submissionTail), tail)
        while true {
            let result = clinux_uring_enter(descriptor.rawValue, waiting, wanted)
            if result == -EINTR { continue }
            let taken = UInt32(try Errno.check(result))
            waiting -= min(taken, waiting)
            // A wait cut short by a signal answers what was submitted.
            if waiting == 0, wanted == 0 || available >= wanted { return }
        }
    }

    /// Waits until `wanted` requests have come back and wait to be taken, and submits nothing. Any
    /// thread may.
    package func wait(for wanted: UInt32) throws(Errno) {
        while available < wanted {
            let result = clinux_uring_enter(descriptor.rawValue, 0, wanted)
            if result != -EINTR { try Errno.check(result) }
        }
    }

    /// Takes back the last request that was not submitted; its token.
    package mutating func takeBack() -> UInt64? {
        guard waiting > 0 else { return nil }
        tail &-= 1
        waiting -= 1
        unsafe clinux_store_release32(Self.pointer(place.submissionTail), tail)
        let slot = UInt(tail & (capacity - 1))
        let entry = unsafe UnsafePointer<io_uring_sqe>(
            bitPattern: entries.address + slot * UInt(Self.entrySize))
        return unsafe entry?.pointee.user_data
    }

    // MARK: Coming back

    /// Requests that have come back and were not yet taken.
    package var available: UInt32 {
        let tail = unsafe clinux_load_acquire32(Self.pointer(place.completionTail))
        let head = unsafe clinux_load32(Self.pointer(place.completionHead))
        return tail &- head
    }

    /// The next request that has come back, without waiting.
    @inline(__always)
    package mutating func next() -> Completion? {
        let head = unsafe clinux_load32(Self.pointer(place.completionHead))
        let tail = unsafe clinux_load_acquire32(Self.pointer(place.completionTail))
        guard head != tail else { return nil }
        let slot = UInt(head & place.completionMask)
        let stride = UInt(MemoryLayout<io_uring_cqe>.stride)
        let address = unsafe Self.pointer(place.completions + slot * stride)
        let completion = unsafe Completion(
            token: address.load(as: UInt64.self),
            result: address.load(fromByteOffset: 8, as: Int32.self))
        unsafe clinux_store_release32(Self.pointer(place.completionHead), head &+ 1)
        return completion
    }

    @inline(__always)
    private static func pointer(_ address: UInt) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    }
}
