// SPDX-License-Identifier: Apache-2.0

/// The queues of a device; those it does not have stay idle.
package typealias Virtqueues = InlineArray<8, Virtqueue>

/// What a transport asks of a device.
///
/// The transport owns registers, status, features, queues and interrupts; the device owns its
/// meaning. Every call comes under the transport's lock, so a device needs none.
///
///     reset ──► activate ──► serve … serveHost … ──► abandon ──► reset
package protocol VirtioDevice: ~Copyable, SendableMetatype {
    /// What is kept in a snapshot: a plain, versioned value.
    associatedtype State: Hashable & Sendable

    /// VIRTIO 1.2, 5.
    static var id: DeviceID { get }
    /// Largest size of each queue, at most eight, each a power of two up to 32,768.
    static var queueSizes: [UInt16] { get }
    /// Features offered besides ``FeatureSet/queue``.
    var features: FeatureSet { get }

    /// Length of the configuration space in bytes.
    var configurationSize: Int { get }
    /// A byte of the configuration space; `offset` is below ``configurationSize``.
    func configurationByte(at offset: Int) -> UInt8
    /// The driver writes a byte of the configuration space.
    mutating func setConfigurationByte(at offset: Int, to value: UInt8)

    /// The driver is ready (`DRIVER_OK`) and accepted `features`.
    mutating func activate(features: FeatureSet)
    /// Serves what is available on queue `index` after a notification. To throw is to say that
    /// the driver broke the ring: the device is not called again until it is reset.
    mutating func serve(_ queues: inout Virtqueues, index: Int) throws(VirtqueueError)

    /// A descriptor that polls readable whenever the host side has something to do.
    ///
    /// A device that has one is served on the event loop's thread only; one that has none is
    /// served on the thread of the vCPU that notifies it, and by the loop if a turn is not enough.
    var hostEvents: CInt? { get }
    /// Serves the host side.
    mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError)

    /// What it has the host do without its lock. Only devices with ``hostEvents`` have some.
    associatedtype Errand: HostErrand = NoErrand
    /// The errand that serving has left, if it has left one, until ``finishErrand(_:_:)`` or a reset.
    /// Nothing is served before its end.
    var errand: Errand? { get }
    /// Takes note of what ``HostErrand/run()`` has answered. After a reset nobody waits for that.
    mutating func finishErrand(
        _ result: Int, _ queues: inout Virtqueues
    ) throws(VirtqueueError)

    /// True, once, if a device without ``hostEvents`` has ended its turn with something left, or a reset
    /// has left it something: the event loop serves the rest.
    mutating func takeUnfinished() -> Bool
    /// Goes on, a turn, with what an earlier driver of a device without ``hostEvents`` has left, while
    /// there is no driver.
    mutating func serveNobody()

    /// True, once, if serving has changed the configuration space, so that the driver must hear.
    mutating func takeConfigurationChange() -> Bool

    /// Waits until nothing that was begun for the driver touches guest memory any more, and gives
    /// all chains back, or sets them aside. Comes before a pause and a change of the device, and when
    /// a ring is broken.
    mutating func drain(_ queues: inout Virtqueues)
    /// As ``drain(_:)`` before a reset, or when the driver gives up, on the thread of the vCPU that
    /// says so: nothing is begun any more.
    mutating func abandon(_ queues: inout Virtqueues)
    /// Forgets everything that the driver said.
    mutating func reset()
    func save() -> State
    /// Goes on where ``save()`` was called, on a device made with the same configuration.
    mutating func restore(_ state: State) throws(RestoreError)
}

extension VirtioDevice where Self: ~Copyable {
    package var features: FeatureSet { [] }
    package var configurationSize: Int { 0 }
    package func configurationByte(at offset: Int) -> UInt8 { 0 }
    package mutating func setConfigurationByte(at offset: Int, to value: UInt8) {}
    package mutating func activate(features: FeatureSet) {}
    package var hostEvents: CInt? { nil }
    package mutating func serveHost(_ queues: inout Virtqueues) throws(VirtqueueError) {}
    package var errand: Errand? { nil }
    package mutating func finishErrand(
        _ result: Int, _ queues: inout Virtqueues
    ) throws(VirtqueueError) {}
    package mutating func takeUnfinished() -> Bool { false }
    package mutating func serveNobody() {}
    package mutating func takeConfigurationChange() -> Bool { false }
    package mutating func drain(_ queues: inout Virtqueues) {}
    package mutating func abandon(_ queues: inout Virtqueues) { drain(&queues) }
}

/// Why a saved state does not fit the device it is given to.
package enum RestoreError: Error, Hashable, Sendable {
    /// Written by a version that is not known here.
    case version(UInt32)
    /// A value that no device could have saved; the name of the field.
    case value(String)
    /// A queue that its driver could not have set up.
    case queue(Int, VirtqueueError)
}
