// SPDX-License-Identifier: Apache-2.0
import Linux

/// Something that the host does for a device and that may take a disk long. It is done on the event
/// loop's thread without the device's lock, so that a processor which touches a register meanwhile
/// goes on and can be stopped.
///
/// It touches neither guest memory nor the device. A pause and a change of the device wait for its
/// end; a reset does not, and then nobody hears of it.
package protocol HostErrand: Sendable {
    /// Does it; answers a count or a negated error number.
    func run() -> Int
}

extension HostErrand {
    /// What ``run()`` answers of work that counts nothing.
    package func outcome(_ work: () throws(Errno) -> Void) -> Int {
        do throws(Errno) {
            try work()
            return 0
        } catch {
            return -Int(error.rawValue)
        }
    }
}

/// Of a device that does all it does at once.
package enum NoErrand: HostErrand {
    package func run() -> Int {
        switch self {}
    }
}
