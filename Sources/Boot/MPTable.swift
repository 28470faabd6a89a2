// SPDX-License-Identifier: Apache-2.0

/// The table that tells a kernel without ACPI its processors and interrupts.
/// Intel MultiProcessor Specification 1.4, chapter 4.
enum MPTable {
    private static let pointerCount = 16
    private static let headerCount = 44
    private static let busID: UInt8 = 0

    /// The floating pointer and, right behind it, the table; for ``BootLayout/mpTable``.
    ///
    /// - Parameter cpuCount: 1 to ``BootLayout/mostCPUs``.
    static func bytes(cpuCount: Int) -> [UInt8] {
        let entries = entries(cpuCount: cpuCount)
        // Processors, one bus, one I/O APIC, its inputs, two local inputs.
        let count = cpuCount + 2 + BootLayout.ioAPICInputs + 2

        var table: [UInt8] = []
        table.append("PCMP", width: 4)
        table.append(little: UInt16(headerCount + entries.count))
        table += [4, 0]
        table.append("SWIFTLET", width: 8)
        table.append("MICROVM", width: 12)
        table.append(little: UInt32(0))
        table.append(little: UInt16(0))
        table.append(little: UInt16(count))
        table.append(little: BootLayout.localAPIC)
        table.append(little: UInt32(0))
        table += entries
        table[7] = table.checksum(of: table.indices)

        var pointer: [UInt8] = []
        pointer.append("_MP_", width: 4)
        pointer.append(little: UInt32(BootLayout.mpTable) + UInt32(pointerCount))
        pointer += [1, 4, 0, 0, 0, 0, 0, 0]
        pointer[10] = pointer.checksum(of: pointer.indices)
        return pointer + table
    }

    private static func entries(cpuCount: Int) -> [UInt8] {
        // The I/O APIC's identifier is the first that no processor has.
        let ioAPICID = UInt8(truncatingIfNeeded: cpuCount)
        var entries: [UInt8] = []
        for index in 0..<cpuCount {
            // Version 0x14; enabled, the first one also boots; family 6; FPU and APIC.
            entries += [0, UInt8(truncatingIfNeeded: index), 0x14, index == 0 ? 3 : 1]
            entries.append(little: UInt32(0x600))
            entries.append(little: UInt32(0x201))
            entries.append(little: UInt64(0))
        }
        entries += [1, busID]
        entries.append("ISA", width: 6)
        entries += [2, ioAPICID, 0x11, 1]
        entries.append(little: BootLayout.ioAPIC)
        // ISA interrupts as the bus has them (rising edge): the timer on its own input, where the
        // PIC is on the input that the timer's number would name, the others each on their own.
        let timer = UInt8(BootLayout.timerGSI)
        for interrupt in 0..<UInt8(BootLayout.ioAPICInputs) where interrupt != timer {
            entries += [3, 0, 0, 0, busID, interrupt, ioAPICID, interrupt == 0 ? timer : interrupt]
        }
        entries += [3, 3, 0, 0, busID, 0, ioAPICID, 0]
        // On the first processor LINT0 takes the PIC, on all LINT1 takes NMI.
        entries += [4, 3, 0, 0, busID, 0, 0, 0]
        entries += [4, 1, 0, 0, busID, 0, 0xff, 1]
        return entries
    }
}
