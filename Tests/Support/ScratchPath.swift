// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// Names in /tmp for what tests make.
package enum ScratchPath {
    private static let count = Atomic<UInt64>(0)

    /// A path that no other test has, nor one of an earlier process of this number.
    ///
    /// The time alone is no name: two tests that waited for the same thing go on in the same nanosecond.
    package static func unique(_ kind: String) -> String {
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        return "/tmp/swiftlet-\(kind)-\(CurrentProcess.identifier)-\(number)-\(Clock.monotonic)"
    }
}
