// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// Features of network devices. VIRTIO 1.2, 5.1.3.
extension FeatureSet {
    /// The device takes frames whose checksum is still to be made.
    package static var netChecksum: FeatureSet { FeatureSet(bit: 0) }
    /// The driver takes such frames.
    package static var netGuestChecksum: FeatureSet { FeatureSet(bit: 1) }
    /// The driver can change what it takes at any time.
    package static var netControlOffloads: FeatureSet { FeatureSet(bit: 2) }
    package static var netMTU: FeatureSet { FeatureSet(bit: 3) }
    package static var netMAC: FeatureSet { FeatureSet(bit: 5) }
    package static var netGuestTSO4: FeatureSet { FeatureSet(bit: 7) }
    package static var netGuestTSO6: FeatureSet { FeatureSet(bit: 8) }
    package static var netGuestECN: FeatureSet { FeatureSet(bit: 9) }
    package static var netGuestUFO: FeatureSet { FeatureSet(bit: 10) }
    package static var netHostTSO4: FeatureSet { FeatureSet(bit: 11) }
    package static var netHostTSO6: FeatureSet { FeatureSet(bit: 12) }
    package static var netHostECN: FeatureSet { FeatureSet(bit: 13) }
    package static var netHostUFO: FeatureSet { FeatureSet(bit: 14) }
    /// A frame may fill several buffers of the driver.
    package static var netMergeableBuffers: FeatureSet { FeatureSet(bit: 15) }
    package static var netStatus: FeatureSet { FeatureSet(bit: 16) }
    package static var netControlQueue: FeatureSet { FeatureSet(bit: 17) }
    package static var netControlReceive: FeatureSet { FeatureSet(bit: 18) }
    package static var netControlReceiveExtra: FeatureSet { FeatureSet(bit: 20) }
    package static var netManyQueues: FeatureSet { FeatureSet(bit: 22) }
    package static var netControlMAC: FeatureSet { FeatureSet(bit: 23) }
    package static var netGuestUSO4: FeatureSet { FeatureSet(bit: 54) }
    package static var netGuestUSO6: FeatureSet { FeatureSet(bit: 55) }
    package static var netHostUSO: FeatureSet { FeatureSet(bit: 56) }

    /// What a driver may take unfinished, each with what the TAP device calls it.
    static let netGuestOffloads: [(FeatureSet, TapDevice.Offloads)] = [
        (.netGuestChecksum, .checksum), (.netGuestTSO4, .tso4), (.netGuestTSO6, .tso6),
        (.netGuestECN, .ecn), (.netGuestUFO, .ufo), (.netGuestUSO4, .uso4),
        (.netGuestUSO6, .uso6),
    ]

    /// What a driver may give unfinished, each with what the TAP device must know for it.
    static let netHostOffloads: [(FeatureSet, TapDevice.Offloads)] = [
        (.netChecksum, .checksum), (.netHostTSO4, .tso4), (.netHostTSO6, .tso6),
        (.netHostECN, .ecn), (.netHostUFO, .ufo), (.netHostUSO, .uso4),
    ]

    /// Features for the offloads that a link has.
    static func net(offloads: TapDevice.Offloads) -> FeatureSet {
        var features: FeatureSet = []
        for (feature, offload) in netGuestOffloads + netHostOffloads
        where offloads.contains(offload) {
            features.insert(feature)
        }
        return features
    }

    /// What the link may leave to a driver that accepted these. 5.1.3.1 says which needs which.
    var netOffloads: TapDevice.Offloads {
        guard contains(.netGuestChecksum) else { return [] }
        var offloads: TapDevice.Offloads = []
        for (feature, offload) in Self.netGuestOffloads where contains(feature) {
            offloads.insert(offload)
        }
        if offloads.isDisjoint(with: [.tso4, .tso6]) { offloads.remove(.ecn) }
        // The kernel knows both or neither.
        if !offloads.isSuperset(of: [.uso4, .uso6]) { offloads.subtract([.uso4, .uso6]) }
        return offloads
    }
}
