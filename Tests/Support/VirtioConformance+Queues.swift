// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// Register, and what a hostile driver writes there.
    static var queueWrites: [(UInt64, UInt32)] {
        [
            (MMIORegister.queueSize, 0), (MMIORegister.queueSize, 1),
            (MMIORegister.queueSize, 3), (MMIORegister.queueSize, .max),
            (MMIORegister.queueDescriptorsLow, 0xffff_fff0),
            (MMIORegister.queueDescriptorsHigh, .max), (MMIORegister.queueDriverLow, 1),
            (MMIORegister.queueDriverHigh, .max), (MMIORegister.queueDeviceLow, 1),
            (MMIORegister.queueDeviceHigh, .max),
        ]
    }

    /// Changes to a queue that make `DRIVER_OK` fail.
    static var badQueues: [(String, (inout QueueState) -> Void)] {
        [
            ("size 0", { $0.size = 0 }), ("size 3", { $0.size = 3 }),
            ("size 32,768", { $0.size = 0x8000 }),
            (
                "no addresses",
                {
                    $0 = QueueState(size: $0.size)
                    $0.available = GuestAddress(1)
                }
            ),
            ("descriptors misaligned", { $0.descriptors = $0.descriptors &+ 8 }),
            ("available ring misaligned", { $0.available = $0.available &+ 1 }),
            ("used ring misaligned", { $0.used = $0.used &+ 2 }),
            ("descriptors outside RAM", { $0.descriptors = GuestAddress(32 << 20) }),
            ("available ring in the hole", { $0.available = GuestAddress(0xd000_0000) }),
            ("used ring at the end of space", { $0.used = GuestAddress(.max - 3) }),
        ]
    }

    /// VIRTIO 1.2, 2.7 and 4.2.3.2: queues.
    static var queueCases: [Case] {
        [
            Case("a queue holds still once the device is live") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                let before = driver.transport.save().transport.queues
                for index in Device.queueSizes.indices {
                    driver.write(MMIORegister.queueSelector, UInt32(index))
                    for (register, value) in queueWrites + [(MMIORegister.queueReady, 0)] {
                        driver.write(register, value)
                        let after = driver.transport.save().transport.queues
                        wrong.equal(after, before, "queues after \(value) to \(register)")
                    }
                }
            },
            Case("a queue holds still while it is ready") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .queuesSet)
                let before = driver.transport.save().transport.queues
                driver.write(MMIORegister.queueSelector, 0)
                for (register, value) in queueWrites { driver.write(register, value) }
                wrong.equal(driver.transport.save().transport.queues, before, "queues")
            },
            Case("a queue that is enabled twice is enabled once") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .queuesSet)
                let before = driver.transport.save().transport.queues
                let enable = {
                    for index in Device.queueSizes.indices {
                        driver.write(MMIORegister.queueSelector, UInt32(index))
                        driver.write(MMIORegister.queueReady, 1)
                    }
                }
                enable()
                wrong.equal(driver.transport.save().transport.queues, before, "queues")
                driver.step(.driverOK)
                publish(0..<requestCount, on: driver)
                enable()
                notifyAll(driver)
                driver.drain()
                wrong.equal(driver.status, started, "status")
                let expected = try undisturbed(make).map { Set($0) }
                wrong.equal(takeHeads(driver).map { Set($0) }, expected, "chains given back")
            },
            Case("queues cannot be set up before FEATURES_OK") { make, wrong in
                for point in [Point.fresh, .acknowledged, .driver, .featuresChosen] {
                    let driver = try Driver(make())
                    let before = driver.transport.save().transport.queues
                    bring(driver, to: point)
                    driver.setUpQueues()
                    wrong.equal(driver.transport.save().transport.queues, before, "at \(point)")
                }
            },
            Case("a queue that is not there cannot be set up") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .featuresOK)
                let before = driver.transport.save().transport.queues
                let state = DriverRing(memory: driver.memory, size: 8, base: 0x1_0000).state
                for index in [Device.queueSizes.count, 8, 0xffff, 0x1_0000, 0x7fff_ffff] {
                    driver.setQueue(index, state)
                    wrong.equal(driver.transport.save().transport.queues, before, "\(index)")
                }
            },
            Case("queues set up wrongly need a reset, which helps") { make, wrong in
                for (name, change) in badQueues {
                    let driver = try Driver(make())
                    driver.negotiate()
                    var state = DriverRing(memory: driver.memory, size: 8, base: 0x1_0000).state
                    change(&state)
                    driver.setQueue(0, state)
                    driver.step(.driverOK)
                    wrong.expect(driver.status.contains(.needsReset), "\(name): no NEEDS_RESET")
                    wrong.equal(driver.takeInterruptStatus(), 2, "\(name): interrupt status")
                    driver.notify(0)
                    driver.start()
                    wrong.equal(driver.status, started, "\(name): status after reset")
                }
            },
            Case("a queue that is not ready is idle") { make, wrong in
                let driver = try Driver(make())
                driver.negotiate()
                driver.step(.driverOK)
                for index in Device.queueSizes.indices { driver.notify(index) }
                wrong.equal(driver.status, started, "status")
                wrong.equal(driver.interrupts.count, 0, "interrupts")
            },
            Case("a notification out of turn does nothing") { make, wrong in
                for point in Point.allCases where point.rawValue < Point.live.rawValue {
                    let driver = try Driver(make())
                    bring(driver, to: point)
                    let before = driver.transport.save()
                    for index in 0..<4 { driver.notify(index) }
                    wrong.equal(driver.transport.save(), before, "at \(point)")
                    wrong.equal(driver.interrupts.count, 0, "interrupts at \(point)")
                }
            },
            Case("a notification for a queue that is not there does nothing") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                let before = driver.transport.save()
                for index in [Device.queueSizes.count, 8, 31, 32, 33, 0xffff, 0xffff_ffff] {
                    driver.notify(index)
                }
                wrong.equal(driver.transport.save(), before, "state")
            },
            Case("a broken ring needs a reset, which helps") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                breakRing(driver)
                wrong.expect(driver.status.contains(.needsReset), "no NEEDS_RESET")
                wrong.equal(driver.takeInterruptStatus(), 2, "interrupt status")
                _ = driver.interrupts.take()
                for index in driver.rings.indices { driver.notify(index) }
                wrong.equal(driver.interrupts.count, 0, "interrupts after")
                driver.step(.driverOK)
                wrong.expect(driver.status.contains(.needsReset), "NEEDS_RESET was lost")
                driver.start()
                wrong.equal(driver.status, started, "status after reset")
            },
            Case("a chain with nothing in it is survived, and none is kept") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                for index in driver.rings.indices {
                    driver.rings[index].publish([.readable(0x20_0000, 0)])
                    driver.rings[index].publish([.writable(0x20_0000, 0)])
                    driver.rings[index].publish([.readable(0x20_0000, 1)])
                    driver.rings[index].publish([.writable(0x20_0000, 1)])
                    driver.notify(index)
                }
                wrong.equal(driver.status, started, "status")
                wrong.equal(driver.transport.chainsInFlight, 0, "chains in flight")
            },
        ]
    }
}
