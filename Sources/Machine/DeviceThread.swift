// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// A thread that serves one device, for devices that are kept busy.
final class DeviceThread: Sendable {
    let loop: EventLoop
    private let thread: Mutex<Thread?>

    /// `name` shows in `ps -L`; at most 15 bytes of it count.
    init(name: String) throws(Errno) {
        let loop = try EventLoop()
        self.loop = loop
        thread = Mutex(try Thread(name: name) { loop.run() })
    }

    /// Ends it, once what it does now is done.
    func stop() {
        loop.stop()
        thread.withLock { $0.take()?.join() }
    }
}
