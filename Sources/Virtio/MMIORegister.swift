// SPDX-License-Identifier: Apache-2.0

/// Offsets of the registers in a virtio-mmio window, version 2. VIRTIO 1.2, 4.2.2.
package enum MMIORegister {
    package static let magic: UInt64 = 0x000
    package static let version: UInt64 = 0x004
    package static let deviceID: UInt64 = 0x008
    package static let vendorID: UInt64 = 0x00c
    package static let deviceFeatures: UInt64 = 0x010
    package static let deviceFeaturesSelector: UInt64 = 0x014
    package static let driverFeatures: UInt64 = 0x020
    package static let driverFeaturesSelector: UInt64 = 0x024
    package static let queueSelector: UInt64 = 0x030
    package static let queueSizeMax: UInt64 = 0x034
    package static let queueSize: UInt64 = 0x038
    package static let queueReady: UInt64 = 0x044
    package static let queueNotify: UInt64 = 0x050
    package static let interruptStatus: UInt64 = 0x060
    package static let interruptAcknowledge: UInt64 = 0x064
    package static let status: UInt64 = 0x070
    package static let queueDescriptorsLow: UInt64 = 0x080
    package static let queueDescriptorsHigh: UInt64 = 0x084
    package static let queueDriverLow: UInt64 = 0x090
    package static let queueDriverHigh: UInt64 = 0x094
    package static let queueDeviceLow: UInt64 = 0x0a0
    package static let queueDeviceHigh: UInt64 = 0x0a4
    package static let sharedMemoryLengthLow: UInt64 = 0x0b0
    package static let sharedMemoryBaseHigh: UInt64 = 0x0bc
    package static let configurationGeneration: UInt64 = 0x0fc
    /// The device's own configuration space begins here.
    package static let configuration: UInt64 = 0x100

    /// "virt".
    package static let magicValue: UInt32 = 0x7472_6976
    /// "SWFT".
    package static let vendor: UInt32 = 0x5446_5753
}
