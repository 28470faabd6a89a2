// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// The requests of a drive that the kernel works on, each in a slot of a table that never grows.
///
/// A class, as the table is large: nothing ever moves it.
final class BlockRing {
    /// Most requests under way. More stay in their queues.
    static var limit: Int { 256 }
    /// Bytes under way, of the steps and not of all their requests, after which no further request is
    /// begun: a pause waits for all of them.
    static var byteLimit: Int { 64 << 20 }
    /// The token of the rate limiter's timer; others are slots.
    private static var timerToken: UInt64 { .max }

    private let tally: BlockTally
    private var ring: IOUring
    private var slots: InlineArray<256, BlockRequest?>
    /// Slots that are free, in its first ``freeCount`` places.
    private var free: InlineArray<256, UInt8>
    private var freeCount = 256
    /// Bytes of the steps under way.
    private var byteCount = 0
    private var suspended: [SuspendedRequest] = []
    /// The kernel watches the rate limiter's timer.
    private var watchesTimer = false
    /// The timer went off.
    private var timerFired = false
    /// The kernel does not answer for what it was given any more: nobody waits for that, its slots
    /// stay taken, and every other request fails.
    private(set) var isLost = false

    /// Nanoseconds for which the kernel may refuse to be waited for.
    private let patience: UInt64

    /// - Parameter patience: Nanoseconds for which the kernel may refuse to be waited for. It does so
    ///   without memory, which passes.
    init(_ tally: BlockTally, patience: UInt64 = 1_000_000_000) throws(Errno) {
        self.tally = tally
        self.patience = patience
        // Room for all slots, for the timer, and to spare.
        ring = try IOUring(capacity: 512)
        slots = InlineArray { _ in nil }
        free = InlineArray { UInt8(truncatingIfNeeded: $0) }
    }

    /// Polls readable while something has come back.
    var descriptor: CInt { ring.descriptor.rawValue }

    var count: Int { Self.limit - freeCount }
    var hasRoom: Bool { freeCount > 0 && byteCount < Self.byteLimit || isLost }

    /// Puts the next step of a request in, or gives it back to its driver if there is none. A slot
    /// must be free.
    func advance(
        _ request: consuming BlockRequest, _ disk: borrowing BlockDisk,
        _ queues: inout Virtqueues
    ) {
        guard !isLost else { return request.finish(.ioError, on: &queues, tally) }
        let slot = free[freeCount - 1]
        let token = UInt64(slot)
        switch request.next(disk) {
        case .done(let status):
            request.finish(status, on: &queues, tally)
            return
        case .transfer(let writing):
            request.start(writing: writing, disk, on: &ring, token: token)
        case .synchronize:
            ring.synchronizeData(disk.file.rawValue, token: token)
        case .zero(let manner, let position, let count):
            ring.zero(disk.file.rawValue, manner, position: position, count: count, token: token)
        }
        freeCount -= 1
        byteCount &+= request.stepByteCount
        slots[Int(slot)] = consume request
    }

    /// Takes the request of a slot.
    private func take(_ token: UInt64) -> BlockRequest? {
        guard token < UInt64(Self.limit), let request = slots[Int(token)].take() else { return nil }
        free[freeCount] = UInt8(truncatingIfNeeded: token)
        freeCount += 1
        byteCount &-= request.stepByteCount
        return request
    }

    /// Submits what was put in; what the kernel does not take fails. False if it refuses.
    @discardableResult
    func submit(waitingFor wanted: UInt32 = 0, _ queues: inout Virtqueues) -> Bool {
        guard ring.waiting > 0 || wanted > 0 else { return true }
        do throws(Errno) {
            try ring.submit(waitingFor: wanted)
            return true
        } catch {
            takeBack(&queues)
            return false
        }
    }

    /// What was put in and not submitted fails.
    private func takeBack(_ queues: inout Virtqueues) {
        while let token = ring.takeBack() {
            if token == Self.timerToken { watchesTimer = false }
            if let request = take(token) { request.finish(.ioError, on: &queues, tally) }
        }
    }

    /// What becomes of a request that has come back and has steps left.
    private enum Rest { case goesOn, isSetAside, fails }

    /// Gives what has come back to the driver, and puts further steps of it in.
    func reap(_ disk: borrowing BlockDisk, _ queues: inout Virtqueues) {
        reap(disk, &queues, .goesOn)
    }

    private func reap(_ disk: borrowing BlockDisk, _ queues: inout Virtqueues, _ rest: Rest) {
        while let completion = ring.next() {
            if completion.token == Self.timerToken {
                watchesTimer = false
                timerFired = true
                continue
            }
            guard var request = take(completion.token) else { continue }
            // Its queue may be another one's by now.
            if isLost { continue }
            if let status = request.note(Int(completion.result)) {
                request.finish(status, on: &queues, tally)
            } else if rest == .goesOn {
                advance(request, disk, &queues)
            } else if case .done(let status) = request.next(disk) {
                request.finish(status, on: &queues, tally)
            } else if rest == .fails {
                request.finish(.ioError, on: &queues, tally)
            } else {
                suspended.append(request.setAside(on: &queues))
            }
        }
    }

    /// What ``drain(_:_:)`` has set aside since this was last asked.
    func takeSuspended() -> [SuspendedRequest] {
        defer { suspended = [] }
        return suspended
    }

    /// Sees to it that another request can be begun; false if too many are under way.
    func makeRoom(_ disk: borrowing BlockDisk, _ queues: inout Virtqueues) -> Bool {
        if hasRoom { return true }
        submit(&queues)
        reap(disk, &queues)
        if !hasRoom { tally.full &+= 1 }
        return hasRoom
    }

    /// Waits until no step is under way, and begins none: what has some left is set aside.
    func drain(_ disk: borrowing BlockDisk, _ queues: inout Virtqueues) {
        var deadline = Clock.monotonic &+ patience
        while count > 0, !isLost {
            let isAnswered = submit(waitingFor: 1, &queues)
            reap(disk, &queues, .isSetAside)
            noteWait(isAnswered, &deadline, disk)
        }
    }

    /// Waits until nothing is under way, and begins nothing: the driver has given up all that it
    /// asked for. On the thread of a vCPU, which may not submit.
    func abandon(_ disk: borrowing BlockDisk, _ queues: inout Virtqueues) {
        takeBack(&queues)
        var deadline = Clock.monotonic &+ patience
        while count > 0, !isLost {
            let isAnswered = (try? ring.wait(for: 1)) != nil
            reap(disk, &queues, .fails)
            noteWait(isAnswered, &deadline, disk)
        }
    }

    /// Gives up what is under way if the kernel has refused to be waited for all the time up to
    /// `deadline`, which moves on whenever it has not.
    private func noteWait(
        _ isAnswered: Bool, _ deadline: inout UInt64, _ disk: borrowing BlockDisk
    ) {
        let now = Clock.monotonic
        if isAnswered {
            deadline = now &+ patience
        } else if now >= deadline, count > 0 {
            isLost = true
            CurrentProcess.complain(
                "swiftlet-vmm: the kernel does not answer for \(count) requests to \(disk.path)"
                    + " any more; the drive fails from now on\n")
        }
    }

    /// Lets ``descriptor`` tell of the timer, too.
    func watch(timer: CInt) {
        guard !watchesTimer, ring.hasRoom else { return }
        ring.pollReadable(timer, token: Self.timerToken)
        watchesTimer = true
    }

    /// Whether the timer went off since this was last asked.
    func takeTimer() -> Bool {
        defer { timerFired = false }
        return timerFired
    }
}
