// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What can be asked of a descriptor that may be a terminal.
package enum Terminal {
    package static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Rows and columns, if it is a terminal that knows them.
    package static func size(of descriptor: CInt) -> (rows: UInt16, columns: UInt16)? {
        var size: [UInt16] = [0, 0]
        let result = unsafe size.withUnsafeMutableBufferPointer { size in
            unsafe clinux_terminal_size(descriptor, size.baseAddress)
        }
        guard result == 0, size[0] > 0, size[1] > 0 else { return nil }
        return (size[0], size[1])
    }
}

extension Terminal {
    /// Makes the terminal at `descriptor` raw, until ``restore()`` or a fatal signal.
    package static func makeRaw(_ descriptor: CInt) throws(Errno) {
        try Errno.check(clinux_terminal_raw(descriptor))
    }

    /// Gives a raw terminal its former mode back, before a sudden end of the process.
    package static func restore() { clinux_terminal_restore() }
}

/// A terminal that hands over each key as it is, until this value goes.
///
/// The former mode comes back when this value goes, when a fatal signal (a trap of ours included)
/// ends the process, and, by a small process that waits for our end, after SIGKILL. One at a time.
package struct RawTerminal: ~Copyable {
    private let guardian: CInt
    private let alive: FileDescriptor

    /// Makes the terminal at `descriptor` raw.
    package init(_ descriptor: CInt) throws(Errno) {
        let pipe = try Pipe()
        let alive = try pipe.writer.duplicate()
        try Errno.check(clinux_terminal_raw(descriptor))
        guardian = clinux_terminal_guard(descriptor, pipe.reader.rawValue)
        self.alive = alive
    }

    deinit {
        clinux_terminal_restore()
        // A byte says that the terminal is in order.
        var byte: UInt8 = 0
        _ = unsafe clinux_write(alive.rawValue, &byte, 1)
        if guardian > 0 { _ = clinux_reap(guardian) }
    }
}
