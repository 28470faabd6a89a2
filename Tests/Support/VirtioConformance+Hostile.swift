// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// A driver with rings of four entries on every queue, at `DRIVER_OK`.
    private static func startSmall(
        _ driver: Driver, _ features: FeatureSet,
        change: (Int, inout QueueState) -> Void = { _, _ in }
    ) {
        driver.reset()
        let left = FeatureSet.queue.subtracting(features)
        driver.negotiate(driver.offered.subtracting(left))
        driver.rings = Device.queueSizes.indices.map { index in
            let base = Driver.ringBase + UInt64(index) * DriverRing.stride
            let ring = DriverRing(memory: driver.memory, size: 4, base: base)
            var state = ring.state
            change(index, &state)
            driver.setQueue(index, state)
            return ring
        }
        driver.step(.driverOK)
    }

    /// Parts of a queue that lie in one another, or in another queue.
    private static var overlaps: [(String, (inout QueueState) -> Void)] {
        [
            ("used ring in the available one", { $0.used = $0.available }),
            ("used ring across the available one", { $0.used = $0.available &+ 4 }),
            ("used ring in the descriptors", { $0.used = $0.descriptors }),
            ("used ring across the descriptors", { $0.used = $0.descriptors &+ 20 }),
            ("available ring in the descriptors", { $0.available = $0.descriptors }),
            ("descriptors in the used ring", { $0.descriptors = $0.used }),
            (
                "all in one place",
                {
                    $0.available = $0.descriptors
                    $0.used = $0.descriptors
                }
            ),
            (
                "the first queue's rings",
                {
                    let first = DriverRing.places(Driver.ringBase)
                    $0.descriptors = first.descriptors
                    $0.available = first.available
                    $0.used = first.used
                }
            ),
        ]
    }

    /// After whatever came before: nothing is held, nothing spins, and after a reset the device
    /// serves as one that was never disturbed.
    private static func checkRecovery(
        _ driver: Driver, _ expected: [[UInt32]], _ what: String, _ wrong: inout Findings
    ) {
        driver.drain()
        wrong.expect(driver.isQuiet, "\(what): the device keeps the event loop busy")
        wrong.equal(driver.transport.chainsInFlight, 0, "\(what): chains in flight")
        let allowed: [DeviceStatus] = [started, started.union(.needsReset)]
        wrong.expect(allowed.contains(driver.status), "\(what): status is \(driver.status)")
        driver.start()
        publish(0..<requestCount, on: driver)
        notifyAll(driver)
        driver.drain()
        let heads = takeHeads(driver)
        for (queue, heads) in heads.enumerated() {
            let lost = Set(expected[queue]).subtracting(heads)
            wrong.expect(lost.isEmpty, "\(what): after a reset queue \(queue) lost \(lost)")
        }
    }

    /// Rings that break rules, on every queue of the device, through its transport.
    static var hostileCases: [Case] {
        [
            Case("no broken ring reaches beyond guest memory, and a reset helps") { make, wrong in
                let expected = try undisturbed(make)
                let guarded = try GuardedMemory.make()
                let driver = try Driver(make(), memory: guarded.memory)
                for violation in RingViolation.all {
                    for queue in Device.queueSizes.indices {
                        let what = "\(violation.description), queue \(queue)"
                        startSmall(driver, violation.features)
                        violation.publish(&driver.rings[queue])
                        for _ in 0..<10 { driver.notify(queue) }
                        wrong.expect(
                            driver.rings[queue].takeUsed().isEmpty, "\(what): it was served")
                        checkRecovery(driver, expected, what, &wrong)
                    }
                }
                wrong.expect(guarded.isIntact, "memory beside the guest's was written")
            },
            Case("odd rings that break no rule harm their driver only") { make, wrong in
                let expected = try undisturbed(make)
                let guarded = try GuardedMemory.make()
                let driver = try Driver(make(), memory: guarded.memory)
                for (name, publish) in oddities {
                    for queue in Device.queueSizes.indices {
                        startSmall(driver, .queue)
                        publish(&driver.rings[queue])
                        for _ in 0..<10 { driver.notify(queue) }
                        checkRecovery(driver, expected, "\(name), queue \(queue)", &wrong)
                    }
                }
                wrong.expect(guarded.isIntact, "memory beside the guest's was written")
            },
            Case("rings that overlap harm their driver only") { make, wrong in
                let expected = try undisturbed(make)
                let guarded = try GuardedMemory.make()
                let driver = try Driver(make(), memory: guarded.memory)
                for (name, change) in overlaps {
                    for queue in Device.queueSizes.indices {
                        startSmall(driver, .queue) { index, state in
                            if index == queue { change(&state) }
                        }
                        for _ in 0..<4 {
                            driver.rings[queue].publish([
                                .readable(RingViolation.buffer, 16),
                                .writable(RingViolation.buffer + 64, 64),
                            ])
                            driver.notify(queue)
                        }
                        checkRecovery(driver, expected, "\(name), queue \(queue)", &wrong)
                    }
                }
                wrong.expect(guarded.isIntact, "memory beside the guest's was written")
            },
            Case("descriptors that change under the device are survived") { make, wrong in
                let expected = try undisturbed(make)
                let guarded = try GuardedMemory.make()
                let driver = try Driver(make(), memory: guarded.memory)
                let changer = try RingChanger(driver.memory, queues: Device.queueSizes.count)
                for turn in 0..<200 {
                    startSmall(driver, .queue)
                    for queue in driver.rings.indices {
                        for head in 0..<4 as Range<UInt16> {
                            driver.rings[queue].publish(head: head)
                        }
                        driver.notify(queue)
                    }
                    if turn % 50 == 49 { driver.drain() }
                }
                try changer.stop()
                checkRecovery(driver, expected, "after the changes", &wrong)
                wrong.expect(guarded.isIntact, "memory beside the guest's was written")
            },
            Case("a storm of notifications of nothing causes nothing") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                driver.drain()
                _ = driver.interrupts.take()
                for turn in 0..<10_000 {
                    driver.write(MMIORegister.queueNotify, UInt32(turn % 9))
                }
                driver.drain()
                wrong.equal(driver.interrupts.take(), 0, "interrupts")
                wrong.expect(driver.isQuiet, "the device keeps the event loop busy")
                wrong.equal(driver.status, started, "status")
            },
            Case("the configuration is read whole, whatever the width") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                for offset in 0..<80 as Range<UInt64> {
                    let place = MMIORegister.configuration + offset
                    var bytes: UInt64 = 0
                    for index in 0..<8 as Range<UInt64> {
                        bytes |=
                            driver.transport.read(offset: place + index, size: 1) << (8 * index)
                    }
                    for size in [1, 2, 4, 8] {
                        let mask: UInt64 = size == 8 ? .max : 1 << UInt64(size * 8) - 1
                        wrong.equal(
                            driver.transport.read(offset: place, size: size), bytes & mask,
                            "\(size) bytes at \(offset)")
                    }
                }
            },
        ]
    }

    /// Rings that a driver may make, to its own harm.
    private static var oddities: [(String, @Sendable (inout DriverRing) -> Void)] {
        let buffer = RingViolation.buffer
        return [
            ("address zero", { $0.publish([.readable(0, 64), .writable(0, 64)]) }),
            ("no bytes anywhere", { $0.publish([.readable(.max, 0), .writable(.max, 0)]) }),
            (
                "all of RAM",
                { $0.publish([.readable(0, 32 << 20), .writable(0x10_0000, 31 << 20)]) }
            ),
            (
                "its own rings",
                { ring in
                    ring.publish([
                        .readable(ring.descriptors.rawValue, 64),
                        .writable(ring.descriptors.rawValue, 64),
                        .writable(ring.available.rawValue, 14), .writable(ring.used.rawValue, 38),
                    ])
                }
            ),
            (
                "the same head in every slot",
                { ring in
                    let head = ring.describe([.readable(buffer, 16), .writable(buffer, 64)])
                    for _ in 0..<4 { ring.publish(head: head) }
                }
            ),
            (
                "flags and event index of ones",
                { ring in
                    ring.setAvailableFlags(.max)
                    ring.setUsedEvent(.max)
                    ring.publish([.readable(buffer, 16), .writable(buffer, 64)])
                }
            ),
            (
                "a used ring that the driver writes",
                { ring in
                    try? ring.memory.store(UInt16.max, at: ring.used &+ 2)
                    ring.publish([.readable(buffer, 16), .writable(buffer, 64)])
                }
            ),
            ("only readable", { $0.publish([.readable(buffer, 4096)]) }),
            ("only writable", { $0.publish([.writable(buffer, 4096)]) }),
            ("one byte each way", { $0.publish([.readable(buffer, 1), .writable(buffer, 1)]) }),
            (
                "many small pieces",
                { ring in
                    ring.publish([
                        .readable(buffer, 1), .readable(buffer + 1, 3), .writable(buffer, 1),
                        .writable(buffer + 1, 2),
                    ])
                }
            ),
            (
                "random bytes as a request",
                { ring in
                    var dice = Dice(7)
                    try? ring.memory.write(dice.bytes(4096), at: GuestAddress(buffer))
                    ring.publish([.readable(buffer, 4096), .writable(buffer + 4096, 4096)])
                }
            ),
        ]
    }
}

/// A second processor of the guest, which rewrites descriptors all the time.
private final class RingChanger {
    private let stopped = Flag()
    private let storm: TestThread

    init(_ memory: GuestMemory, queues: Int) throws(Errno) {
        let stopped = stopped
        storm = try TestThread("ring-changer") {
            var dice = Dice(3)
            while !stopped.isSet {
                let queue = UInt64(Int.random(in: 0..<queues, using: &dice))
                let base = 0x1_0000 + queue * DriverRing.stride
                let address: UInt64 =
                    switch Int.random(in: 0..<4, using: &dice) {
                    case 0: UInt64(32 << 20) - 8
                    case 1: .max - 64
                    case 2: 0xd000_0000
                    default: 0x20_0000
                    }
                let descriptor = Descriptor(
                    address: address, length: UInt32.random(in: 0...128, using: &dice),
                    flags: UInt16.random(in: 0...7, using: &dice),
                    next: UInt16.random(in: 0...4, using: &dice))
                let index = UInt64.random(in: 0..<4, using: &dice)
                try? memory.store(descriptor, at: GuestAddress(base + index * 16))
            }
        }
    }

    deinit { stopped.set() }

    func stop() throws {
        stopped.set()
        try storm.join()
    }
}
