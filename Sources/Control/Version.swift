// SPDX-License-Identifier: Apache-2.0

/// The version of all of Swiftlet's programs.
package enum Version {
    package static var current: String { "0.1.0" }

    /// The version of Firecracker whose API this is.
    package static var api: String { "1.17.0" }

    /// What the monitor calls itself, by the name that it was started under.
    package static func product(of program: String) -> (name: String, version: String) {
        program == "firecracker" || program.hasSuffix("/firecracker")
            ? ("Firecracker", api) : ("Swiftlet", current)
    }
}
