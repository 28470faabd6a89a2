// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// A step of the engine `Sync` of which nobody can tell how long it takes.
package enum BlockErrand: HostErrand {
    // The file stays the drive's until the errand is done with.
    case synchronize(CInt)
    case zero(CInt, FileDescriptor.Zeroing, position: UInt64, count: UInt64)

    package func run() -> Int {
        outcome { () throws(Errno) in
            switch self {
            case .synchronize(let file): try FileDescriptor.synchronizeData(file)
            case .zero(let file, let manner, let position, let count):
                try FileDescriptor.zero(file, manner, at: position, count: count)
            }
        }
    }
}
