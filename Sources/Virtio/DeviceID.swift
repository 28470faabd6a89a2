// SPDX-License-Identifier: Apache-2.0

/// What kind of device it is. VIRTIO 1.2, 5.
package struct DeviceID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let network = DeviceID(rawValue: 1)
    package static let block = DeviceID(rawValue: 2)
    package static let entropy = DeviceID(rawValue: 4)
    package static let balloon = DeviceID(rawValue: 5)
    package static let vsock = DeviceID(rawValue: 19)
    package static let memory = DeviceID(rawValue: 24)
    package static let persistentMemory = DeviceID(rawValue: 27)
}

extension DeviceID: CustomStringConvertible {
    /// What people call it; its number if it is none of ours.
    package var description: String {
        switch self {
        case .network: "net"
        case .block: "block"
        case .entropy: "entropy"
        case .balloon: "balloon"
        case .vsock: "vsock"
        case .memory: "memory"
        case .persistentMemory: "pmem"
        default: "\(rawValue)"
        }
    }
}
