// SPDX-License-Identifier: Apache-2.0
import Memory
import Synchronization

/// The device's side of a split ring. VIRTIO 1.2, 2.7.
///
/// The driver changes the rings at any time: each index and descriptor is read once, and the value
/// that was read is what is validated and used. After an error the queue is of no more use.
package struct Virtqueue: ~Copyable {
    let memory: GuestMemory
    var state: QueueState
    private let allowsIndirect: Bool
    private let usesEventIndex: Bool
    /// The available index as last read.
    private var seenAvailable: UInt16
    /// Chains taken and not yet given back.
    package internal(set) var inFlight = 0
    /// The room of chains that were given back, to be used again.
    private var spare: ChainPool
    /// The rings are memory as long as the queue is there.
    private let pins: BlockPins

    /// A queue that the driver has not set up: nothing ever comes.
    package init(idleIn memory: GuestMemory) {
        self.memory = memory
        state = QueueState(size: 0)
        allowsIndirect = false
        usesEventIndex = false
        seenAvailable = 0
        spare = ChainPool(capacity: 0)
        pins = BlockPins(memory)
    }

    /// Begins, or after a restore goes on, to serve a queue that the driver has set up.
    ///
    /// `limit` is the largest size that the device offered.
    package init(
        _ state: QueueState, limit: UInt16, features: FeatureSet, memory: GuestMemory
    ) throws(VirtqueueError) {
        var pins = BlockPins(memory)
        state.pin(with: &pins)
        try state.validate(limit: limit, in: memory)
        self.pins = pins
        self.memory = memory
        self.state = state
        allowsIndirect = features.contains(.indirectDescriptors)
        usesEventIndex = features.contains(.eventIndex)
        seenAvailable = state.nextAvailable
        spare = ChainPool(capacity: Int(state.size))
    }

    /// Where it stands; see ``QueueState``.
    package var position: QueueState { state }

    /// Entries; 0 if idle.
    package var size: UInt16 { state.size }

    /// The next chain that the driver made available, or nil; then the driver has been asked to
    /// notify as soon as there is one.
    package mutating func next() throws(VirtqueueError) -> DescriptorChain? {
        guard try hasNext() else { return nil }
        let head = try nextHead()
        var chain = spare.take(in: memory)
        chain.head = head
        try gather(&chain)
        state.nextAvailable &+= 1
        inFlight += 1
        return chain
    }

    /// What became of a chain that ``lend(_:)`` was to lend.
    package enum Loan {
        /// There was none; the driver has been asked to notify as soon as there is one.
        case none
        /// It was completed.
        case done
        /// It was put back.
        case again
    }

    /// Lends the next chain to `body`, which answers how many bytes of its writable part are new;
    /// or nil, and then the chain comes again.
    ///
    /// It is ``next()`` with ``complete(_:written:)`` or ``putBack(_:)-(DescriptorChain)`` for a
    /// chain that is done with at once. Such a chain stays where it is: it is large, and to move it
    /// to the device and back is a good part of what it costs.
    @inline(__always)
    package mutating func lend(
        _ body: (inout DescriptorChain) -> Int?
    ) throws(VirtqueueError) -> Loan {
        guard try hasNext(), let chain = unsafe spare.top(in: memory) else { return .none }
        let head = try nextHead()
        // After an error the queue is of no more use, but what it has is still to be empty.
        defer { unsafe chain.pointee.clear() }
        unsafe chain.pointee.head = head
        try unsafe gather(&chain.pointee)
        guard let written = unsafe body(&chain.pointee) else { return .again }
        state.nextAvailable &+= 1
        publish(head, written: written)
        return .done
    }

    /// True if the driver has made a chain available that was not yet taken.
    @inline(__always)
    package mutating func hasNext() throws(VirtqueueError) -> Bool {
        if state.nextAvailable != seenAvailable { return true }
        return try lookForNext()
    }

    @inline(never)
    private mutating func lookForNext() throws(VirtqueueError) -> Bool {
        guard state.size > 0 else { return false }
        try readAvailableIndex()
        if usesEventIndex, seenAvailable == state.nextAvailable {
            // Ask first, then look again: a chain published in between is not missed.
            let event = state.used &+ (4 &+ UInt64(state.size) &* 8)
            memory.store16(state.nextAvailable, at: event)
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            try readAvailableIndex()
        }
        return seenAvailable != state.nextAvailable
    }

    /// How many chains the driver has made available that were not yet taken; if none, it has been
    /// asked to notify as soon as there is one.
    package mutating func available() throws(VirtqueueError) -> UInt16 {
        try hasNext() ? seenAvailable &- state.nextAvailable : 0
    }

    private mutating func readAvailableIndex() throws(VirtqueueError) {
        let address = state.available &+ 2
        do throws(MemoryError) {
            seenAvailable = try memory.loadAcquire(at: address)
        } catch {
            throw .ring(address)
        }
        guard seenAvailable &- state.nextAvailable <= state.size else {
            throw .availableIndex(seenAvailable)
        }
    }

    /// What the next entry of the available ring says.
    @inline(__always)
    func nextHead() throws(VirtqueueError) -> UInt16 {
        let slot = state.nextAvailable & (state.size &- 1)
        let address = state.available &+ (4 &+ UInt64(slot) &* 2)
        guard let head = memory.load16(at: address) else { throw .ring(address) }
        guard head < state.size else { throw .head(head) }
        return head
    }

    @inline(__always)
    func loadDescriptor(
        _ index: UInt16, in table: GuestAddress
    ) throws(VirtqueueError) -> Descriptor {
        let address = table &+ UInt64(index) &* 16
        guard let words = memory.load128(at: address) else { throw .ring(address) }
        return Descriptor(words)
    }

    /// Walks the descriptors from `chain.head` on.
    ///
    /// It changes nothing of the queue. But `self` is copied for a call that only borrows it.
    private mutating func gather(_ chain: inout DescriptorChain) throws(VirtqueueError) {
        var table = state.descriptors
        var tableSize = state.size
        var index = chain.head
        var isNested = false
        var sawWritable = false
        // No chain may be longer than the queue; so a loop ends here as well.
        var left = state.size
        while left > 0 {
            let descriptor = try loadDescriptor(index, in: table)
            if descriptor.has(Descriptor.isIndirect) {
                guard allowsIndirect, !isNested, !descriptor.has(Descriptor.hasNext)
                else { throw .indirect }
                isNested = true
                table = GuestAddress(descriptor.address)
                // Read entry by entry, it must not be unplugged between two.
                chain.readable.pin(table, count: UInt64(descriptor.length))
                tableSize = try indirectSize(descriptor)
                index = 0
                continue
            }
            left &-= 1
            let isWritable = descriptor.has(Descriptor.isWritable)
            guard isWritable || !sawWritable else { throw .readableAfterWritable }
            sawWritable = isWritable
            try add(descriptor, isWritable, to: &chain)
            guard descriptor.has(Descriptor.hasNext) else { return }
            index = descriptor.next
            guard index < tableSize else { throw .next(index) }
        }
        throw .chainLength
    }

    /// Entries of an indirect table that lies all in RAM.
    private func indirectSize(_ descriptor: Descriptor) throws(VirtqueueError) -> UInt16 {
        let (count, rest) = descriptor.length.quotientAndRemainder(dividingBy: 16)
        guard rest == 0, count > 0, count <= UInt32(state.size) else {
            throw .indirectLength(descriptor.length)
        }
        let address = GuestAddress(descriptor.address)
        guard memory.contains(address, count: UInt64(descriptor.length)) else {
            throw .buffer(address, count: descriptor.length)
        }
        return UInt16(truncatingIfNeeded: count)
    }

    private func add(
        _ descriptor: Descriptor, _ isWritable: Bool, to chain: inout DescriptorChain
    ) throws(VirtqueueError) {
        let address = GuestAddress(descriptor.address)
        // A buffer of no bytes names no memory.
        guard descriptor.length > 0 else { return }
        do throws(MemoryError) {
            if isWritable {
                try chain.writable.append(address, count: descriptor.length)
            } else {
                try chain.readable.append(readable: address, count: descriptor.length)
            }
        } catch {
            throw .buffer(address, count: descriptor.length)
        }
        guard chain.readable.byteCount &+ chain.writable.byteCount <= Int(UInt32.max)
        else { throw .chainBytes }
    }

    /// Gives a chain back to the driver, done. `written` bytes of its writable part are new.
    package mutating func complete(_ chain: consuming DescriptorChain, written: Int) {
        publish(chain.head, written: written)
        recycle(chain)
    }

    @inline(__always)
    private mutating func publish(_ head: UInt16, written: Int) {
        let slot = state.nextUsed & (state.size &- 1)
        let element = UsedElement(
            id: UInt32(head), length: UInt32(truncatingIfNeeded: written))
        // The ring was checked to be RAM when it was set up, and RAM stays.
        memory.store64(element.word, at: state.used &+ (4 &+ UInt64(slot) &* 8))
        state.nextUsed &+= 1
        try? memory.storeRelease(state.nextUsed, at: state.used &+ 2)
    }

    /// Undoes the last ``next()``: the chain was not needed and comes again.
    package mutating func putBack(_ chain: consuming DescriptorChain) {
        state.nextAvailable &-= 1
        recycle(chain)
    }

    /// Lets go of a chain that is not done with, and answers its head, by which ``take(again:)``
    /// finds it. Its descriptors stay the device's: a driver that keeps to the rules changes none.
    package mutating func setAside(_ chain: consuming DescriptorChain) -> UInt16 {
        let head = chain.head
        recycle(chain)
        return head
    }

    /// Takes a chain again that was set aside, here or before a restore.
    package mutating func take(again head: UInt16) throws(VirtqueueError) -> DescriptorChain {
        guard head < state.size else { throw .head(head) }
        var chain = spare.take(in: memory)
        chain.head = head
        try gather(&chain)
        inFlight += 1
        return chain
    }

    mutating func recycle(_ chain: consuming DescriptorChain) {
        inFlight -= 1
        spare.put(chain)
    }

    /// True if the driver wants to hear of what was completed since this was last asked.
    /// VIRTIO 1.2, 2.7.7 and 2.7.10.
    package mutating func takeInterrupt() -> Bool {
        let old = state.signalledUsed
        let new = state.nextUsed
        guard old != new else { return false }
        state.signalledUsed = new
        // The driver's wish must be read after the used index is seen by it.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard usesEventIndex else {
            return (memory.load16(at: state.available) ?? 0) & 1 == 0
        }
        let address = state.available &+ (4 &+ UInt64(state.size) &* 2)
        let event = memory.load16(at: address) ?? 0
        return new &- event &- 1 < new &- old
    }
}

