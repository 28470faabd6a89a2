// SPDX-License-Identifier: Apache-2.0

/// What the machine is, for kernels with ACPI: hardware-reduced, so that Linux leaves PIC and PIT
/// alone and takes the local APIC's timer. ACPI 6.5, chapter 5.
enum ACPITables {
    private static let rsdpCount = 36

    /// RSDP, RSDT, XSDT, FADT, MADT and DSDT, one behind the other; for ``BootLayout/acpi``.
    static func bytes(apicIDs: [UInt32], devices: [MMIODevice]) -> [UInt8] {
        var tables: [UInt8] = []
        // Tables begin on 16 bytes, the first one behind the RSDP.
        let start = BootLayout.acpi + 48
        func place(_ table: [UInt8]) -> UInt64 {
            let address = start + UInt64(tables.count)
            tables += table
            tables += [UInt8](repeating: 0, count: (16 - tables.count % 16) % 16)
            return address
        }
        let dsdt = place(DSDT.table(devices: devices))
        let fadt = place(fadt(dsdt: dsdt))
        let madt = place(madt(apicIDs: apicIDs))
        var short: [UInt8] = []
        var long: [UInt8] = []
        for address in [fadt, madt] {
            short.append(little: UInt32(truncatingIfNeeded: address))
            long.append(little: address)
        }
        let rsdt = place(table("RSDT", revision: 1, short))
        let xsdt = place(table("XSDT", revision: 1, long))
        let pointer = rsdp(rsdt: rsdt, xsdt: xsdt)
        return pointer + [UInt8](repeating: 0, count: 48 - pointer.count) + tables
    }

    /// `body` behind a header with length and checksum. 5.2.6.
    static func table(_ signature: String, revision: UInt8, _ body: [UInt8]) -> [UInt8] {
        var table: [UInt8] = []
        table.append(signature, width: 4)
        table.append(little: UInt32(36 + body.count))
        table += [revision, 0]
        table.append("SWIFTL", width: 6)
        table.append("MICROVM", width: 8)
        table.append(little: UInt32(1))
        table.append("SWFT", width: 4)
        table.append(little: UInt32(1))
        table += body
        table[9] = table.checksum(of: table.indices)
        return table
    }

    /// 5.2.5.3. The RSDT is for kernels that know only ACPI 1.
    private static func rsdp(rsdt: UInt64, xsdt: UInt64) -> [UInt8] {
        var pointer: [UInt8] = []
        pointer.append("RSD PTR ", width: 8)
        pointer.append(0)
        pointer.append("SWIFTL", width: 6)
        pointer.append(2)
        pointer.append(little: UInt32(truncatingIfNeeded: rsdt))
        pointer.append(little: UInt32(rsdpCount))
        pointer.append(little: xsdt)
        pointer += [0, 0, 0, 0]
        pointer[8] = pointer.checksum(of: 0..<20)
        pointer[32] = pointer.checksum(of: pointer.indices)
        return pointer
    }

    /// 5.2.9, revision 6.
    private static func fadt(dsdt: UInt64) -> [UInt8] {
        var body = [UInt8](repeating: 0, count: 276 - 36)
        func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
            body.set(value, at: offset - 36)
        }
        func setPort(_ port: UInt16, at offset: Int) {
            // System I/O, 8 bits wide, from bit 0, one byte at a time.
            body.replaceSubrange((offset - 36)..<(offset - 32), with: [1, 8, 0, 1])
            set(UInt64(port), at: offset + 4)
        }
        set(UInt32(truncatingIfNeeded: dsdt), at: 40)
        // Legacy devices, an 8042; no VGA, no CMOS clock.
        set(UInt16(truncatingIfNeeded: mask([0, 1, 2, 5])), at: 109)
        // WBINVD, C1, power and sleep buttons are no fixed ones, reset register,
        // hardware-reduced.
        set(mask([0, 2, 4, 5, 10, 20]), at: 112)
        setPort(BootLayout.resetPort, at: 116)
        set(BootLayout.resetValue, at: 128)
        set(UInt8(5), at: 131)
        set(dsdt, at: 140)
        setPort(BootLayout.sleepControlPort, at: 244)
        setPort(BootLayout.sleepStatusPort, at: 256)
        body.replaceSubrange((268 - 36)..<(276 - 36), with: "SWIFTLET".utf8)
        return table("FACP", revision: 6, body)
    }

    private static func mask(_ bits: [UInt32]) -> UInt32 {
        bits.reduce(0) { $0 | 1 << $1 }
    }

    /// Processors, the I/O APIC, the timer's place on it, NMI on LINT1 of all. Other inputs and
    /// ISA interrupts are numbered alike and have ISA's trigger, the default. 5.2.12.
    static func madt(apicIDs: [UInt32]) -> [UInt8] {
        var body: [UInt8] = []
        body.append(little: BootLayout.localAPIC)
        // No PIC that would have to be masked: the hardware is reduced.
        body.append(little: UInt32(0))
        for (uid, id) in apicIDs.enumerated() {
            if id < 255, uid < 255 {
                body += [0, 8, UInt8(uid), UInt8(id)]
                body.append(little: UInt32(1))
            } else {
                body += [9, 16, 0, 0]
                body.append(little: id)
                body.append(little: UInt32(1))
                body.append(little: UInt32(truncatingIfNeeded: uid))
            }
        }
        body += [1, 12, UInt8(truncatingIfNeeded: apicIDs.count), 0]
        body.append(little: BootLayout.ioAPIC)
        body.append(little: UInt32(0))
        body += [2, 10, 0, 0]
        body.append(little: BootLayout.timerGSI)
        body.append(little: UInt16(0))
        body += [4, 6, 0xff, 0, 0, 1]
        return table("APIC", revision: 5, body)
    }
}
