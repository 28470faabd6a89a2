// SPDX-License-Identifier: Apache-2.0
// What the thread sanitizer must find and what not, as .ci/sanitize runs it: `proof` has no race,
// and `proof race` has one, between threads that took turns at a lock just before.
import Glibc
import Synchronization

enum Shared {
    static let guarded = Mutex(0)
    nonisolated(unsafe) static var bare = 0
    nonisolated(unsafe) static var hasRace = false
}

func start() -> pthread_t {
    var thread = pthread_t()
    let result = unsafe pthread_create(
        &thread, nil,
        { _ in
            for _ in 0..<1000 { Shared.guarded.withLock { $0 += 1 } }
            if Shared.hasRace { Shared.bare += 1 }
            return nil
        }, nil)
    precondition(result == 0)
    return thread
}

Shared.hasRace = CommandLine.arguments.count > 1
let threads = Shared.guarded.withLock { guarded in
    let threads = [start(), start()]
    // Until both wait in the kernel for the lock.
    usleep(100_000)
    guarded += 1
    return threads
}
for thread in threads { pthread_join(thread, nil) }
precondition(Shared.guarded.withLock { $0 } == 2001)
