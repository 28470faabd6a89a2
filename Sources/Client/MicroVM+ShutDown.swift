// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

extension MicroVM {
    /// Has the agent end all programs, bring the disks to rest and end the machine.
    ///
    /// Waits at most so many seconds, or until `interrupt` is readable and `isMeant`; whatever then
    /// still runs is to be stopped. True if the machine has ended by itself.
    package func shutDown(
        seconds: Double, unless interrupt: CInt? = nil, isMeant: () -> Bool = { true }
    ) -> Bool {
        guard let channel, !channel.isClosed, (try? channel.send(.shutDown(.powerOff))) != nil
        else { return false }
        let deadline = Clock.monotonic &+ UInt64(max(0, min(seconds, 1e6)) * 1e9)
        while true {
            channel.flush()
            let now = Clock.monotonic
            guard now < deadline else { return false }
            var set = PollSet()
            register(in: &set)
            if !channel.isClosed {
                set.add(
                    channel.descriptor,
                    channel.waiting > 0 ? [.readable, .writable] : .readable)
            }
            if let interrupt { set.add(interrupt, .readable) }
            set.wait(milliseconds: CInt(min((deadline - now) / 1_000_000 + 1, 60_000)))
            // A command may still write; nobody reads that, but it is in the agent's way.
            if !channel.isClosed, set.isReadable(channel.descriptor) {
                channel.receive()
                while let frame = try? channel.next(), frame != .done {}
            }
            if (try? serve(set)) ?? true { return true }
            if let interrupt, set.isReadable(interrupt), isMeant() { return false }
        }
    }
}
