// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// Save and restore.
extension Net {
    /// What the link has not yet given up is the host's; what has left it is here.
    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package var isActive: Bool
        /// What the driver accepted.
        package var features: FeatureSet
        /// Six bytes, as the driver may have changed them.
        package var mac: [UInt8]
        /// Receive and transmit queues in use.
        package var pairCount: Int
        /// `TUN_F_*`.
        package var offloads: UInt32
        package var receiveMode: UInt8
        /// Frames that wait for buffers, header included, a pair each; empty: none.
        package var waiting: [[UInt8]]
        package var receiveLimiter: RateLimiter.State
        package var transmitLimiter: RateLimiter.State
    }

    package func save() -> State {
        State(
            isActive: driver.isActive, features: driver.features, mac: mac.bytes,
            pairCount: driver.pairCount, offloads: driver.offloads.rawValue,
            receiveMode: driver.receiveMode.rawValue,
            waiting: (0..<link.queueCount).map { pairs[$0].waiting },
            receiveLimiter: limits.receive.save(), transmitLimiter: limits.transmit.save())
    }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard let mac = MACAddress(state.mac) else { throw .value("mac") }
        guard state.features.isSubset(of: features.union(.queue)) else {
            throw .value("features")
        }
        guard (1...link.queueCount).contains(state.pairCount),
            state.pairCount == 1 || state.features.contains(.netManyQueues)
        else { throw .value("pairCount") }
        let offloads = TapDevice.Offloads(rawValue: state.offloads)
        guard offloads.isSubset(of: state.features.netOffloads) else { throw .value("offloads") }
        let mode = NetReceiveMode(rawValue: state.receiveMode)
        guard mode.isSubset(of: .all) else { throw .value("receiveMode") }
        guard state.waiting.count <= link.queueCount,
            state.waiting.allSatisfy({ $0.isEmpty || Self.waitingSizes.contains($0.count) })
        else { throw .value("waiting") }
        self.mac = mac
        driver.isActive = state.isActive
        driver.features = state.features
        setOffloads(offloads)
        setPairCount(state.pairCount)
        driver.receiveMode = mode
        for (pair, frame) in state.waiting.enumerated() { pairs[pair].waiting = frame }
        limits.receive.restore(state.receiveLimiter)
        limits.transmit.restore(state.transmitLimiter)
        host.again.signal()
    }

    private static var waitingSizes: ClosedRange<Int> {
        NetHeader.byteCount + 1...NetHeader.byteCount + frameLimit
    }
}
