// SPDX-License-Identifier: Apache-2.0
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// VIRTIO 1.2, 2.1 and 3.1: the state machine.
    static var statusCases: [Case] {
        [
            Case("starts") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                wrong.equal(driver.status, started, "status")
                wrong.equal(driver.interrupts.count, 0, "interrupts")
            },
            Case("a reset at any point forgets everything and lets it start") { make, wrong in
                let fresh = try Driver(make()).transport.save().transport
                for point in Point.allCases {
                    let driver = try Driver(make())
                    bring(driver, to: point)
                    driver.reset()
                    wrong.equal(driver.transport.save().transport, fresh, "after \(point)")
                    driver.start()
                    wrong.equal(driver.status, started, "status after \(point)")
                }
            },
            Case("a thousand resets are survived") { make, wrong in
                let driver = try Driver(make())
                for _ in 0..<1000 { driver.start() }
                wrong.equal(driver.status, started, "status")
            },
            Case("FEATURES_OK cannot be skipped") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .featuresChosen)
                driver.step(.driverOK)
                wrong.equal(driver.status, [.acknowledge, .driver], "status")
            },
            Case("ACKNOWLEDGE and DRIVER cannot be skipped") { make, wrong in
                let driver = try Driver(make())
                driver.step(.driver)
                driver.step(.featuresOK)
                driver.step(.driverOK)
                wrong.equal(driver.status, [], "status")
            },
            Case("a feature that was not offered is refused") { make, wrong in
                for bit in 0..<64 as Range<UInt64> {
                    let driver = try Driver(make())
                    let offered = driver.offered
                    let extra = FeatureSet(bit: bit)
                    guard offered.isDisjoint(with: extra) else { continue }
                    driver.negotiate(offered.union(extra))
                    wrong.expect(!driver.status.contains(.featuresOK), "bit \(bit) is accepted")
                }
            },
            Case("a driver before VIRTIO 1.0 is refused") { make, wrong in
                let driver = try Driver(make())
                driver.negotiate(driver.offered.subtracting(.version1))
                wrong.equal(driver.status, [.acknowledge, .driver], "status")
            },
            Case("a driver may accept less, or change its mind after a reset") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                driver.start(.version1)
                wrong.equal(driver.status, started, "status")
                wrong.equal(
                    driver.transport.save().transport.driverFeatures, .version1, "features")
            },
            Case("a selector beyond the features selects none") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .driver)
                driver.accept(.version1)
                for selector in [2, 3, 32, 64, 0x8000_0000, .max] as [UInt32] {
                    for value in [0, .max] as [UInt32] {
                        driver.write(MMIORegister.driverFeaturesSelector, selector)
                        driver.write(MMIORegister.driverFeatures, value)
                        wrong.equal(
                            driver.transport.save().transport.driverFeatures, .version1,
                            "features after \(value) to word \(selector)")
                    }
                }
                driver.step(.featuresOK)
                wrong.expect(driver.status.contains(.featuresOK), "the features are refused")
            },
            Case("features hold after FEATURES_OK") { make, wrong in
                let driver = try Driver(make())
                driver.negotiate(.version1)
                driver.accept(driver.offered)
                wrong.equal(
                    driver.transport.save().transport.driverFeatures, .version1, "features")
            },
            Case("status bits cannot be taken back but by a reset") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                for value in [1, 3, 7, 11, 4, 8] as [UInt32] {
                    driver.write(MMIORegister.status, value)
                    wrong.equal(driver.status, started, "status after \(value)")
                }
            },
            Case("reserved status bits are ignored, as is the device's own") { make, wrong in
                let driver = try Driver(make())
                for value in [0x10, 0x20, 0x11, 0x100, 0x101, 0xffff_ff00, UInt32.max] {
                    driver.write(MMIORegister.status, value)
                    wrong.equal(driver.status, [], "status after \(value)")
                }
                driver.write(MMIORegister.status, 0x41)
                wrong.expect(!driver.status.contains(.needsReset), "NEEDS_RESET is taken over")
            },
            Case("DRIVER_OK twice is once") { make, wrong in
                let driver = try Driver(make())
                driver.start()
                let before = driver.transport.save()
                driver.step(.driverOK)
                wrong.equal(driver.transport.save(), before, "state")
            },
            Case("after FAILED nothing is served") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .failed)
                breakRing(driver)
                wrong.equal(driver.status, started.union(.failed), "status")
                wrong.equal(driver.interrupts.count, 0, "interrupts")
            },
        ]
    }
}
