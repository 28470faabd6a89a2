// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// A file as memory of the guest's. VIRTIO 1.2, 5.19 (virtio-pmem).
///
/// The guest reads and writes the file without asking anybody; the device says where it lies and
/// brings what was written to the host's medium. It has a thread of its own, which waits for that, and
/// does not hold the device's lock meanwhile.
package struct Pmem: ~Copyable, VirtioDevice {
    package static let id = DeviceID.persistentMemory
    package static let queueSizes: [UInt16] = [256]

    /// Bytes of a request and of an answer. 5.19.6.
    static var requestSize: Int { 4 }
    static var answerSize: Int { 4 }
    /// The only request there is.
    static var flushRequest: UInt32 { 0 }

    /// 5.19.7.
    enum Answer: UInt32 { case done = 0, failed = 1 }

    /// Counts since the device was made.
    package struct Statistics: Hashable, Sendable {
        package var requests: UInt64 = 0
        /// Times that the file was brought to the medium.
        package var flushes: UInt64 = 0
        /// Requests that no well-behaved driver sends.
        package var violations: UInt64 = 0
    }

    private let memory: PersistentMemory
    private var limiter: RateLimiter
    /// How many of the chains that wait the flush under way is for; nil: there is none.
    private var flushing: UInt16?
    package private(set) var statistics = Statistics()

    package init(_ memory: PersistentMemory, limits: RateLimits = .none) throws(Errno) {
        self.memory = memory
        limiter = try RateLimiter(limits)
    }

    /// Times that the limiter held a flush back.
    package var limiterWaits: UInt64 { limiter.waits }
    /// Times that such a wait was over.
    package var limiterEvents: UInt64 { limiter.events }

    /// Changes the limits of the running device.
    package mutating func setLimits(_ limits: RateLimits) { limiter.setLimits(limits) }

    // MARK: Configuration. 5.19.4

    package var configurationSize: Int { 16 }

    package func configurationByte(at offset: Int) -> UInt8 {
        let region = memory.region
        let word = offset < 8 ? region.base.rawValue : region.byteCount
        return UInt8(truncatingIfNeeded: word >> UInt64(offset % 8 * 8))
    }

    // MARK: Serving. 5.19.6

    package var hostEvents: CInt? { limiter.descriptor }

    package mutating func serve(
        _ queues: inout Virtqueues, index: Int
    ) throws(VirtqueueError) {
        guard !limiter.isWaiting, flushing == nil else { return }
        // What waits now was written before; what comes while the file is flushed was perhaps not,
        // and gets a flush of its own.
        let count = try queues[0].available()
        guard count > 0, limiter.admit(bytes: Int(memory.file.byteCount)) else { return }
        statistics.flushes &+= 1
        flushing = count
    }

    /// Brings the file to the medium.
    package struct Flush: HostErrand {
        let file: PersistentFile

        package func run() -> Int {
            outcome { () throws(Errno) in try file.flush() }
        }
    }

    package var errand: Flush? { flushing == nil ? nil : Flush(file: memory.file) }

    package mutating func finishErrand(
        _ result: Int, _ queues: inout Virtqueues
    ) throws(VirtqueueError) {
        guard let count = flushing.take() else { return }
        let answer: Answer = result < 0 ? .failed : .done
        for _ in 0..<count {
            guard let chain = try queues[0].next() else { break }
            finish(chain, answer, &queues)
        }
        // Then others of the thread have their turn, such as who wants a pause.
        if try queues[0].hasNext() { limiter.yield() }
    }

    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {
        if limiter.wake() { try serve(&queues, index: 0) }
    }

    private mutating func finish(
        _ chain: consuming DescriptorChain, _ answer: Answer, _ queues: inout Virtqueues
    ) {
        statistics.requests &+= 1
        let isFlush =
            chain.readable.byteCount == Self.requestSize
            && chain.readable.load(UInt32.self) == Self.flushRequest
        let hasRoom = chain.writable.byteCount >= Self.answerSize
        if !isFlush || !hasRoom { statistics.violations &+= 1 }
        if hasRoom { chain.writable.store(isFlush ? answer.rawValue : Answer.failed.rawValue) }
        queues[0].complete(chain, written: hasRoom ? Self.answerSize : 0)
    }

    /// The chains that a flush was for are still in their queue, and get another one.
    package mutating func drain(_ queues: inout Virtqueues) { flushing = nil }

    package mutating func reset() { limiter.reset() }

    // MARK: Save and restore

    /// What the file holds is not part of it.
    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package var base: UInt64
        /// Bytes that the guest sees, and those of the file among them.
        package var byteCount: UInt64
        package var fileByteCount: UInt64
        package var isReadOnly: Bool
        package var limiter: RateLimiter.State
    }

    package func save() -> State {
        State(
            base: memory.region.base.rawValue, byteCount: memory.region.byteCount,
            fileByteCount: memory.file.byteCount, isReadOnly: memory.file.isReadOnly,
            limiter: limiter.save())
    }

    /// The file must be as large as it was, and at its place: the guest has both in its page tables.
    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        let now = save()
        guard state.base == now.base else { throw .value("base") }
        guard state.byteCount == now.byteCount else { throw .value("byteCount") }
        guard state.fileByteCount == now.fileByteCount else { throw .value("fileByteCount") }
        guard state.isReadOnly == now.isReadOnly else { throw .value("isReadOnly") }
        limiter.restore(state.limiter)
    }
}