/// Chains that are not in use, with the room they have grown: none is made twice.
@safe private struct ChainPool: ~Copyable {
    private let storage: UnsafeMutablePointer<DescriptorChain>?
    private let capacity: Int
    private var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        unsafe storage = capacity > 0 ? .allocate(capacity: capacity) : nil
    }

    deinit {
        guard let storage = unsafe storage else { return }
        unsafe storage.deinitialize(count: count)
        unsafe storage.deallocate()
    }

    /// An empty chain, a used one if there is one.
    mutating func take(in memory: GuestMemory) -> DescriptorChain {
        guard count > 0, let storage = unsafe storage else { return DescriptorChain(memory) }
        count -= 1
        return unsafe (storage + count).move()
    }

    /// The chain that ``take(in:)`` would answer, empty, where it lies; nil if there is no room for
    /// one. It is valid until the next call.
    mutating func top(in memory: GuestMemory) -> UnsafeMutablePointer<DescriptorChain>? {
        guard let storage = unsafe storage else { return nil }
        if count == 0 {
            unsafe storage.initialize(to: DescriptorChain(memory))
            count = 1
        }
        return unsafe storage + (count - 1)
    }

    mutating func put(_ chain: consuming DescriptorChain) {
        guard count < capacity, let storage = unsafe storage else { return }
        chain.clear()
        unsafe (storage + count).initialize(to: chain)
        count += 1
    }
}

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
