// SPDX-License-Identifier: Apache-2.0

/// The devices that cannot be discovered by asking them.
enum DSDT {
    static func table(devices: [MMIODevice]) -> [UInt8] {
        let fixed = [serial(), keyboard(), powerButton(), eventDevice()]
        let windows = devices.enumerated().map { virtio($0.offset, $0.element) }
        let body =
            AML.scope("\\_SB", fixed + windows)
            // Power off: SLP_TYP 5. ACPI 7.4.2.
            + AML.name("\\_S5", AML.package([5, 0, 0, 0].map(AML.integer)))
        return ACPITables.table("DSDT", revision: 2, body)
    }

    private static func serial() -> [UInt8] {
        AML.device(
            "COM1",
            [
                AML.name("_HID", AML.eisaID("PNP0501")),
                AML.name("_UID", AML.integer(0)),
                AML.name(
                    "_CRS",
                    AML.resources([
                        AML.ports(BootLayout.serialPort, count: 8),
                        AML.edgeInterrupt(BootLayout.serialGSI),
                    ])),
            ])
    }

    private static func keyboard() -> [UInt8] {
        AML.device(
            "PS2K",
            [
                AML.name("_HID", AML.eisaID("PNP0303")),
                AML.name("_UID", AML.integer(0)),
                AML.name(
                    "_CRS",
                    AML.resources([
                        AML.ports(0x60, count: 1), AML.ports(0x64, count: 1),
                        AML.edgeInterrupt(BootLayout.keyboardGSI),
                    ])),
            ])
    }

    /// A control-method power button: ACPI 4.8.3.2.
    private static func powerButton() -> [UInt8] {
        AML.device("PWRB", [AML.name("_HID", AML.eisaID("PNP0C0C"))])
    }

    /// The Generic Event Device, with one event: the power button was pressed. ACPI 5.6.9.
    private static func eventDevice() -> [UInt8] {
        AML.device(
            "GED0",
            [
                AML.name("_HID", AML.string("ACPI0013")),
                AML.name("_UID", AML.integer(0)),
                AML.name(
                    "_CRS", AML.resources([AML.edgeInterrupt(BootLayout.powerButtonGSI)])),
                AML.method(
                    "_EVT", arguments: 1, [AML.notify("\\_SB.PWRB", 0x80)]),
            ])
    }

    private static func virtio(_ index: Int, _ device: MMIODevice) -> [UInt8] {
        let number = String(index, radix: 16, uppercase: true)
        let name = "V" + String(repeating: "0", count: max(0, 3 - number.count)) + number
        return AML.device(
            name,
            [
                AML.name("_HID", AML.string("LNRO0005")),
                AML.name("_UID", AML.integer(UInt64(index))),
                AML.name("_CCA", AML.integer(1)),
                AML.name(
                    "_CRS",
                    AML.resources([
                        AML.memory(
                            UInt32(truncatingIfNeeded: device.base),
                            count: UInt32(truncatingIfNeeded: device.byteCount)),
                        AML.edgeInterrupt(device.gsi),
                    ])),
            ])
    }
}
