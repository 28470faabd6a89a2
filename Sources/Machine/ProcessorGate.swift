// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// Where processors stand while their machine is paused: between two runs, with their state whole.
final class ProcessorGate: Sendable {
    private struct State {
        var isClosed = false
        /// The machine has ended: nobody stops here any more.
        var isOver = false
        var waiting = 0
    }

    private let state = Mutex(State())
    /// One for each processor, then one for who closes the gate.
    private let bells: [Signalbox]
    private let pages: Mapping

    init(processorCount: Int) throws(Errno) {
        // A line of the cache each, so that they do not disturb each other.
        let pages = try Mapping.anonymous(byteCount: (processorCount + 1) * 64)
        bells = (0...processorCount).map { Signalbox(address: pages.address + UInt($0) * 64) }
        self.pages = pages
    }

    private var keeper: Signalbox { bells[bells.count - 1] }

    /// Stops processor `index` here as long as the gate is closed. On its own thread.
    ///
    /// - Returns: Whether it has stood here.
    func pass(_ index: Int) -> Bool {
        let mustWait = state.withLock { state in
            guard state.isClosed else { return false }
            state.waiting += 1
            return true
        }
        guard mustWait else { return false }
        keeper.raise(1)
        while !leave(index) { bells[index].wait(until: .max) }
        return true
    }

    private func leave(_ index: Int) -> Bool {
        _ = bells[index].take()
        return state.withLock { state in
            guard !state.isClosed else { return false }
            state.waiting -= 1
            return true
        }
    }

    /// Closes the gate and waits until all processors stand before it.
    ///
    /// - Parameters:
    ///   - deadline: On `Clock.monotonic`; when it has come the gate opens again.
    ///   - kick: Makes the processors leave what they run.
    /// - Returns: Whether they all stand there.
    func close(deadline: UInt64, kick: () -> Void) -> Bool {
        let isOver = state.withLock { state in
            state.isClosed = !state.isOver
            return state.isOver
        }
        guard !isOver else { return false }
        kick()
        while true {
            _ = keeper.take()
            let (waiting, isOver) = state.withLock { ($0.waiting, $0.isOver) }
            guard !isOver else { return false }
            if waiting == bells.count - 1 { return true }
            guard Clock.monotonic < deadline else {
                open()
                return false
            }
            keeper.wait(until: deadline)
        }
    }

    /// Lets all processors go on.
    func open() {
        state.withLock { $0.isClosed = false }
        for bell in bells { bell.raise(1) }
    }

    /// The machine has ended: lets everybody go, for good.
    func end() {
        state.withLock { state in
            state.isOver = true
            state.isClosed = false
        }
        for bell in bells { bell.raise(1) }
    }
}
