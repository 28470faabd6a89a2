// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// The host's end of a network interface, opened before there is a machine that takes it.
package final class OpenLink: Sendable {
    /// As a configuration names it: an interface, or `/dev/fd/N`.
    package let device: String
    private let tap: Mutex<TapDevice?>
    /// Its descriptors; -1: none.
    private let numbers: [CInt]

    package init(_ device: String) throws(TapError) {
        self.device = device
        let link = try Self.open(device)
        numbers = [link.descriptor(0), link.descriptor(1), link.descriptor(2)]
        tap = Mutex(link)
    }

    /// False once a machine has taken it, for good or in vain.
    package var isOpen: Bool { tap.withLock { $0 != nil } }

    /// Whether `device` is a descriptor that this has: a second owner would close it, too.
    package func owns(_ device: String) -> Bool {
        isOpen && numbers.contains { $0 >= 0 && device == Self.prefix + String($0) }
    }

    /// What a machine is made with; nil: another was.
    func take() -> TapDevice? { tap.withLock { $0.take() } }

    private static var prefix: String { "/dev/fd/" }

    static func open(_ device: String) throws(TapError) -> TapDevice {
        guard device.hasPrefix(prefix) else {
            return try TapDevice(opening: device, queues: TapDevice.queueLimit)
        }
        // Two ways to write a number would be two owners of one descriptor.
        guard let number = CInt(device.dropFirst(prefix.count)), number > 2,
            device == prefix + String(number)
        else { throw .name(device) }
        return try TapDevice(adopting: number)
    }
}
