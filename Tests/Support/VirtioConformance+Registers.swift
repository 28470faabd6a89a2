// SPDX-License-Identifier: Apache-2.0
import Virtio

extension VirtioConformance where Device: ~Copyable {
    /// VIRTIO 1.2, 4.2.2: the register file.
    static var registerCases: [Case] {
        [
            Case("names itself") { make, wrong in
                let driver = try Driver(make())
                wrong.equal(driver.read(MMIORegister.magic), 0x7472_6976, "magic")
                wrong.equal(driver.read(MMIORegister.version), 2, "version")
                wrong.equal(driver.read(MMIORegister.deviceID), Device.id.rawValue, "device ID")
                wrong.equal(driver.status, [], "status")
                wrong.equal(driver.read(MMIORegister.interruptStatus), 0, "interrupt status")
            },
            Case("offers what every queue can do") { make, wrong in
                let driver = try Driver(make())
                wrong.expect(driver.offered.isSuperset(of: .queue), "offers \(driver.offered)")
                driver.write(MMIORegister.deviceFeaturesSelector, 2)
                wrong.equal(driver.read(MMIORegister.deviceFeatures), 0, "features, word 2")
                driver.write(MMIORegister.deviceFeaturesSelector, .max)
                wrong.equal(driver.read(MMIORegister.deviceFeatures), 0, "features, last word")
            },
            Case("says how large its queues may be") { make, wrong in
                let driver = try Driver(make())
                let sizes = Device.queueSizes
                for index in [0, 1, 2, 7, 8, 0xffff, 0x1_0000, UInt32.max] {
                    driver.write(MMIORegister.queueSelector, index)
                    let size = index < UInt32(sizes.count) ? UInt32(sizes[Int(index)]) : 0
                    wrong.equal(driver.read(MMIORegister.queueSizeMax), size, "queue \(index)")
                    wrong.equal(driver.read(MMIORegister.queueReady), 0, "ready \(index)")
                }
            },
            Case("has no shared memory regions") { make, wrong in
                let driver = try Driver(make())
                for register in stride(from: 0xb0, through: 0xbc, by: 4) as StrideThrough<UInt64> {
                    wrong.equal(driver.read(register), .max, "register \(register)")
                }
            },
            Case("registers are 32 bits wide") { make, wrong in
                let driver = try Driver(make())
                for (offset, size) in [
                    (0, 1), (0, 2), (0, 8), (1, 4), (2, 4), (0x71, 4), (0xfe, 4),
                ]
                    as [(UInt64, Int)]
                {
                    let value = driver.transport.read(offset: offset, size: size)
                    wrong.equal(value, 0, "\(size) bytes at \(offset)")
                }
                for size in [1, 2, 8] {
                    driver.transport.write(offset: MMIORegister.status, size: size, value: 1)
                    wrong.equal(driver.status, [], "status after \(size) bytes")
                }
            },
            Case("write-only registers read as zero") { make, wrong in
                let driver = try Driver(make())
                bring(driver, to: .live)
                for register in [
                    MMIORegister.deviceFeaturesSelector, MMIORegister.driverFeatures,
                    MMIORegister.driverFeaturesSelector, MMIORegister.queueSelector,
                    MMIORegister.queueSize, MMIORegister.queueNotify,
                    MMIORegister.interruptAcknowledge, MMIORegister.queueDescriptorsLow,
                    MMIORegister.queueDriverHigh, MMIORegister.queueDeviceLow, 0x03c, 0x0ac, 0x0f8,
                ] {
                    wrong.equal(driver.read(register), 0, "register \(register)")
                }
            },
            Case("read-only registers cannot be written") { make, wrong in
                let driver = try Driver(make())
                for register in [
                    MMIORegister.magic, MMIORegister.version, MMIORegister.deviceID,
                    MMIORegister.vendorID, MMIORegister.deviceFeatures, MMIORegister.queueSizeMax,
                    MMIORegister.interruptStatus, MMIORegister.configurationGeneration,
                ] {
                    let before = driver.read(register)
                    driver.write(register, ~before)
                    wrong.equal(driver.read(register), before, "register \(register)")
                }
            },
            Case("any write to any register in any state is survived") { make, wrong in
                for point in Point.allCases {
                    for value in [0, 1, 0x80, 0xffff, 0x8000_0000, UInt32.max] {
                        let driver = try Driver(make())
                        bring(driver, to: point)
                        for register in stride(from: 0, to: 0x1000, by: 4) as StrideTo<UInt64> {
                            driver.write(register, value)
                            _ = driver.read(register)
                        }
                        driver.settle()
                        driver.start()
                        wrong.equal(driver.status, started, "status after \(value) at \(point)")
                    }
                }
            },
            Case("the configuration space ends where it ends") { make, wrong in
                let driver = try Driver(make())
                let base = MMIORegister.configuration
                for offset in [0xefc, 0xeff] as [UInt64] {
                    for size in [1, 2, 4, 8] {
                        let value = driver.transport.read(offset: base + offset, size: size)
                        wrong.equal(value, 0, "\(size) bytes at \(offset)")
                    }
                }
                let wide = driver.transport.read(offset: base, size: 8)
                let low = driver.transport.read(offset: base, size: 4)
                let high = driver.transport.read(offset: base + 4, size: 4)
                wrong.equal(wide, low | high << 32, "the first 64 bits")
            },
        ]
    }
}
