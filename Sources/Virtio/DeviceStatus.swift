// SPDX-License-Identifier: Apache-2.0

/// How far driver and device have come with each other. VIRTIO 1.2, 2.1.
package struct DeviceStatus: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let acknowledge = DeviceStatus(rawValue: 1)
    package static let driver = DeviceStatus(rawValue: 2)
    package static let driverOK = DeviceStatus(rawValue: 4)
    package static let featuresOK = DeviceStatus(rawValue: 8)
    /// Set by the device: the driver broke the ring, only a reset helps.
    package static let needsReset = DeviceStatus(rawValue: 64)
    /// Set by the driver: it has given up.
    package static let failed = DeviceStatus(rawValue: 128)

    /// The bits a driver may set.
    static let settable: DeviceStatus = [.acknowledge, .driver, .driverOK, .featuresOK, .failed]

    /// Each step of the driver's comes after the one before it. VIRTIO 1.2, 3.1.1.
    var isInOrder: Bool {
        (contains(.acknowledge) || !contains(.driver))
            && (contains(.driver) || !contains(.featuresOK))
            && (contains(.featuresOK) || !contains(.driverOK))
    }

    /// Features may be chosen.
    var isNegotiating: Bool {
        contains(.driver) && isDisjoint(with: [.featuresOK, .driverOK, .needsReset, .failed])
    }

    /// Queues may be set up.
    var isConfiguring: Bool {
        contains(.featuresOK) && isDisjoint(with: [.driverOK, .needsReset, .failed])
    }

    /// Queues may be served.
    var isLive: Bool { contains(.driverOK) && isDisjoint(with: [.needsReset, .failed]) }
}
