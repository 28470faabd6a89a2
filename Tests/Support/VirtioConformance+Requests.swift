// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// Requests on each queue in the cases below.
    static var requestCount: Int { 4 }

    /// Makes requests `range` of ``requestCount`` available on every queue: a header of zeroes and
    /// room for an answer, which each device takes for something.
    static func publish(_ range: Range<Int>, on driver: Driver) {
        for queue in driver.rings.indices {
            for number in range {
                let place = Driver.bufferBase + UInt64(queue * requestCount + number) * 0x1000
                driver.rings[queue].publish([.readable(place, 16), .writable(place + 64, 64)])
            }
        }
    }

    /// Heads that came back on each queue, in order.
    static func takeHeads(_ driver: Driver) -> [[UInt32]] {
        driver.rings.indices.map { index in driver.rings[index].takeUsed().map(\.id) }
    }

    static func notifyAll(_ driver: Driver) {
        for index in driver.rings.indices { driver.notify(index) }
    }

    /// What a device that is never disturbed gives back.
    static func undisturbed(_ make: Make) throws -> [[UInt32]] {
        let driver = try Driver(make())
        driver.start()
        publish(0..<requestCount, on: driver)
        notifyAll(driver)
        driver.drain()
        return takeHeads(driver)
    }

    /// A new device that goes on where `driver`'s, now paused, stands.
    static func moved(_ driver: Driver, _ make: Make) throws -> Driver {
        let other = try Driver(make(), memory: driver.memory)
        other.rings = driver.rings
        try other.transport.restore(driver.transport.save())
        return other
    }

    private static func compare(
        _ heads: [[UInt32]], _ expected: [[UInt32]], _ what: String, _ wrong: inout Findings
    ) {
        for (queue, heads) in heads.enumerated() {
            let place = "\(what): queue \(queue)"
            wrong.expect(Set(heads).count == heads.count, "\(place) gave \(heads), one twice")
            let lost = Set(expected[queue]).subtracting(heads)
            wrong.expect(lost.isEmpty, "\(place) lost \(lost.sorted())")
        }
    }

    /// Requests across a save and a restore: none lost, none done twice.
    static var requestCases: [Case] {
        [
            Case("requests in flight at a save are neither lost nor doubled") { make, wrong in
                let expected = try undisturbed(make)
                for split in 0...requestCount {
                    let driver = try Driver(make())
                    driver.start()
                    publish(0..<split, on: driver)
                    notifyAll(driver)
                    driver.transport.pause()
                    publish(split..<requestCount, on: driver)
                    let other = try moved(driver, make)
                    try other.transport.resume(on: EventLoop())
                    other.drain()
                    other.transport.detach()
                    compare(takeHeads(other), expected, "\(split) before the save", &wrong)
                    wrong.equal(other.status, started, "status")
                }
            },
            Case("fifty saves and restores between requests lose none") { make, wrong in
                let expected = try undisturbed(make)
                var driver = try Driver(make())
                driver.start()
                publish(0..<requestCount, on: driver)
                for _ in 0..<50 {
                    driver.transport.pause()
                    let other = try moved(driver, make)
                    try other.transport.resume(on: EventLoop())
                    other.settle()
                    driver = other
                }
                driver.drain()
                driver.transport.detach()
                compare(takeHeads(driver), expected, "after 50", &wrong)
            },
            Case("fifty pauses of one device lose nothing") { make, wrong in
                let expected = try undisturbed(make)
                let driver = try Driver(make())
                driver.start()
                let loop = try EventLoop()
                for number in 0..<requestCount {
                    publish(number..<number + 1, on: driver)
                    for _ in 0..<50 {
                        driver.transport.pause()
                        try driver.transport.resume(on: loop)
                    }
                    driver.settle()
                }
                driver.drain()
                driver.transport.detach()
                compare(takeHeads(driver), expected, "after 50", &wrong)
            },
            Case("a driver goes on from where it was saved") { make, wrong in
                for point in Point.allCases where point.rawValue <= Point.live.rawValue {
                    let driver = try Driver(make())
                    bring(driver, to: point)
                    driver.transport.pause()
                    let other = try moved(driver, make)
                    try other.transport.resume(on: EventLoop())
                    bring(other, from: point, to: .live)
                    other.transport.detach()
                    wrong.equal(other.status, started, "status from \(point)")
                    let queues = other.transport.save().transport.queues
                    wrong.expect(queues.allSatisfy(\.isReady), "from \(point) a queue is missing")
                }
            },
            Case("a save changes nothing and says its version") { make, wrong in
                for point in Point.allCases {
                    let driver = try Driver(make())
                    bring(driver, to: point)
                    driver.transport.pause()
                    let first = driver.transport.save()
                    wrong.equal(driver.transport.save(), first, "second save at \(point)")
                    let version = Mirror(reflecting: first.device).descendant("version")
                    wrong.expect(version is UInt32, "the device's state says no version")
                }
            },
            Case("a save after an error, restored, needs a reset, which helps") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .broken)
                driver.transport.pause()
                let other = try moved(driver, make)
                try other.transport.resume(on: EventLoop())
                other.drain()
                other.transport.detach()
                wrong.expect(other.status.contains(.needsReset), "NEEDS_RESET was lost")
                other.start()
                publish(0..<requestCount, on: other)
                notifyAll(other)
                other.drain()
                compare(takeHeads(other), try undisturbed(make), "after the reset", &wrong)
            },
        ]
    }
}
