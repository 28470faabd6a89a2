// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not a frame, or a value does not fit into one.
///
/// A stream with such an error has lost its frame boundaries: close it.
package enum FrameError: Error, Equatable, Sendable {
    /// The header announces more payload bytes than this side accepts.
    case tooLong(kind: UInt16, length: UInt32)

    /// The header's last two bytes are not zero.
    case reserved(UInt16)

    /// The payload is shorter or longer, in bytes, than its kind's fields.
    case length(kind: UInt16, length: Int)

    /// A hello that does not begin with `AgentProtocol.magic`.
    case magic(UInt32)

    /// A field holds a value outside its range.
    case value(kind: UInt16, value: UInt32)

    /// A string of a request holds a zero byte, or its command is empty.
    case text

    /// A request has more strings than `ExecRequest.stringLimit`.
    case tooMany(Int)
}
