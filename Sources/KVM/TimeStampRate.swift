// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// How fast a processor's time stamp counter runs.
struct TimeStampRate: Hashable, Sendable {
    /// Thousands of ticks a second; 0 if the kernel does not say.
    private(set) var kilohertz: UInt32
    /// Another rate than the host's can be set.
    let isScalable: Bool

    init(kilohertz: UInt32, isScalable: Bool) {
        self.kilohertz = kilohertz
        self.isScalable = isScalable
    }

    /// Makes it `wanted`, which a guest knows, by `set` where that changes anything. Refused where
    /// the host's is too far from it, and cannot be scaled.
    mutating func follow(
        _ wanted: UInt32, _ set: (UInt32) throws(KVMError) -> Void
    ) throws(KVMError) {
        guard wanted != 0, kilohertz != 0, wanted != kilohertz else { return }
        if isScalable {
            try set(wanted)
            kilohertz = wanted
        } else if wanted.distance(to: kilohertz).magnitude
            > UInt(wanted) / CPUProfile.tscTolerance
        {
            throw .engine(
                .state(
                    "a time stamp counter of \(wanted) kHz, where the host's runs at "
                        + "\(kilohertz) kHz and cannot be scaled"))
        }
    }
}
