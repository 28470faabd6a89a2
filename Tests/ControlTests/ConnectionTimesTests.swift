// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct ConnectionTimesTests {
    private typealias Standing = ConnectionTimes.Standing

    private var times = ConnectionTimes(patience: 10)

    @Test mutating func `An idle connection may stay, one in the middle may not`() {
        times.note(3, Standing(isIdle: true, hasMoved: true), at: 0)
        #expect(times.deadline == .max)
        times.note(4, Standing(isIdle: false, hasMoved: false), at: 5)
        #expect(times.deadline == 15)
        #expect(times.overdue(at: 14) == [])
        #expect(times.overdue(at: 15) == [4])
        #expect(times.longestIdle == 3)
    }

    @Test mutating func `Bytes alone give no more time, and an answer does`() {
        for now in 5..<9 as Range<UInt64> {
            times.note(4, Standing(isIdle: false, hasMoved: false), at: now)
        }
        #expect(times.deadline == 15)
        times.note(4, Standing(isIdle: false, hasMoved: true), at: 12)
        #expect(times.deadline == 22)
        times.note(4, Standing(isIdle: true, hasMoved: true), at: 13)
        #expect(times.deadline == .max)
        // The next request has its own time.
        times.note(4, Standing(isIdle: false, hasMoved: false), at: 100)
        #expect(times.deadline == 110)
        times.remove(4)
        #expect(times.deadline == .max)
        #expect(times.overdue(at: .max) == [])
    }

    @Test mutating func `The connection that was idle longest makes room`() {
        #expect(times.longestIdle == nil)
        for connection in 1...3 as ClosedRange<CInt> {
            let now = UInt64(connection)
            times.note(connection, Standing(isIdle: true, hasMoved: true), at: now)
        }
        #expect(times.longestIdle == 1)
        // To be looked at in vain is not to be of use.
        times.note(1, Standing(isIdle: true, hasMoved: false), at: 4)
        #expect(times.longestIdle == 1)
        times.note(1, Standing(isIdle: true, hasMoved: true), at: 5)
        #expect(times.longestIdle == 2)
        times.note(2, Standing(isIdle: false, hasMoved: false), at: 6)
        #expect(times.longestIdle == 3)
        times.remove(3)
        #expect(times.longestIdle == 1)
    }
}
