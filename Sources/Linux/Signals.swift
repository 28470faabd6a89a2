// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A signal by its number.
package struct Signal: RawRepresentable, Hashable, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static var hangUp: Self { Self(rawValue: SIGHUP) }
    package static var interrupt: Self { Self(rawValue: SIGINT) }
    package static var quit: Self { Self(rawValue: SIGQUIT) }
    package static var kill: Self { Self(rawValue: SIGKILL) }
    package static var pipe: Self { Self(rawValue: SIGPIPE) }
    package static var terminate: Self { Self(rawValue: SIGTERM) }
    package static var windowChange: Self { Self(rawValue: SIGWINCH) }

    /// Lets this process live through it.
    package func ignore() { clinux_ignore_signal(rawValue) }
}

/// Signals as something to read, instead of handlers. signalfd(2).
///
/// They are blocked in the thread that makes this, and in every thread it makes afterwards.
package struct SignalReader: ~Copyable, Sendable {
    /// Readable while a signal waits; never blocks.
    package let descriptor: FileDescriptor

    package init(_ signals: [Signal]) throws(Errno) {
        var mask: UInt64 = 0
        for signal in signals { mask |= 1 << UInt64(signal.rawValue - 1) }
        let raw = clinux_signal_descriptor(mask)
        descriptor = FileDescriptor(adopting: try Errno.check(raw))
    }

    /// The signal that has waited longest, if one waits.
    package func next() -> Signal? {
        let number = clinux_signal_next(descriptor.rawValue)
        return number > 0 ? Signal(rawValue: number) : nil
    }
}
