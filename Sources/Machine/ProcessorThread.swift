// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// A processor's thread, until its end has been waited for.
final class ProcessorThread: Sendable {
    private let thread: Mutex<Thread?>

    init(_ thread: consuming Thread) { self.thread = Mutex(thread) }

    /// Waits for its end, once: nothing of the machine is in use by it then.
    func join() {
        let thread = thread.withLock { $0.take() }
        thread?.join()
    }
}
