// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

extension MicroVM {
    /// Has the agent end all programs, bring the disks to rest and end the machine.
    ///
    /// Waits until the machine has ended, at most 30 seconds, or until `interrupt` is readable and
    /// `isMeant`; whatever then still runs is to be stopped.
    package func shutDown(unless interrupt: CInt, isMeant: () -> Bool) {
        guard let channel, !channel.isClosed, (try? channel.send(.shutDown(.powerOff))) != nil
        else { return }
        let deadline = Clock.deadline(in: 30)
        while true {
            channel.flush()
            guard Clock.monotonic < deadline else { return }
            var set = PollSet()
            register(in: &set)
            if !channel.isClosed {
                set.add(
                    channel.descriptor,
                    channel.waiting > 0 ? [.readable, .writable] : .readable)
            }
            set.add(interrupt, .readable)
            set.wait(until: deadline)
            // A command may still write; nobody reads that, but it is in the agent's way.
            if !channel.isClosed, set.isReadable(channel.descriptor) {
                channel.receive()
                while let frame = try? channel.next(), frame != .done {}
            }
            if (try? serve(set)) ?? true { return }
            if set.isReadable(interrupt), isMeant() { return }
        }
    }

    /// Why the machine has ended, if it does so within that many seconds.
    package func failure(within seconds: Double) -> ClientError? {
        let deadline = Clock.deadline(in: seconds)
        var set = PollSet()
        while true {
            if (try? serve(set)) ?? true { return failure }
            guard Clock.monotonic < deadline else { return nil }
            set.removeAll()
            register(in: &set)
            set.wait(until: deadline)
        }
    }
}
