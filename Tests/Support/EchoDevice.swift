// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// The smallest device with everything a transport can ask for: it copies the readable part of
/// each chain into the writable one.
package struct EchoDevice: ~Copyable, VirtioDevice {
    package static let id = DeviceID(rawValue: 42)
    package static let queueSizes: [UInt16] = [8, 8]
    package static let special = FeatureSet(bit: 3)

    package var features: FeatureSet { Self.special }
    package private(set) var served = 0
    package private(set) var resets = 0
    package private(set) var accepted: FeatureSet?
    private var configuration: [UInt8] = [1, 2, 3, 4, 5, 6]
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    package init() {}

    package var configurationSize: Int { configuration.count }
    package func configurationByte(at offset: Int) -> UInt8 { configuration[offset] }
    package mutating func setConfigurationByte(at offset: Int, to value: UInt8) {
        configuration[offset] = value
    }

    package mutating func activate(features: FeatureSet) { accepted = features }

    package mutating func serve(_ queues: inout Virtqueues, index: Int) throws(VirtqueueError) {
        while let chain = try queues[index].next() {
            let limit = min(chain.readable.byteCount, chain.writable.byteCount, buffer.count)
            let count = chain.readable.copyOut(at: 0, count: limit, into: &buffer, at: 0)
            let written = chain.writable.copyIn(buffer[..<count])
            served += 1
            queues[index].complete(chain, written: written)
        }
    }

    package mutating func reset() {
        accepted = nil
        resets += 1
    }

    package struct State: Hashable, Sendable {
        package var version: UInt32 = 1
        package var configuration: [UInt8]
    }

    package func save() -> State { State(configuration: configuration) }

    package mutating func restore(_ state: State) throws(RestoreError) {
        guard state.configuration.count == configuration.count else {
            throw .value("configuration")
        }
        configuration = state.configuration
    }
}
