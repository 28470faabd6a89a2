// SPDX-License-Identifier: Apache-2.0
import Memory

/// The register file. VIRTIO 1.2, 4.2.2.
extension MMIOCore where Device: ~Copyable {
    private var selected: Int? {
        let index = Int(registers.queueSelector)
        return index < queueSizes.count ? index : nil
    }

    /// Write-only and undefined offsets read as zero.
    func readRegister(_ offset: UInt64) -> UInt32 {
        switch offset {
        case MMIORegister.magic: MMIORegister.magicValue
        case MMIORegister.version: 2
        case MMIORegister.deviceID: Device.id.rawValue
        case MMIORegister.vendorID: MMIORegister.vendor
        case MMIORegister.deviceFeatures: offered.word(registers.deviceFeaturesSelector)
        case MMIORegister.queueSizeMax: selected.map { UInt32(queueSizes[$0]) } ?? 0
        case MMIORegister.queueReady:
            selected.map { registers.queues[$0].isReady ? 1 : 0 } ?? 0
        case MMIORegister.status: UInt32(registers.status.rawValue)
        // No shared memory regions: length and base read as all ones. 4.2.2.1.
        case MMIORegister.sharedMemoryLengthLow...MMIORegister.sharedMemoryBaseHigh: .max
        case MMIORegister.configurationGeneration: registers.configurationGeneration
        default: 0
        }
    }

    /// Writes to read-only and undefined offsets are ignored, as are those out of turn.
    mutating func writeRegister(_ offset: UInt64, _ value: UInt32) {
        switch offset {
        case MMIORegister.deviceFeaturesSelector: registers.deviceFeaturesSelector = value
        case MMIORegister.driverFeaturesSelector: registers.driverFeaturesSelector = value
        case MMIORegister.queueSelector: registers.queueSelector = value
        case MMIORegister.driverFeatures:
            guard registers.status.isNegotiating else { return }
            registers.driverFeatures = registers.driverFeatures.replacing(
                registers.driverFeaturesSelector, with: value)
        default:
            writeQueueRegister(offset, value)
        }
    }

    /// Queues are set up between `FEATURES_OK` and `DRIVER_OK`, and hold still while ready.
    private mutating func writeQueueRegister(_ offset: UInt64, _ value: UInt32) {
        guard registers.status.isConfiguring, let index = selected else { return }
        if offset == MMIORegister.queueReady {
            registers.queues[index].isReady = value & 1 != 0
            return
        }
        guard !registers.queues[index].isReady else { return }
        switch offset {
        case MMIORegister.queueSize:
            // What does not fit in 16 bits is as wrong as 0 and found at activation.
            registers.queues[index].size = UInt16(exactly: value) ?? 0
        case MMIORegister.queueDescriptorsLow: registers.queues[index].descriptors.low = value
        case MMIORegister.queueDescriptorsHigh: registers.queues[index].descriptors.high = value
        case MMIORegister.queueDriverLow: registers.queues[index].available.low = value
        case MMIORegister.queueDriverHigh: registers.queues[index].available.high = value
        case MMIORegister.queueDeviceLow: registers.queues[index].used.low = value
        case MMIORegister.queueDeviceHigh: registers.queues[index].used.high = value
        default: break
        }
    }

    /// Any width; bytes past the end read as zero. VIRTIO 1.2, 4.2.2.2.
    mutating func readConfiguration(offset: UInt64, size: Int) -> UInt64 {
        let start = offset &- MMIORegister.configuration
        noteConfigurationAccess(start, size)
        var value: UInt64 = 0
        for index in 0..<UInt64(size) where start &+ index < UInt64(device.configurationSize) {
            let byte = device.configurationByte(at: Int(start &+ index))
            value |= UInt64(byte) << (index * 8)
        }
        return value
    }

    /// Bytes past the end are ignored, as is everything before the driver shows itself.
    mutating func writeConfiguration(offset: UInt64, size: Int, value: UInt64) {
        guard registers.status.contains(.driver),
            registers.status.isDisjoint(with: [.needsReset, .failed])
        else { return }
        let start = offset &- MMIORegister.configuration
        noteConfigurationAccess(start, size)
        for index in 0..<UInt64(size) where start &+ index < UInt64(device.configurationSize) {
            device.setConfigurationByte(
                at: Int(start &+ index), to: UInt8(truncatingIfNeeded: value >> (index * 8)))
        }
    }

    /// Counts an access that goes past the end.
    private mutating func noteConfigurationAccess(_ start: UInt64, _ size: Int) {
        let end = start.addingReportingOverflow(UInt64(size))
        if end.overflow || end.partialValue > UInt64(device.configurationSize) {
            counts.wrongConfigurations &+= 1
        }
    }
}

extension GuestAddress {
    fileprivate var low: UInt32 {
        get { UInt32(truncatingIfNeeded: rawValue) }
        set { self = GuestAddress(rawValue & ~0xffff_ffff | UInt64(newValue)) }
    }

    fileprivate var high: UInt32 {
        get { UInt32(truncatingIfNeeded: rawValue >> 32) }
        set { self = GuestAddress(rawValue & 0xffff_ffff | UInt64(newValue) << 32) }
    }
}
