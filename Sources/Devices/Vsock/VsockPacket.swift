// SPDX-License-Identifier: Apache-2.0

/// The header of every packet as it lies in memory. VIRTIO 1.2, 5.10.6.
package struct VsockHeader: Hashable, Sendable, BitwiseCopyable {
    package var sourceCID: UInt64 = 0
    package var destinationCID: UInt64 = 0
    package var sourcePort: UInt32 = 0
    package var destinationPort: UInt32 = 0
    /// Bytes that follow.
    package var length: UInt32 = 0
    /// 1 for a stream.
    package var type: UInt16 = 1
    package var operation: UInt16 = 0
    package var flags: UInt32 = 0
    /// Bytes that the sender can buffer for this connection.
    package var bufferSize: UInt32 = 0
    /// Bytes that the sender has taken out of that buffer so far; wraps.
    package var forwarded: UInt32 = 0

    package init() {}

    /// In bytes.
    package static let byteCount = 44
    package static let stream: UInt16 = 1
    /// The host, as guests call it.
    package static let hostCID: UInt64 = 2
}

/// What a packet asks for. VIRTIO 1.2, 5.10.6.
package enum VsockOperation: UInt16, Sendable {
    case request = 1
    case response, reset, shutdown, data, creditUpdate, creditRequest
}

/// The halves that a shutdown ends, seen from its sender. VIRTIO 1.2, 5.10.6.5.
package struct VsockShutdown: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let receive = VsockShutdown(rawValue: 1)
    package static let send = VsockShutdown(rawValue: 2)
    package static let both: VsockShutdown = [.receive, .send]
}

/// What names a connection.
package struct VsockPorts: Hashable, Sendable {
    package let host: UInt32
    package let guest: UInt32

    package init(host: UInt32, guest: UInt32) {
        self.host = host
        self.guest = guest
    }
}
