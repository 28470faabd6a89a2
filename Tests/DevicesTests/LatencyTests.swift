// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Devices

@Suite struct LatencyTests {
    @Test func `What follows one upon the other is timed by the group, the rest at the end`() {
        var latency = Latency()
        var series = Latency.Series(now: 1000)
        for _ in 0..<15 { series.note(in: &latency, now: 0) }
        #expect(latency.count == 0)
        series.note(in: &latency, now: 1000 + 16 * 20_000)
        #expect(latency.count == 16)
        #expect(latency.sum == 320_000)
        #expect(latency.most == 20_000 && latency.leastOrZero == 20_000)
        #expect(latency.counts == [0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0])

        for _ in 0..<3 { series.note(in: &latency, now: 0) }
        series.end(in: &latency, now: 321_000 + 30_002)
        #expect(latency.count == 19)
        #expect(latency.sum == 350_002)
        #expect(latency.most == 20_000 && latency.leastOrZero == 10_000)
        #expect(latency.counts == [3, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        series.end(in: &latency, now: .max)
        #expect(latency.count == 19)
    }

    @Test func `Of nothing nothing is recorded`() {
        var latency = Latency()
        latency.record(500, of: 0)
        #expect(latency.count == 0 && latency.sum == 0 && latency.leastOrZero == 0)
        latency.record(500)
        #expect(latency.count == 1 && latency.sum == 500 && latency.most == 500)
        #expect(latency.counts.reduce(0, +) == 1)
    }
}
