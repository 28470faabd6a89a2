// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// Features of network devices. VIRTIO 1.2, 5.1.3.
extension FeatureSet {
    /// The device takes frames whose checksum is still to be made.
    package static let netChecksum = FeatureSet(bit: 0)
    /// The driver takes such frames.
    package static let netGuestChecksum = FeatureSet(bit: 1)
    /// The driver can change what it takes at any time.
    package static let netControlOffloads = FeatureSet(bit: 2)
    package static let netMTU = FeatureSet(bit: 3)
    package static let netMAC = FeatureSet(bit: 5)
    package static let netGuestTSO4 = FeatureSet(bit: 7)
    package static let netGuestTSO6 = FeatureSet(bit: 8)
    package static let netGuestECN = FeatureSet(bit: 9)
    package static let netGuestUFO = FeatureSet(bit: 10)
    package static let netHostTSO4 = FeatureSet(bit: 11)
    package static let netHostTSO6 = FeatureSet(bit: 12)
    package static let netHostECN = FeatureSet(bit: 13)
    package static let netHostUFO = FeatureSet(bit: 14)
    /// A frame may fill several buffers of the driver.
    package static let netMergeableBuffers = FeatureSet(bit: 15)
    package static let netStatus = FeatureSet(bit: 16)
    package static let netControlQueue = FeatureSet(bit: 17)
    package static let netControlReceive = FeatureSet(bit: 18)
    package static let netControlReceiveExtra = FeatureSet(bit: 20)
    package static let netManyQueues = FeatureSet(bit: 22)
    package static let netControlMAC = FeatureSet(bit: 23)
    package static let netGuestUSO4 = FeatureSet(bit: 54)
    package static let netGuestUSO6 = FeatureSet(bit: 55)
    package static let netHostUSO = FeatureSet(bit: 56)

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
