// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// A device that leaves guest memory alone while its machine is paused.
protocol PausableDevice: AnyObject, Sendable {
    func pause()
    func resume(on loop: EventLoop) throws(Errno)
}

extension MMIOTransport: PausableDevice where Device: ~Copyable {}
