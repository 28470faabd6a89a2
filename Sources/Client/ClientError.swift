// SPDX-License-Identifier: Apache-2.0

/// Why a machine could not be started or used.
public struct ClientError: Error, Hashable, Sendable {
    /// What sort of failure it is; more may be added.
    public enum Kind: Hashable, Sendable {
        /// A program, kernel or initramfs is missing.
        case notInstalled
        /// The machine cannot be made as it was asked for.
        case badConfiguration
        /// The machine ended while something was still wanted of it.
        case machineEnded
        /// The agent in the guest said something that is not in the protocol, or refused a request.
        case agent
        /// A command has written more than was to be kept.
        case tooMuchOutput
        /// A deadline has passed.
        case timedOut
        /// The host refused something to this process.
        case system
    }

    public let kind: Kind
    /// One sentence; more lines may follow with what the guest's console said last.
    public let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

extension ClientError: CustomStringConvertible {
    public var description: String { message }
}
