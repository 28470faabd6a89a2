// SPDX-License-Identifier: Apache-2.0
import Linux

/// How often an event loop that watches `descriptor` is woken; 0 if nothing is left to do.
func wakeUps(by descriptor: CInt) throws -> Int {
    let loop = try EventLoop()
    let events = Counter()
    try loop.add(descriptor, .readable) { _ in events.add() }
    for _ in 0..<20 { loop.serveOnce(milliseconds: 1) }
    loop.remove(descriptor)
    return events.count
}
