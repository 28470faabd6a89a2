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

    func connect(ports: AddressSpace, memory windows: AddressSpace) {
        self.ports = ports
        self.windows = windows
    }

    func readPort(_ port: UInt16, size: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: ports.read(UInt64(port), size: size))
    }
    func writePort(_ port: UInt16, size: Int, value: UInt32) {
        ports.write(UInt64(port), size: size, value: UInt64(value))
    }
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 {
        windows.read(address.rawValue, size: size)
    }
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {
        windows.write(address.rawValue, size: size, value: value)
    }
}
