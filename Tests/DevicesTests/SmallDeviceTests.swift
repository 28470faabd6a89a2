// SPDX-License-Identifier: Apache-2.0
import Bus
import Linux
import Support
import Synchronization
import Testing

@testable import Devices

/// Keeps what closures say.
final class Log<Entry: Sendable>: Sendable {
    private let list = Mutex<[Entry]>([])
    func add(_ entry: Entry) { list.withLock { $0.append(entry) } }
    var entries: [Entry] { list.withLock { $0 } }
}

@Suite struct SmallDeviceTests {
    @Test func `The boot timer hears its byte and no other`() {
        let times = Log<UInt64>()
        let timer = BootTimer { times.add($0) }
        let before = Clock.monotonic

        timer.write(offset: 0, size: 1, value: 122)
        timer.write(offset: 1, size: 1, value: 123)
        timer.write(offset: 0, size: 4, value: 123)
        timer.write(offset: 0, size: 1, value: 123)

        #expect(times.entries.count == 1)
        #expect(times.entries.allSatisfy { $0 >= before && $0 <= Clock.monotonic })
        #expect(timer.read(offset: 0, size: 1) == 0)
    }

    @Test(
        arguments: [
            (1, 0x1ff, 0xff), (2, 0x1_0001, 1), (4, 0x1_0000_0007, 7), (8, .max, .max),
        ] as [(Int, UInt64, UInt32)])
    func `The debug port passes on what its width holds`(
        size: Int, value: UInt64, expected: UInt32
    ) {
        let values = Log<UInt32>()
        DebugExit { values.add($0) }.write(offset: 0, size: size, value: value)
        #expect(values.entries == [expected])
    }

    @Test func `Power control knows off, reset and nothing else`() {
        let requests = Log<PowerControl.Request>()
        let power = PowerControl(interrupt: {}, requested: { requests.add($0) })

        for value in 0..<256 as Range<UInt64> where value & 0x3c != 0x34 {
            power.write(offset: PowerControl.sleepControl, size: 1, value: value)
        }
        for value in 0..<256 as Range<UInt64> where value != 1 {
            power.write(offset: PowerControl.resetRegister, size: 1, value: value)
        }
        #expect(requests.entries.isEmpty)
        power.write(offset: PowerControl.sleepControl, size: 1, value: 5 << 2 | 0x20)
        power.write(offset: PowerControl.resetRegister, size: 1, value: 1)

        #expect(requests.entries == [.powerOff, .reset])
        #expect(power.read(offset: PowerControl.sleepStatus, size: 1) == 0)
    }

    @Test func `The power button is one pulse each time, and asks for nothing by itself`() {
        let interrupts = InterruptCounter()
        let requests = Log<PowerControl.Request>()
        let power = PowerControl(interrupt: interrupts.wire, requested: { requests.add($0) })

        power.pressPowerButton()
        #expect(interrupts.take() == 1)
        for offset in 0..<PowerControl.windowSize {
            #expect(power.read(offset: offset, size: 1) == 0)
        }
        power.pressPowerButton()
        #expect(interrupts.take() == 1)
        #expect(requests.entries.isEmpty)
    }
}
