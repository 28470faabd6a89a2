// SPDX-License-Identifier: Apache-2.0
import Bus
import Hypervisor
import Memory

/// The machine's ports and memory-mapped devices, as its processors reach them.
///
/// An engine is made before the devices that interrupt through it, so the two address spaces are
/// connected afterwards, before any processor runs.
final class SystemBus: MachineBus, @unchecked Sendable {
    private var ports = AddressSpace()
    private var windows = AddressSpace()
    private let portReads = BusMeter()
    private let portWrites = BusMeter()
    private let memoryReads = BusMeter()
    private let memoryWrites = BusMeter()

    func connect(ports: AddressSpace, memory windows: AddressSpace) {
        self.ports = ports
        self.windows = windows
    }

    func readPort(_ port: UInt16, size: Int) -> UInt32 {
        portReads.measure { UInt32(truncatingIfNeeded: ports.read(UInt64(port), size: size)) }
    }
    func writePort(_ port: UInt16, size: Int, value: UInt32) {
        portWrites.measure { ports.write(UInt64(port), size: size, value: UInt64(value)) }
    }
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 {
        memoryReads.measure { windows.read(address.rawValue, size: size) }
    }
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {
        memoryWrites.measure { windows.write(address.rawValue, size: size, value: value) }
    }

    var readings: BusReadings {
        BusReadings(
            portReads: portReads.reading, portWrites: portWrites.reading,
            memoryReads: memoryReads.reading, memoryWrites: memoryWrites.reading)
    }
}
