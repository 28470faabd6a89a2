// SPDX-License-Identifier: Apache-2.0

/// Somebody else on the guest's link than the host's interface, such as a metadata service: it may
/// take frames that the guest sends, and send frames to it.
///
/// All calls come from the device, one at a time, under its lock; they must not wait.
package protocol NetResponder: AnyObject, Sendable {
    /// Whether a frame is for it and for nobody else. `head` is how it begins, at most
    /// ``Net/headLimit`` bytes, from the Ethernet header on.
    func claims(_ head: ArraySlice<UInt8>) -> Bool
    /// Takes a frame that it claimed: up to ``Net/frameLimit`` bytes, with checksums that may be
    /// unfinished and TCP segments that may be large.
    func take(_ frame: [UInt8])
    /// The next frame for the guest, finished and no larger than its MTU allows; nil if there is
    /// none. Asked after ``take(_:)``, at ``deadline``, and whenever there is room.
    func nextFrame() -> [UInt8]?
    /// `Clock.monotonic` at which ``nextFrame()`` is to be asked again; `.max` for never.
    var deadline: UInt64 { get }
}
