// SPDX-License-Identifier: Apache-2.0

/// Why an object that is well-formed does not fit the machine.
package struct ConfigFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being set, as Firecracker names it; in front of the text.
    package let subject: String
    package let text: String

    package init(_ subject: String, _ text: String) {
        self.subject = subject
        self.text = text
    }

    package var description: String { "\(subject): \(text)" }
}
