// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// Changes to a saved state that no device could have saved.
    static var badStates: [(String, (inout TransportState) -> Void)] {
        [
            ("version", { $0.version = 99 }), ("no queues", { $0.queues = [] }),
            ("a queue too many", { $0.queues.append(QueueState(size: 8)) }),
            ("a reserved status bit", { $0.status = DeviceStatus(rawValue: 0x2f) }),
            ("live without features", { $0.status.remove(.featuresOK) }),
            ("live without a driver", { $0.status.remove(.driver) }),
            ("live without being seen", { $0.status.remove(.acknowledge) }),
            ("features before a driver", { $0.status = [.acknowledge, .featuresOK] }),
            ("features of before version 1", { $0.driverFeatures.remove(.version1) }),
            ("an unknown feature", { $0.driverFeatures.insert(FeatureSet(bit: 63)) }),
            ("interrupt bits", { $0.interruptStatus = 4 }),
            ("queue of no size", { $0.queues[0].size = 0 }),
            ("queue of size 3", { $0.queues[0].size = 3 }),
            ("queue too large", { $0.queues[0].size = 0x8000 }),
            ("used ring outside RAM", { $0.queues[0].used = GuestAddress(.max - 3) }),
        ]
    }

    /// State to save and restore, and threads.
    static var stateCases: [Case] {
        [
            Case("what is saved at any point is what is restored") { make, wrong in
                for point in Point.allCases {
                    let state: MMIOState<Device.State>
                    let memory: GuestMemory
                    do {
                        let driver = try Driver(make())
                        bring(driver, to: point)
                        driver.transport.pause()
                        state = driver.transport.save()
                        memory = driver.memory
                    }
                    let other = try Driver(make(), memory: memory)
                    try other.transport.restore(state)
                    wrong.equal(other.transport.save(), state, "state at \(point)")
                    try other.transport.resume(on: EventLoop())
                    other.settle()
                    other.transport.detach()
                    other.start()
                    wrong.equal(other.status, started, "status after a reset from \(point)")
                }
            },
            Case("a saved state that cannot be is refused, and the device stays") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                let good = driver.transport.save()
                for (name, change) in badStates {
                    var bad = good
                    change(&bad.transport)
                    do throws(RestoreError) {
                        try driver.transport.restore(bad)
                        wrong.expect(false, "\(name) is accepted")
                    } catch {
                        wrong.equal(driver.transport.save(), good, "\(name): state")
                    }
                }
            },
            Case("nothing is served while paused") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                driver.transport.pause()
                breakRing(driver)
                wrong.equal(driver.status, started, "status while paused")
                try driver.transport.resume(on: EventLoop())
                driver.settle()
                driver.transport.detach()
                wrong.expect(driver.status.contains(.needsReset), "what came is not served")
            },
            Case("storms of notifications and resets from many threads are survived") {
                make, wrong in
                let driver = try Driver(make())
                let transport = driver.transport
                let stop = Flag()
                driver.start()
                var threads: [TestThread] = []
                for number in 0..<3 {
                    threads.append(
                        try TestThread("storm-\(number)") {
                            while !stop.isSet {
                                for index in 0..<4 as Range<UInt64> {
                                    transport.write(
                                        offset: MMIORegister.queueNotify, size: 4, value: index)
                                }
                                _ = transport.read(offset: MMIORegister.status, size: 4)
                            }
                        })
                }
                for _ in 0..<300 {
                    driver.start()
                    driver.settle()
                }
                stop.set()
                for thread in threads { try thread.join() }
                driver.settle()
                wrong.equal(driver.status, started, "status")
            },
        ]
    }
}
