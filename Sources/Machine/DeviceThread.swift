// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// An event loop on a thread of its own, for a device that may have to wait for the host.
final class DeviceThread: Sendable {
    let loop: EventLoop
    private let thread: Mutex<Thread?>

    /// `name` shows in `ps -L`; at most 15 bytes of it count.
    init(name: String) throws(Errno) {
        let loop = try EventLoop()
        self.loop = loop
        let thread = try Thread(name: name) { loop.run() }
        self.thread = Mutex(thread)
    }

    /// Ends the thread, once.
    func stop() {
        loop.stop()
        let thread = thread.withLock { $0.take() }
        thread?.join()
    }
}

/// A virtio device of the machine, whatever it is.
struct Attachment: Sendable {
    /// Nothing touches guest memory once this returns.
    let pause: @Sendable () -> Void
    /// Goes on.
    let resume: @Sendable () throws(Errno) -> Void
    /// The device's own thread, if it has one.
    let thread: DeviceThread?
}
