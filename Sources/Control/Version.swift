// SPDX-License-Identifier: Apache-2.0

/// The version of all of Swiftlet's programs.
package enum Version {
    package static var current: String { "0.1.0" }
}
