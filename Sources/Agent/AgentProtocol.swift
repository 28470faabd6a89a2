// SPDX-License-Identifier: Apache-2.0

/// What host and guest must agree on before the first byte.
///
/// The protocol is a stream of frames over one vsock connection, which is called a channel
/// (`docs/agent.md`). Each side's first frame is `Frame.hello`.
package enum AgentProtocol {
    /// The version this source speaks. Both sides use the lower of the two that they offer.
    ///
    /// 1: commands, clock and end. 2: trees of files, and connections to ports of the guest.
    /// 3: archives.
    package static var version: UInt16 { 3 }

    /// The lowest version this source still understands.
    package static var oldestVersion: UInt16 { 1 }

    /// First four bytes of a hello's payload: "SWFT", read as a little-endian number.
    package static var magic: UInt32 { 0x5446_5753 }

    /// Vsock port in the guest on which the agent accepts channels.
    package static var agentPort: UInt32 { 1024 }

    /// Vsock port on the host to which the agent opens a channel as soon as it runs.
    package static var readyPort: UInt32 { 1025 }

    /// Context identifier of the host, as the guest's vsock sees it. VIRTIO 1.2, 5.10.4.
    package static var hostContext: UInt32 { 2 }

    /// Bytes before each payload: length, kind, and two that are zero.
    package static var headerLength: Int { 8 }

    /// Longest payload, in bytes, of every frame but a request to execute.
    package static var payloadLimit: Int { 64 * 1024 }

    /// Longest payload, in bytes, of a request to execute.
    package static var requestLimit: Int { 1024 * 1024 }

    /// Bytes of input a host may send for one command before the agent grants more.
    package static var inputWindow: Int { 256 * 1024 }
}
