// SPDX-License-Identifier: Apache-2.0
import Linux
import Testing

@testable import Client

/// Machines that are removed when they end, by whoever sees it first.
@Suite struct TemporaryMachineTests {
    @Test func `A supervisor takes its machine away, and leaves one that somebody reads`() throws {
        let scratch = ScratchStore()
        for isRead in [false, true] {
            let seat = try scratch.make("web", isTemporary: true)
            try seat.write(try ScratchStore.state(.running))
            let hold = isRead ? MachineHold.take(seat.machine) : nil
            #expect((hold != nil) == isRead)
            try seat.write(try ScratchStore.state(.ended))
            seat.remove()
            #expect(scratch.names == (isRead ? [seat.machine.id] : []))
            #expect(seat.machine.isAlive == isRead)
            _ = consume seat
            // A look of others takes nothing away either while it is read.
            if isRead {
                #expect(try scratch.store.machine("web").status == .ended(3))
                hold?.release()
            }
            #expect(scratch.names.isEmpty)
        }
    }

    @Test(arguments: [MachineState.Phase.starting, .running, .ended])
    func `One whose supervisor is gone goes with the next look`(
        _ phase: MachineState.Phase
    ) throws {
        let scratch = ScratchStore()
        _ = try scratch.makeDead("web", isTemporary: true, in: phase)
        #expect(try scratch.store.machines().isEmpty)
        #expect(scratch.names.isEmpty)
        // The name is free again.
        _ = try scratch.make("web", isTemporary: true)
    }

    @Test func `All who wait for one whose supervisor was killed are told how it ended`() throws {
        let scratch = ScratchStore()
        let seat = try scratch.make("web", isTemporary: true)
        try seat.write(try ScratchStore.state(.running))
        let holds = (0..<2).compactMap { _ in MachineHold.take(seat.machine) }
        #expect(holds.count == 2)
        _ = consume seat
        for hold in holds {
            #expect(try scratch.store.machine("web").status == .ended(137))
            hold.release()
        }
        #expect(scratch.names.isEmpty)
    }

    @Test func `Nobody needs to hold a machine that stays, or can one that is gone`() throws {
        let scratch = ScratchStore()
        let stays = try scratch.make("stays").machine
        #expect(MachineHold.take(stays) == nil)
        let seat = try scratch.make("goes", isTemporary: true)
        try seat.write(try ScratchStore.state(.ended))
        seat.remove()
        #expect(MachineHold.take(seat.machine) == nil)
    }

    @Test func `To remove one that has gone by itself is no mistake`() throws {
        let scratch = ScratchStore()
        let seat = try scratch.make("web", isTemporary: true)
        let machine = seat.machine
        let sentence = try ScratchStore.refusal { try scratch.store.remove(machine) }
        #expect(sentence == "the machine web has not ended; stop it first")
        try seat.write(try ScratchStore.state(.ended))
        seat.remove()
        _ = consume seat
        try scratch.store.remove(machine)
    }
}
