// SPDX-License-Identifier: Apache-2.0
import Testing

/// A text that is refused, and in which words.
struct Fault: CustomTestStringConvertible, Sendable {
    let text: String
    let message: String
    var testDescription: String { text }

    init(_ text: String, _ message: String) {
        self.text = text
        self.message = message
    }
}
