// SPDX-License-Identifier: Apache-2.0
import Support
import Testing
import Virtio

@testable import Devices

@Suite struct I8042Tests {
    let interrupts = InterruptCounter()
    let resets = Counter()

    func controller() -> I8042 {
        I8042(interrupt: interrupts.wire, reset: { [resets] in resets.add() })
    }

    /// Sends a command with its parameter and reads the answers, as a kernel does.
    func command(_ device: I8042, _ byte: UInt64, _ parameter: UInt64? = nil) -> [UInt64] {
        device.command.write(offset: 0, size: 1, value: byte)
        if let parameter { device.data.write(offset: 0, size: 1, value: parameter) }
        return answers(device)
    }

    func answers(_ device: I8042) -> [UInt64] {
        var bytes: [UInt64] = []
        while device.command.read(offset: 0, size: 1) & 1 != 0 {
            bytes.append(device.data.read(offset: 0, size: 1))
        }
        return bytes
    }

    @Test func `The reset line resets`() {
        let device = controller()
        _ = command(device, 0xfe)
        #expect(resets.count == 1)
        _ = command(device, 0xd1, 0xfe)
        #expect(resets.count == 2)
        _ = command(device, 0xd1, 0xff)
        _ = command(device, 0xff)
        #expect(resets.count == 2)
    }

    @Test(
        arguments: [
            (0x20, nil, [0x45]), (0xaa, nil, [0x55]), (0xab, nil, [0x00]), (0xa9, nil, [0x01]),
            (0xd0, nil, [0x03]), (0xd3, 0x5a, [0x5a]), (0x60, 0x47, []), (0xa7, nil, []),
            (0xc0, nil, [0x80]),
        ] as [(UInt64, UInt64?, [UInt64])])
    func `Every command has its answer`(byte: UInt64, parameter: UInt64?, expected: [UInt64]) {
        #expect(command(controller(), byte, parameter) == expected)
    }

    @Test func `The configuration byte is kept`() {
        let device = controller()
        _ = command(device, 0x60, 0x74)
        #expect(command(device, 0x20) == [0x74])
    }

    @Test func `The status says idle, tested and not locked`() {
        #expect(controller().command.read(offset: 0, size: 1) == 0x14)
    }

    @Test(
        arguments: [
            ([0xff], [0xfa, 0xaa]), ([0xf2], [0xfa, 0xab, 0x83]), ([0xee], [0xee]),
            ([0xed, 0x02], [0xfa, 0xfa]), ([0xf0, 0x00], [0xfa, 0xfa, 0x02]), ([0xf4], [0xfa]),
        ] as [([UInt64], [UInt64])])
    func `The keyboard answers`(bytes: [UInt64], expected: [UInt64]) {
        let device = controller()
        for byte in bytes { device.data.write(offset: 0, size: 1, value: byte) }
        #expect(answers(device) == expected)
        #expect(interrupts.count >= 1)
    }

    @Test func `Three keys ask for a restart`() {
        let device = controller()
        #expect(device.pressControlAltDelete())
        #expect(interrupts.take() == 1)
        #expect(Array(answers(device).prefix(4)) == [0x1d, 0x38, 0xe0, 0x53])
        // Each byte that waits has its own interrupt.
        #expect(interrupts.take() == 7)

        _ = command(device, 0x60, 0x05)
        #expect(device.pressControlAltDelete())
        #expect(Array(answers(device).prefix(4)) == [0x14, 0x11, 0xe0, 0x71])
    }

    @Test func `A guest that reads nothing fills nothing`() {
        let device = controller()
        for _ in 0..<1000 { device.data.write(offset: 0, size: 1, value: 0xff) }
        #expect(!device.pressControlAltDelete())
        #expect(device.save().output.count == 16)
    }

    @Test func `A keyboard that is turned off is silent`() {
        let device = controller()
        _ = command(device, 0xad)
        _ = interrupts.take()
        device.pressControlAltDelete()
        #expect(interrupts.count == 0)
    }

    @Test func `What leads to nothing is counted`() {
        let device = controller()
        _ = command(device, 0xaa)
        #expect(device.counts.emptyReads == 0)
        #expect(device.data.read(offset: 0, size: 1) == 0)
        #expect(device.counts.emptyReads == 1)
        _ = command(device, 0x10)
        // A pulse of a line that nothing hangs on is a command all the same.
        _ = command(device, 0xff)
        #expect(device.counts.unknownCommands == 1)
        #expect(device.counts.lost == 0)
        #expect(device.pressControlAltDelete())
        #expect(device.pressControlAltDelete())
        #expect(!device.pressControlAltDelete())
        #expect(device.counts.lost == 1)
    }

    @Test func `Any byte to any port is survived`() {
        let device = controller()
        for byte in 0..<256 as Range<UInt64> {
            for parameter in [0, 1, 0xff] as [UInt64] { _ = command(device, byte, parameter) }
        }
        #expect(answers(device).isEmpty)
    }

    @Test func `What is saved is what is restored`() throws {
        let device = controller()
        _ = command(device, 0x60, 0x41)
        device.data.write(offset: 0, size: 1, value: 0xf2)
        let other = controller()
        try other.restore(device.save())

        #expect(other.save() == device.save())
        #expect(answers(other) == [0xfa, 0xab, 0x83])
        var bad = device.save()
        bad.output = [UInt8](repeating: 0, count: 17)
        #expect(throws: RestoreError.value("output")) { try other.restore(bad) }
    }
}
