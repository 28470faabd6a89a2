// SPDX-License-Identifier: Apache-2.0
import Memory
import Synchronization

/// Hot-plugged blocks that have been unplugged while processors may have had them in their translation
/// buffers: what they wrote there since is given back once each of them has forgotten.
struct BlockRecall: ~Copyable {
    private let memory: GuestMemory
    private let state = Mutex(State())

    private struct State {
        /// The blocks that processors are asked to forget, perhaps with others between them.
        var current: Range<Int>?
        /// Bit a processor that has not yet forgotten.
        var asked: UInt64 = 0
        /// Blocks that went meanwhile. A guest that unplugs without end must not put off the others.
        var next: Range<Int>?
    }

    init(_ memory: GuestMemory) { self.memory = memory }

    /// Blocks are gone. Answers whether all of `count` processors are to be asked now.
    func begin(_ range: Range<Int>, count: Int) -> Bool {
        state.withLock { state in
            guard state.current == nil else {
                state.next = Self.hull(state.next, range)
                return false
            }
            state.current = range
            state.asked = Self.all(count)
            return true
        }
    }

    /// Processor `index` of `count` has forgotten all translations since it was asked. Answers whether
    /// all are to be asked again.
    func forgotten(by index: Int, count: Int) -> Bool {
        let (done, asksAgain) = state.withLock { state -> (Range<Int>?, Bool) in
            state.asked &= ~(1 << UInt64(index))
            guard state.asked == 0, let done = state.current else { return (nil, false) }
            state.current = state.next.take()
            if state.current != nil { state.asked = Self.all(count) }
            return (done, state.current != nil)
        }
        // It went the first time; a host that refuses it now keeps it.
        if let done { try? memory.discardUnplugged(done) }
        return asksAgain
    }

    private static func all(_ count: Int) -> UInt64 { count < 64 ? 1 << UInt64(count) &- 1 : .max }

    private static func hull(_ first: Range<Int>?, _ second: Range<Int>) -> Range<Int> {
        guard let first else { return second }
        return min(first.lowerBound, second.lowerBound)..<max(first.upperBound, second.upperBound)
    }
}

extension SoftVirtualMachine: PlugObserver {
    /// What is plugged is found when it is touched.
    package func plug(_ index: Int, _ region: GuestRegion) throws(MemoryError) {}
    package func unplug(_ index: Int) {}

    package func didUnplug(_ range: Range<Int>) {
        if recall.begin(range, count: processors.count) { askToForget() }
    }

    /// The processor has forgotten all its translations.
    func translationsForgotten(by index: Int) {
        if recall.forgotten(by: index, count: processors.count) { askToForget() }
    }

    private func askToForget() {
        for processor in processors { processor.forgetTranslations() }
    }
}
