// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// An event loop on a thread of its own, for a device that may have to wait for the host.
final class DeviceThread: Sendable {
    let loop: EventLoop
    private let name: String
    private let thread = Mutex<Thread?>(nil)

    /// `name` shows in `ps -L`; at most 15 bytes of it count.
    init(name: String) throws(Errno) {
        loop = try EventLoop()
        self.name = name
    }

    /// Makes the thread, once, which gives up what it does not need before it serves anything.
    func start(confine: @escaping @Sendable (ThreadRole) -> Void) throws(Errno) {
        let loop = loop
        try thread.withLock { thread throws(Errno) in
            thread = try Thread(name: name) {
                confine(.device)
                loop.run()
            }
        }
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
