// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A named thread of the host that runs one function to its end.
package struct Thread: ~Copyable, @unchecked Sendable {
    private let handle: pthread_t
    fileprivate var identifier: pthread_t { handle }

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts `body` on a new thread. `name` shows in `ps -L`; at most 15 bytes of it count.
    /// `stackSize` is in bytes.
    package init(
        name: String, stackSize: Int = 512 << 10, body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setstacksize(&attributes, stackSize)
        defer { unsafe pthread_attr_destroy(&attributes) }
        let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe pthread_setname_np(pthread_self(), String(start.name.prefix(15)))
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            unsafe start.release()
            throw Errno(rawValue: result)
        }
        handle = thread
    }

    /// Waits for its end.
    package consuming func join() {
        _ = pthread_join(handle, nil)
    }

    /// Sends a signal to it, to break a blocking system call.
    package func kill(_ signal: CInt) { pthread_kill(handle, signal) }
}

extension Thread {
    /// Keeps the calling thread on one CPU of the host.
    package static func pin(to cpu: Int) throws(Errno) {
        guard cpu >= 0, cpu < 1024 else { throw .invalid }
        try Errno.check(clinux_pin(CInt(cpu)))
    }

    /// Lets other threads run.
    package static func yield() { sched_yield() }
}

extension Thread {
    /// Lets it end by itself.
    package consuming func detach() { pthread_detach(identifier) }
}
