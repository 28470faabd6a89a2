// SPDX-License-Identifier: Apache-2.0

/// The registers of a virtio-mmio window; a plain value to save and restore.
package struct TransportState: Hashable, Sendable {
    package static let version: UInt32 = 1

    package var version = Self.version
    package var status: DeviceStatus = []
    /// What the driver accepted so far.
    package var driverFeatures: FeatureSet = []
    package var deviceFeaturesSelector: UInt32 = 0
    package var driverFeaturesSelector: UInt32 = 0
    package var queueSelector: UInt32 = 0
    /// Bit 0: buffers used; bit 1: configuration changed. VIRTIO 1.2, 4.2.2.
    package var interruptStatus: UInt32 = 0
    /// Changes whenever the configuration space does.
    package var configurationGeneration: UInt32 = 0
    package var queues: [QueueState]

    /// After a reset: every queue as large as the device allows.
    package init(queueSizes: [UInt16]) {
        queues = queueSizes.map { QueueState(size: $0) }
    }
}

/// Everything about a device behind a virtio-mmio window.
package struct MMIOState<Device: Hashable & Sendable>: Hashable, Sendable {
    package var transport: TransportState
    package var device: Device
}
